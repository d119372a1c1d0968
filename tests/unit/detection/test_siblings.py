"""Instances of one workload: what all do is one fact, and who is unlike the others is named."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from aiops.detection.logs import LogDetection
from aiops.detection.siblings import Home, Siblings
from aiops.model import Anomaly, Severity
from tests.unit.evidence import STREAM, T, window

THRESHOLD = 6.0
NAMES = ("cart-1", "cart-2", "cart-3", "cart-4")
STREAMS = {name: replace(STREAM, id=f"file:{name}.log", instance=name) for name in NAMES}


class Workload:
    """Four instances that say about six hundred lines a minute each, cart-4 always half as much."""

    def __init__(self) -> None:
        self.logs = LogDetection(width=60.0)
        self.logs.start(T)
        self.at = T
        self._chance = random.Random(4)

    def minute(self, factors: Mapping[str, float] | None = None, failing: int = 0) -> list[Anomaly]:
        self.at += 60.0
        found: list[Anomaly] = []
        while self.logs.mark is not None and self.logs.mark < self.at:
            found += self.logs.roll(lambda _: self.at, THRESHOLD)
        for name, stream in STREAMS.items():
            usual = 300.0 if name == "cart-4" else 600.0
            count = round(self._chance.gauss(usual, usual**0.5) * (factors or {}).get(name, 1.0))
            said = {"order placed": count} if count else {}
            found += self.logs.judge(window(said, self.at, stream=stream, width=60.0), THRESHOLD)
            if failing:
                bad = window(
                    {"payment declined": failing},
                    self.at,
                    severity=Severity.ERROR,
                    stream=stream,
                    width=60.0,
                )
                found += self.logs.judge(bad, THRESHOLD)
        return found

    def usual(self, minutes: int = 400) -> list[Anomaly]:
        return [a for _ in range(minutes) for a in self.minute()]

    def restart(self) -> None:
        sections = self.logs.to_sections()
        self.logs = LogDetection(width=60.0)
        headers = [msgspec.msgpack.encode(s.header) for s in sections]
        back = [msgspec.msgpack.decode(header, strict=False) for header in headers]
        self.logs.restore(
            {s.name: replace(s, header=h) for s, h in zip(sections, back, strict=True)}
        )


def test_instances_that_differ_as_always_are_no_news() -> None:
    """One that says half as much as its siblings does so by design; rush hours reach all."""
    workload = Workload()
    assert workload.usual() == []
    rush = dict.fromkeys(NAMES, 1.25)
    assert not [a for _ in range(20) for a in workload.minute(rush) if a.kind == "siblings"]


def test_one_unlike_its_siblings_is_named() -> None:
    """It is told of the workload, with what the others say as what was to be expected."""
    workload = Workload()
    workload.usual()
    found = [a for _ in range(6) for a in workload.minute({"cart-2": 0.2})]
    told = [a for a in found if a.kind == "siblings"]
    assert told
    one = told[-1]
    assert (one.entity, one.series.name) == ("service:cart", "lines beside siblings")
    assert (one.detector, one.unit, one.severe) == ("siblings", "lines/min", True)
    assert one.reason.startswith("cart-2 says less than its siblings: ")
    assert one.reason.endswith("if it did as the other 3 do")
    assert None not in (one.actual, one.expected, one.low, one.high)
    assert one.actual < 200.0 < one.low < one.expected < one.high  # type: ignore[operator]  # known
    assert one.surprise > THRESHOLD - 2.0
    assert one.seen > 300
    assert len({a.id for a in told}) == 1


def test_what_all_instances_do_at_once_is_one_anomaly() -> None:
    """A surge on every instance is told once, lines added up, and no instance is blamed."""
    workload = Workload()
    workload.usual()
    found = [a for _ in range(3) for a in workload.minute(dict.fromkeys(NAMES, 5.0))]
    surges = [a for a in found if a.kind == "surge"]
    assert len(surges) == len({a.at for a in surges}) == 2
    assert surges[0].series.name == "lines of instances"
    assert "(4 of 4 instances)" in surges[0].reason
    assert surges[0].actual is not None
    assert surges[0].actual > 9000.0
    assert len({a.id for a in surges}) == 1
    assert not [a for a in found if a.kind == "siblings"]


def test_errors_on_all_instances_are_one_share() -> None:
    """Shares are not added up; the lines of several instances are shown."""
    workload = Workload()
    workload.usual()
    found = [a for _ in range(3) for a in workload.minute(failing=200)]
    shares = [a for a in found if a.kind == "error_share"]
    assert len(shares) == len({a.at for a in shares}) == 2
    assert shares[0].actual is not None
    assert 0.2 < shares[0].actual < 0.5
    assert len({s.stream for s in shares[0].samples}) > 1


def test_a_departure_of_one_instance_says_of_which() -> None:
    """What only one of them does keeps its series, and the reason counts those that do not."""
    workload = Workload()
    workload.usual()
    found = [a for _ in range(4) for a in workload.minute({"cart-3": 8.0})]
    (surge, *_) = [a for a in found if a.kind == "surge"]
    assert surge.series.name == 'lines{stream="file:cart-3.log"}'
    assert surge.reason.endswith("cart-3 (1 of 4 instances)")


def test_a_restart_changes_nothing() -> None:
    """Saved in the middle of a departure, the rest is told the same."""

    def run(cut: int) -> list[Anomaly]:
        workload, found = Workload(), []
        for n in range(320):
            if n == cut:
                workload.restart()
            found += workload.minute({"cart-2": 0.1} if n >= 310 else None)
        return found

    whole = run(-1)
    assert whole
    assert run(315) == whole


def test_streams_without_an_instance_have_no_siblings() -> None:
    """Two files of one service are not two of its kind."""
    siblings = Siblings(60.0)
    siblings.know(STREAM)
    siblings.know(replace(STREAM, id="file:cart-access.log"))
    assert siblings.streams() == set()
    siblings.know(STREAMS["cart-1"])
    siblings.know(STREAMS["cart-2"])
    assert siblings.streams() == {"file:cart-1.log", "file:cart-2.log"}
    assert Home("service:cart", "service:cart", "cart-1").instance == "cart-1"
