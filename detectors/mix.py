"""How far the lines of a minute are from the shares that kinds of lines usually have.

The distance is the root of the likelihood ratio of a multinomial (the G of Wilks 1938): by chance
alone about the root of the number of kinds, however many lines there are. What real services add
to chance the caller learns from the distances themselves. Shares are forgotten exponentially; a
period that stands out is learned only as far as it was to be expected (clipped).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ENOUGH: Final = 100
"""Lines of known kinds that a distance needs."""

FEWEST_EXPECTED: Final = 3.0
"""Kinds with fewer lines to be expected are counted together."""

CLIP: Final = 3.0
"""A period teaches at most so many times, and at least this part of, what was to be expected."""


@dataclass(slots=True)
class _Share:
    """Lines of one kind and of all settled kinds since it was first counted, both forgotten."""

    since: float
    lines: float = 0.0
    of: float = 0.0
    settled: bool = False

    @property
    def share(self) -> float:
        return (self.lines + 0.5) / (self.of + 1.0)


@dataclass(frozen=True, slots=True)
class Moved:
    """State one kind of line: how many there were and how many were to be expected."""

    key: str
    lines: float
    expected: float

    @property
    def weight(self) -> float:
        """Return the deviation in units of Poisson."""
        return abs(self.lines - self.expected) / math.sqrt(self.expected + 1.0)


@dataclass(frozen=True, slots=True)
class MixDistance:
    """State a distance, of so many lines in so many kinds; a part is (key, lines, expected)."""

    value: float
    lines: float
    kinds: int
    parts: tuple[tuple[str, float, float], ...]

    @property
    def moved(self) -> list[Moved]:
        """Return all kinds, what moved most first."""
        return sorted((Moved(*part) for part in self.parts), key=lambda m: (-m.weight, m.key))


class Mix:
    """Know the usual shares of the kinds of lines of one source.

    Parameters
    ----------
    memory
        Seconds after which a line has lost 1/e of its weight.
    settle
        Seconds after which a new kind is judged: until then it is only learned.
    """

    def __init__(self, *, memory: float = 86400.0, settle: float = 3600.0) -> None:
        self.memory = memory
        self.settle = settle
        self._shares: dict[str, _Share] = {}
        self._at: float | None = None

    def __len__(self) -> int:
        return len(self._shares)

    def __contains__(self, key: str) -> bool:
        return key in self._shares

    def keys(self) -> list[str]:
        """Return the known kinds in the order in which they became known."""
        return list(self._shares)

    def distance(self, counts: Mapping[str, float]) -> MixDistance | None:
        """Return how far *counts* (lines by kind) are from usual, ``None`` for too few."""
        known = [
            (key, counts.get(key, 0.0), (share.lines + 0.5) / (share.of + 1.0))
            for key, share in self._shares.items()
            if share.settled
        ]
        lines = sum([count for _, count, _ in known])
        if len(known) < 2 or lines < ENOUGH:
            return None
        scale = lines / sum([share for _, _, share in known])
        parts = tuple([(key, count, share * scale) for key, count, share in known])
        kinds, ratio, rest, rest_expected = 0, 0.0, 0.0, 0.0
        for _, count, expected in parts:
            if expected < FEWEST_EXPECTED:
                rest, rest_expected = rest + count, rest_expected + expected
                continue
            kinds += 1
            if count > 0.0:
                ratio += count * math.log(count / expected)
        if rest_expected > 0.0:
            kinds += 1
            ratio += rest * math.log(rest / rest_expected) if rest > 0.0 else 0.0
        return MixDistance(math.sqrt(max(2.0 * ratio, 0.0)), lines, kinds, parts)

    def learn(self, counts: Mapping[str, float], at: float) -> None:
        """Learn the lines of one period that ended at *at*; kinds not known yet become known."""
        kept = 1.0 if self._at is None else math.exp(-max(at - self._at, 0.0) / self.memory)
        self._at = at if self._at is None else max(at, self._at)
        for key in counts:
            if key not in self._shares:
                self._shares[key] = _Share(at)
        self._settle(at)
        base = [key for key, share in self._shares.items() if share.settled] or self._shares
        lines = sum(counts.get(key, 0.0) for key in base)
        for key, share in self._shares.items():
            count = counts.get(key, 0.0)
            if share.settled:
                expected = lines * share.share
                count = min(max(count, expected / CLIP - 1.0), CLIP * expected + 1.0)
            share.lines = share.lines * kept + count
            share.of = share.of * kept + lines

    def _settle(self, at: float) -> None:
        """Let kinds join the whole once they are known for long: as if always part of it."""
        ready = [s for s in self._shares.values() if not s.settled and at - s.since >= self.settle]
        whole = [share for share in self._shares.values() if share.settled]
        for share in ready:
            share.settled = True
            if not whole or share.of <= 0.0:
                continue
            factor = 1.0 + share.lines / share.of
            whole.append(share)
            for one in whole:
                one.of *= factor

    def weight(self, key: str) -> float:
        """Return how many lines of a kind are remembered."""
        return self._shares[key].lines

    def drop(self, key: str) -> None:
        """Forget a kind."""
        del self._shares[key]

    def merge(self, old: str, into: str) -> None:
        """Count the lines of *old* as those of *into* from now on."""
        gone, kept = self._shares.pop(old), self._shares.get(into)
        if kept is None:
            self._shares[into] = gone
            return
        kept.lines, kept.of = kept.lines + gone.lines, max(kept.of, gone.of)
        kept.since = min(kept.since, gone.since)

    def to_state(self) -> list[Any]:
        """Return plain values for ``from_state``."""
        shares = [[key, s.since, s.lines, s.of, s.settled] for key, s in self._shares.items()]
        return [self.memory, self.settle, self._at, shares]

    @classmethod
    def from_state(cls, state: list[Any]) -> Mix:
        """Rebuild exactly what ``to_state`` described."""
        memory, settle, at, shares = state
        self = cls(memory=memory, settle=settle)
        self._at = at
        self._shares = {key: _Share(*share) for key, *share in shares}
        return self
