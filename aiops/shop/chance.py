"""Seeded chance: one generator per name and hour, and noise that has no seams between hours."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR = 3600
"""Width of the unit of generation in seconds; units lie on whole hours of UTC."""


def key(*parts: object) -> int:
    """Return a 64-bit number that depends on nothing but the text of *parts*."""
    text = "/".join(str(part) for part in parts).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def generator(*parts: object) -> np.random.Generator:
    """Return the generator that belongs to *parts* alone."""
    return np.random.Generator(np.random.PCG64(key(*parts)))


def uniform_at(noise: int, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a uniform number in [0, 1) per index, the same whichever indexes are asked for."""
    # splitmix64: the quality that noise needs, without any state to carry from hour to hour.
    x = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(noise)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def drift(noise: int, at: NDArray[np.float64], period: float) -> NDArray[np.float64]:
    """Return smooth noise of about unit variance that wanders over *period* seconds."""
    place = at / period
    knot = np.floor(place)
    share = place - knot
    share = share * share * (3.0 - 2.0 * share)
    index = knot.astype(np.int64)
    left, right = uniform_at(noise, index), uniform_at(noise, index + 1)
    # A blend of two uniforms has standard deviation of about 0.25 over one period.
    mixed: NDArray[np.float64] = ((left + (right - left) * share) - 0.5) * 4.0
    return mixed
