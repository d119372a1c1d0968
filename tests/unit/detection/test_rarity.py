"""Known lines that hardly ever come: what their return means, and from how many instances."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from aiops.detection.logs import LogDetection
from aiops.detection.rarity import MAX_KNOWN, Returns
from aiops.model import Anomaly, Severity, Stream
from tests.unit.evidence import STREAM, T, window

THRESHOLD = 6.0
DAY = 86400.0
FLAP = "link flapped on port 3"


def instances(count: int) -> list[Stream]:
    return [replace(STREAM, id=f"file:cart-{n}.log", instance=f"cart-{n}") for n in range(count)]


class Service:
    """A service that says the usual in windows of a minute, on several instances."""

    def __init__(self) -> None:
        self.logs = LogDetection(width=60.0)
        self.at = T

    def live(self, hours: float) -> list[Anomaly]:
        """Say the usual once in ten minutes, which keeps the tests fast."""
        found: list[Anomaly] = []
        for _ in range(round(hours * 6)):
            self.at += 600.0
            found += self.logs.judge(window({"order placed": 6}, self.at, width=60.0), THRESHOLD)
        return found

    def say(
        self, text: str, each: int = 1, on: int = 1, severity: Severity = Severity.WARNING
    ) -> list[Anomaly]:
        self.at += 60.0
        found: list[Anomaly] = []
        for stream in instances(on):
            said = window({text: each}, self.at, severity=severity, stream=stream, width=60.0)
            found += self.logs.judge(said, THRESHOLD)
        return found

    def restart(self) -> None:
        sections = self.logs.to_sections()
        again = LogDetection(width=60.0)
        stored = [msgspec.msgpack.encode(s.header) for s in sections]
        headers = [msgspec.msgpack.decode(header, strict=False) for header in stored]
        again.restore(
            {s.name: replace(s, header=h) for s, h in zip(sections, headers, strict=True)}
        )
        self.logs = again


@pytest.fixture
def service() -> Service:
    """Return a service that warned once and then was well for three days."""
    made = Service()
    made.live(6.0)
    made.say(FLAP)
    assert made.live(72.0) == []
    return made


def test_a_warning_that_returns_after_days_is_evidence(service: Service) -> None:
    """It says how long it was away, how often it was seen and what was to be expected."""
    (found,) = service.say(FLAP)
    assert (found.kind, found.detector, found.unit) == ("rare_template", "rarity", "lines")
    assert (found.actual, found.expected, found.low, found.high) == (1.0, 0.0, 0.0, 1.0)
    assert found.reason == "rare line came back after 3 days, seen 1 time in 3 days"
    assert 2.0 < found.surprise < THRESHOLD
    assert found.seen > 300
    assert [s.text for s in found.samples] == [FLAP]


def test_numbers_and_instances_make_a_return_loud(service: Service) -> None:
    """Few lines weigh more than one, and more again where three instances say them."""
    (once,) = service.say(FLAP)
    many = service.say(FLAP)[-1]
    wide = service.say(FLAP, on=3)[-1]
    assert once.surprise + 1.0 < many.surprise < wide.surprise
    assert "on 3 instances" in wide.reason
    assert once.id == many.id == wide.id


def test_what_returns_every_day_in_the_same_numbers_becomes_usual() -> None:
    """A nightly job that warns is measured against its own nights, not against silence."""
    service = Service()
    said: list[list[Anomaly]] = []
    service.live(6.0)
    for _ in range(8):
        said.append(service.say(FLAP, each=20))
        service.live(23.0)
    first, last = said[1][0], said[-1][0]
    assert last.surprise < first.surprise
    assert last.surprise < THRESHOLD
    (more,) = service.say(FLAP, each=200)
    assert more.surprise > last.surprise + 1.0


def test_information_and_what_comes_often_are_no_returns() -> None:
    """Chatter is never rare evidence; nor is a warning every half hour or two."""
    service = Service()
    service.live(6.0)
    service.say(FLAP, severity=Severity.INFO)
    for _ in range(40):
        service.say("slow query")
        service.live(2.0)
    found = service.say(FLAP, each=50, severity=Severity.INFO) + service.say("slow query", each=9)
    assert [a for a in found if a.kind == "rare_template"] == []


def test_a_new_error_on_several_instances_weighs_more_than_on_one() -> None:
    """Instances are witnesses of their own; the reason counts them."""

    def seen(each: int, on: int) -> Anomaly:
        service = Service()
        service.live(12.0)
        return service.say("disk quota exceeded", each, on, Severity.ERROR)[-1]

    one, three = seen(3, 1), seen(1, 3)
    assert three.actual == one.actual == 3.0
    assert three.surprise > one.surprise
    assert three.reason == "line never seen before, on 3 instances"


def test_a_restart_forgets_no_episode(service: Service) -> None:
    """What was saved between an episode and its return is told the same."""
    service.restart()
    (found,) = service.say(FLAP)
    assert found.kind == "rare_template"
    service.restart()
    assert service.say(FLAP, each=5)[-1].actual == 6.0


def test_templates_that_merge_keep_their_past() -> None:
    """The one that is left was last seen when any of them was."""
    returns = Returns()
    returns.see("old", 5, instance="a", at=T)
    returns.see("kept", 1, instance="a", at=T - DAY)
    returns.settle(lambda template: "kept" if template == "old" else template)
    assert returns.known["kept"].last == T
    assert not returns.begins("kept", T + 60.0)


def test_what_is_remembered_is_bounded() -> None:
    """Templates that were away longest make room, and that is counted."""
    returns = Returns()
    for n in range(MAX_KNOWN + 1):
        returns.see(f"t{n}", 1, instance="a", at=T + n)
    assert len(returns) <= MAX_KNOWN
    assert returns.dropped > 0
    assert "t0" not in returns.known
