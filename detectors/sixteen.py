"""Keep float32 values in 16 bits each, and put them in order as they are."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibrate import Floats

UNKNOWN: Final = np.uint16(0xFFFF)
"""What no value is packed into: "not known" …"""

FIRST: Final = np.int16(-0x8000)
"""… and what ``turn`` makes of it: it comes before all values."""

_HALF: Final = np.uint32(0x8000)
_KNOWN: Final = np.uint32(16)
_SIGN: Final = np.int16(15)
_FLIPPED: Final = np.int16(0x7FFF)
# fmt: off
_NETWORK: Final = (
    (0, 6), (2, 3), (4, 5), (0, 2), (1, 4), (3, 6), (0, 1), (2, 5),
    (3, 4), (1, 2), (4, 6), (2, 3), (4, 5), (1, 2), (3, 4), (5, 6),
)
# fmt: on


def ordered(packed: NDArray[np.uint16]) -> list[NDArray[np.int16]]:
    """Return seven lines in order, as ``turn`` makes them; what is not known comes first.

    A network of comparisons (Knuth, volume 3, section 5.3.4) costs a twelfth of a sort a column.
    """
    lines = list(turn(packed.view(np.int16)))
    for i, j in _NETWORK:
        a, b = lines[i], lines[j]
        lines[i], lines[j] = np.minimum(a, b), np.maximum(a, b)
    return lines


def turn(words: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return integers that are in order as their values are, or turn them back."""
    turned: NDArray[np.int16] = words ^ ((words >> _SIGN) & _FLIPPED)
    return turned


def pack(values: Floats) -> NDArray[np.uint16]:
    """Return the upper half of each float32, rounded: eight bits of the value, any size."""
    words: NDArray[np.uint32] = (values.view(np.uint32) + _HALF) >> _KNOWN
    return words.astype(np.uint16)


def unpack(packed: NDArray[np.uint16]) -> Floats:
    """Return the values that ``pack`` rounded."""
    found: Floats = (packed.astype(np.uint32) << _KNOWN).view(np.float32)
    return found
