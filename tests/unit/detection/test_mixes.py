"""The same lines in other shares: no new line, no more of them, and still news."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest

from aiops.detection.logs import LogDetection
from aiops.detection.mix_state import MAX_KINDS, MixOf
from aiops.model import Anomaly, Severity
from tests.unit.evidence import T, window

THRESHOLD = 6.0
USUAL = {"cache hit": 0.72, "cache miss": 0.2, "entry dropped": 0.08}
NOTHING: Mapping[str, int] = {}
MISSES = {"cache hit": 0.22, "cache miss": 0.7, "entry dropped": 0.08}


class Cache:
    """A service that says about three hundred lines a minute, in two windows."""

    def __init__(self) -> None:
        self.logs = LogDetection(width=30.0)
        self.logs.start(T)
        self.at = T
        self._chance = random.Random(11)

    def minute(
        self,
        shares: Mapping[str, float] = USUAL,
        lines: int = 150,
        more: Mapping[str, int] = NOTHING,
    ) -> list[Anomaly]:
        found: list[Anomaly] = []
        for _ in range(2):
            self.at += 30.0
            while self.logs.mark is not None and self.logs.mark < self.at:
                found += self.logs.roll(lambda _: self.at, THRESHOLD)
            said = self._chance.choices(list(shares), list(shares.values()), k=lines)
            counts = {text: n for text in shares if (n := said.count(text))} | dict(more)
            found += self.logs.judge(window(counts, self.at, width=30.0), THRESHOLD)
        return found

    def live(self, minutes: int, shares: Mapping[str, float] = USUAL) -> list[Anomaly]:
        return [a for _ in range(minutes) for a in self.minute(shares)]

    def restart(self) -> None:
        sections = self.logs.to_sections()
        self.logs = LogDetection(width=30.0)
        headers = [msgspec.msgpack.encode(s.header) for s in sections]
        back = [msgspec.msgpack.decode(header, strict=False) for header in headers]
        self.logs.restore(
            {s.name: replace(s, header=h) for s, h in zip(sections, back, strict=True)}
        )


def test_a_cache_that_misses_what_it_hit_is_told() -> None:
    """The reason names what moved, from what share to what; the samples show what rose."""
    cache = Cache()
    assert cache.live(460) == []
    (*_, one) = [a for a in cache.live(11, MISSES) if a.kind == "mix"]
    assert (one.entity, one.detector, one.unit) == ("service:cart", "mix", "ratio")
    assert one.surprise > THRESHOLD - 2.0
    assert one.actual == pytest.approx(0.7, abs=0.1)
    assert one.expected == pytest.approx(0.2, abs=0.02)
    assert one.low is not None
    assert one.high is not None
    assert 0.0 < one.low < 0.2 < one.high < 0.5
    assert one.seen > 70
    words = r'lines in other shares than usual: "cache miss" \d+ % instead of 20 %, "cache hit" .*'
    assert re.fullmatch(words, one.reason)
    assert "entry dropped" not in one.reason
    assert [s.text for s in one.samples] == ["cache miss"]
    assert (one.severity, one.severe) == (Severity.WARNING, False)


def test_more_of_all_lines_is_no_other_mix() -> None:
    """Ten times the lines in the same shares stay what they were."""
    cache = Cache()
    cache.live(300)
    found = [a for _ in range(10) for a in cache.minute(lines=1000)]
    assert [a for a in found if a.kind == "mix"] == []


def test_a_new_line_is_not_told_twice() -> None:
    """What was never seen before is told as new; the shares of the others did not change."""
    cache = Cache()
    cache.live(300)
    found = [a for _ in range(90) for a in cache.minute(more={"entry pinned": 100})]
    assert "new_template" in {a.kind for a in found}
    assert "mix" not in {a.kind for a in found}


def test_few_lines_are_gathered_until_they_suffice() -> None:
    """Thirty lines a minute are judged every four minutes; three a minute never are."""
    mix, counts = MixOf(), {"a": 0, "b": 0}

    def judged(minutes: range, each: int) -> list[int]:
        found: list[int] = []
        for n in minutes:
            counts.update({key: sofar + each for key, sofar in counts.items()})
            mix.gather(counts, str)
            if mix.end(T + 60.0 * n, 60.0) is not None:
                found.append(n)
        return found

    judged(range(80), 15)
    assert judged(range(80, 96), 15) == [80, 84, 88, 92]
    judged(range(96, 102), 1)
    assert judged(range(102, 180), 1) == []


def test_a_restart_changes_nothing() -> None:
    """Saved within a minute of another mix, the rest is told the same, samples included."""

    def run(cut: int) -> list[Anomaly]:
        cache, found = Cache(), []
        for n in range(460):
            if n == cut:
                cache.restart()
            found += cache.minute(MISSES if n >= 445 else USUAL)
        return found

    whole = run(-1)
    assert [a for a in whole if a.kind == "mix"]
    assert run(453) == whole


def test_what_merges_is_counted_as_one() -> None:
    """A template that became another brings its share along; the time between is not judged."""
    mix = MixOf()
    at, counts = T, {"a": 0, "b": 0, "c": 0}
    for _ in range(70):
        at += 60.0
        counts = {key: n + 100 for key, n in counts.items()}
        mix.gather(counts, str)
        mix.end(at, 60.0)
    merged = {"a": counts["a"] + counts["c"] + 150, "b": counts["b"] + 100}
    mix.gather(merged, lambda key: "a" if key == "c" else key)
    assert mix.end(at + 60.0, 60.0) is None
    mix.gather({"a": merged["a"] + 200, "b": merged["b"] + 100}, str)
    distance = mix.end(at + 120.0, 60.0)
    assert distance is not None
    assert distance.value < 1.0


def test_the_kinds_of_a_mix_are_bounded() -> None:
    """Only the most frequent templates have shares."""
    mix = MixOf()
    mix.gather({f"t{n:03}": n for n in range(500)}, str)
    assert len(mix.last) == MAX_KINDS
    assert "t499" in mix.last
