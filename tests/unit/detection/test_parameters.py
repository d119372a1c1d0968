"""Numbers inside lines: found by themselves, judged, and told with their unit."""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import pytest

from aiops.detection.parameters import MAX_OF_WORKLOAD, Parameters
from aiops.model import Anomaly, LineKind, LogWindow, SampleLine, Severity
from tests.unit.evidence import STREAM, T

THRESHOLD = 6.0
DONE = LineKind("", Severity.INFO, b"order <*> confirmed, took <*> ms")


class Orders:
    """A service that confirms orders; one sample in each window of ten seconds."""

    def __init__(self) -> None:
        self.parameters = Parameters(60.0)
        self.at = T
        self._chance = random.Random(3)

    def live(self, minutes: int, median: float = 45.0) -> list[Anomaly]:
        found: list[Anomaly] = []
        for n in range(6 * minutes):
            self.at += 10.0
            took = median * self._chance.lognormvariate(0.0, 0.4)
            line = (
                f"10:00:00 INFO order {self._chance.randrange(10**6)} confirmed, took {took:.0f} ms"
            )
            self.say(line)
            if n % 6 == 5:
                found += self.parameters.roll(self.at, THRESHOLD)
        return found

    def say(self, line: str, kind: LineKind = DONE, count: int = 9) -> None:
        sample = SampleLine(self.at - 5.0, STREAM.id, line)
        self.parameters.add(
            LogWindow(STREAM, self.at - 10.0, self.at, {kind: count}, {kind: sample}, count, 0, 0)
        )

    def restart(self) -> None:
        section = self.parameters.to_section()
        stored = msgspec.msgpack.decode(msgspec.msgpack.encode(section.header), strict=False)
        self.parameters = Parameters(60.0)
        self.parameters.restore(replace(section, header=stored))


def test_a_duration_that_rises_is_a_symptom() -> None:
    """It says the template with the number marked, the unit, the usual, and shows a slow line."""
    orders = Orders()
    assert orders.live(900) == []
    one = orders.live(11, median=900.0)[-1]
    assert (one.kind, one.detector, one.unit) == ("parameter", "parameters", "ms")
    assert one.series.name == "<#> in order <*> confirmed, took <#> ms"
    assert one.actual == pytest.approx(900.0, rel=0.3)
    assert one.expected == pytest.approx(45.0, rel=0.2)
    assert one.low is not None
    assert one.high is not None
    assert one.low < 45.0 < one.high < 900.0
    assert one.reason.startswith("number in lines above usual: ")
    assert one.reason.endswith(" ms")
    assert one.surprise > THRESHOLD - 2.0
    assert (one.severity, one.severe) == (Severity.WARNING, True)
    assert one.seen > 150
    (sample,) = one.samples
    assert "took" in sample.text


def test_a_duration_that_falls_is_good_news() -> None:
    """It is context, never a symptom."""
    orders = Orders()
    orders.live(900)
    found = orders.live(11, median=1.0)
    assert found
    assert all(a.severity is Severity.INFO and not a.severe for a in found)


def test_lines_that_come_seldom_are_not_read() -> None:
    """Four in a window are no steady traffic."""
    orders = Orders()
    for _ in range(100):
        orders.say("order 7 confirmed, took 45 ms", count=4)
    assert orders.parameters.to_section().header["kinds"] == []


def test_a_restart_changes_nothing() -> None:
    """Saved within a study, and within a gathering, the rest is told the same."""

    def run(*cuts: int) -> list[Anomaly]:
        orders, found = Orders(), []
        for n in range(700):
            if n in cuts:
                orders.restart()
            found += orders.live(1, median=45.0 if n < 680 else 2000.0)
        return found

    whole = run()
    assert whole
    assert run(3, 683) == whole


def test_what_is_studied_is_bounded_and_told() -> None:
    """A workload of many kinds is told once."""
    orders = Orders()
    for n in range(MAX_OF_WORKLOAD + 5):
        kind = LineKind("", Severity.INFO, b"job %d took <*> ms" % n)
        orders.say(f"job {n} took 4 ms", kind)
    assert orders.parameters.refused == 1
    assert len(orders.parameters.to_section().header["kinds"]) == MAX_OF_WORKLOAD
