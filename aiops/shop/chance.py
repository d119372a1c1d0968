"""Seeded chance: one generator per name and hour, and noise that has no seams between hours."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR = 3600
"""Width of the unit of generation in seconds; units lie on whole hours of UTC."""

CELL = 10.0
"""Seconds within which the rate of lines is constant."""

CELLS = int(HOUR / CELL)


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
    """Return smooth noise of about unit variance that wanders over *period* seconds.

    *at* must be in order; the value at a time does not depend on the other times.
    """
    place = at / period
    knot = np.floor(place)
    share = place - knot
    share *= share * (3.0 - 2.0 * share)
    # Few knots serve many times: hash each knot once.
    first = int(knot[0])
    index = (knot - first).astype(np.intp)
    # A blend of two uniforms has standard deviation of about 0.25 over one period.
    values = (uniform_at(noise, np.arange(first, int(knot[-1]) + 2)) - 0.5) * 4.0
    left = values[index]
    mixed: NDArray[np.float64] = left + (values[index + 1] - left) * share
    return mixed


def cells(hour: int) -> NDArray[np.float64]:
    """Return the middle of each cell of an hour: within a cell the rate of lines is constant."""
    return np.asarray(hour + (np.arange(CELLS) + 0.5) * CELL, dtype=np.float64)
