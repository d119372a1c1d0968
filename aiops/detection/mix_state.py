"""What is known of the mix of one workload: usual shares, counts so far, the last lines said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiops.model import LineKind, SampleLine
from aiops.redaction import harmless, redact
from detectors.mix import ENOUGH, Mix, MixDistance

MAX_KINDS = 64
"""Templates of a workload whose shares are known; the frequent ones."""

WAIT = 900.0
"""Seconds in which enough lines must come together to be judged."""

_Part = tuple[Mapping[LineKind, SampleLine], Sequence[LineKind], Mapping[bytes, str]]


@dataclass(slots=True)
class Latest:
    """The sample lines of a workload's last window, found by template only when asked for."""

    parts: list[_Part] = field(default_factory=list)
    saved: dict[str, SampleLine] = field(default_factory=dict)

    def clear(self) -> None:
        self.parts = []
        if self.saved:
            self.saved = {}

    def find(self, wanted: Sequence[str]) -> dict[str, SampleLine]:
        """Return one line, its secrets hidden, of each wanted template that was said."""
        found = {t: self.saved[t] for t in wanted if t in self.saved}
        asked = set(wanted) - set(found)
        for samples, kinds, ids in self.parts:
            for kind in kinds:
                template = ids[kind.masked]
                if template not in asked or (sample := samples.get(kind)) is None:
                    continue
                asked.discard(template)
                text = harmless(redact(sample.text), lines=True)
                found[template] = replace(sample, text=text)
        return found


@dataclass(slots=True)
class MixOf:
    """The mix of one workload: usual shares, counts at the last mark, lines not judged yet."""

    mix: Mix = field(default_factory=Mix)
    last: dict[str, int] = field(default_factory=dict)
    gathered: dict[str, float] = field(default_factory=dict)
    since: float | None = None
    latest: Latest = field(default_factory=Latest)

    def gather(self, counts: Mapping[str, int], resolve: Callable[[str], str]) -> None:
        """Add what the templates counted since the last mark; make room for new templates."""
        last, mix = self.last, self.mix
        merged = False
        gone = () if last.keys() <= counts.keys() else [k for k in last if k not in counts]
        for key in gone:
            into = resolve(key)
            del last[key]
            self.gathered.pop(key, None)
            if key in mix and into in counts:
                mix.merge(key, into)
                last[into] = counts[into]
                merged = True
            elif key in mix:
                mix.drop(key)
        if merged:
            self.gathered.clear()  # what was said by whom is not known for this time
        else:
            gathered = self.gathered
            for key, before in last.items():
                if (more := counts[key] - before) > 0:
                    gathered[key] = gathered.get(key, 0.0) + more
        for key in last:
            last[key] = counts[key]
        if len(counts) > len(last):
            self._admit(counts)

    def _admit(self, counts: Mapping[str, int]) -> None:
        if len(self.last) >= MAX_KINDS:
            for key in [k for k in self.last if k in self.mix and self.mix.weight(k) < 1.0]:
                del self.last[key]
                self.mix.drop(key)
        free = MAX_KINDS - len(self.last)
        if free > 0:
            fresh = [key for key in counts if key not in self.last]
            for key in sorted(fresh, key=lambda k: (-counts[k], k))[:free]:
                self.last[key] = counts[key]

    def end(self, mark: float, period: float) -> MixDistance | None:
        """Judge and learn what was gathered, once it is enough; ``None`` until then."""
        self.since = mark - period if self.since is None else self.since
        enough = sum(self.gathered.values()) >= ENOUGH
        if not enough and mark - self.since < WAIT:
            return None
        distance = self.mix.distance(self.gathered) if enough else None
        if self.gathered:
            self.mix.learn(self.gathered, mark)
        self.gathered, self.since = {}, None
        return distance

    def to_state(self) -> list[Any]:
        """Return plain values for ``from_state``."""
        lines = self.latest.find(list(self.last))
        saved = [[key, line.at, line.stream, line.text] for key, line in sorted(lines.items())]
        return [self.mix.to_state(), dict(self.last), dict(self.gathered), self.since, saved]

    @classmethod
    def from_state(cls, state: list[Any]) -> MixOf:
        """Rebuild exactly what ``to_state`` described."""
        mix, last, gathered, since, saved = state
        lines = {key: SampleLine(at, stream, text) for key, at, stream, text in saved}
        latest = Latest(saved=lines)
        return cls(Mix.from_state(mix), dict(last), dict(gathered), since, latest)
