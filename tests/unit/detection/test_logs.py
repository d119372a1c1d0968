"""New lines, surges, silences and shares of errors, from closed windows."""

from __future__ import annotations

import msgspec

from aiops.detection.logs import LogDetection
from aiops.model import Anomaly, Section, Severity
from tests.unit.evidence import T, window

THRESHOLD = 6.0
USUAL = {"order placed": 6, "cache hit": 4}


class Stream:
    """Feed windows of ten seconds and roll the minutes, as the engine does."""

    def __init__(self) -> None:
        self.logs = LogDetection(width=10.0)
        self.logs.start(T)
        self.at = T

    def say(self, lines: dict[str, int], severity: Severity = Severity.INFO) -> list[Anomaly]:
        self.at += 10.0
        found: list[Anomaly] = []
        while self.logs.mark is not None and self.logs.mark < self.at:
            found += self.logs.roll(lambda _: self.at, THRESHOLD)
        if lines:
            found += self.logs.judge(window(lines, self.at, severity=severity), THRESHOLD)
        return found

    def usual(self, windows: int = 360) -> list[Anomaly]:
        found: list[Anomaly] = []
        for _ in range(windows):
            found += self.say(USUAL)
        return found

    def restart(self) -> None:
        sections = {s.name: _stored(s) for s in self.logs.to_sections()}
        self.logs = LogDetection(width=10.0)
        self.logs.restore(sections)


def _stored(section: Section) -> Section:
    """Take a section through the encoding of the disk."""
    header = msgspec.msgpack.decode(msgspec.msgpack.encode(section.header), strict=False)
    return Section(section.name, section.version, header, section.arrays)


def test_usual_lines_say_nothing() -> None:
    """An hour of the same lines is no anomaly."""
    assert Stream().usual() == []


def test_a_new_error_line_is_rare_and_marked() -> None:
    """A first sight carries its sample, with what was never said before marked."""
    stream = Stream()
    stream.usual()
    (found,) = stream.say({"order lost": 1}, Severity.ERROR)
    assert (found.kind, found.severity, found.severe) == ("new_template", Severity.ERROR, True)
    assert found.surprise > 2.5
    (sample,) = found.samples
    assert sample.new is not None
    assert sample.text[slice(*sample.new)] == "lost"


def test_one_odd_error_is_not_enough_but_its_return_is() -> None:
    """A benign error once stays below the threshold; a burst of it passes."""
    stream = Stream()
    stream.usual()
    (once,) = stream.say({"disk quota exceeded": 1}, Severity.ERROR)
    assert once.surprise < THRESHOLD
    (again,) = stream.say({"disk quota exceeded": 5}, Severity.ERROR)
    assert again.surprise > THRESHOLD
    assert (again.id, again.actual) == (once.id, 6.0)


def test_a_return_much_later_says_little() -> None:
    """What comes back after a quarter of an hour is just a rare line."""
    stream = Stream()
    stream.usual()
    (once,) = stream.say({"disk quota exceeded": 1}, Severity.ERROR)
    stream.usual(90)
    (late,) = stream.say({"disk quota exceeded": 1}, Severity.ERROR)
    assert late.surprise < once.surprise + 1.0


def test_a_young_stream_knows_nothing() -> None:
    """In the first minutes everything is new and nothing is news."""
    stream = Stream()
    stream.usual(5)
    assert stream.say({"order lost": 9}, Severity.CRITICAL) == []


def test_a_surge_is_work_not_a_symptom() -> None:
    """Many more of the usual lines stand out and do not open alone."""
    stream = Stream()
    stream.usual(720)
    found: list[Anomaly] = []
    for _ in range(13):
        found += stream.say({"order placed": 300})
    surges = [a for a in found if a.kind == "surge"]
    assert surges
    assert not any(a.severe for a in surges)
    assert surges[0].actual is not None
    assert surges[0].actual > 1000.0


def test_silence_adds_up() -> None:
    """A stream that says nothing while it is watched is a symptom after some minutes."""
    stream = Stream()
    stream.usual(720)
    found: list[Anomaly] = []
    for _ in range(60):
        found += stream.say({})
    silences = [a for a in found if a.kind == "silence"]
    assert silences[-1].surprise > THRESHOLD
    assert silences[-1].severe
    assert silences[-1].actual == 0.0
    stream.usual(12)
    assert not [a for a in stream.usual(30) if a.kind == "silence"]


def test_a_burst_does_not_make_lines_usual() -> None:
    """After one loud minute in a quiet day, saying nothing again is no symptom."""
    stream = Stream()
    stream.say({"job done": 1})
    for _ in range(6 * 120):
        stream.say({})
    found: list[Anomaly] = []
    for _ in range(6):
        found += stream.say({"job done": 300})
    for _ in range(6 * 60):
        found += stream.say({})
    assert not [a for a in found if a.severe]


def test_a_rising_share_of_errors_is_a_symptom() -> None:
    """Known errors that become many are told as a share, with samples."""
    stream = Stream()
    for n in range(720):
        stream.say(USUAL)
        if n % 100 == 0:
            stream.say({"payment declined": 1}, Severity.ERROR)
    found: list[Anomaly] = []
    for _ in range(7):
        found += stream.say({"payment declined": 8}, Severity.ERROR)
        found += stream.say(USUAL)
    shares = [a for a in found if a.kind == "error_share"]
    assert shares
    assert shares[0].severe
    assert shares[0].samples[0].text == "payment declined"


def test_a_restart_changes_nothing() -> None:
    """Saved and restored in the middle, the rest is found exactly the same."""

    def run(cut: int) -> list[Anomaly]:
        stream, found = Stream(), []
        for n in range(500):
            if n == cut:
                stream.restart()
            found += stream.say({} if 440 < n < 480 else USUAL)
            if n in (400, 403):
                found += stream.say({"order lost": 3}, Severity.ERROR)
        return found

    whole = run(-1)
    assert whole
    assert run(402) == whole
    assert run(460) == whole


def test_no_secret_of_an_error_line_is_saved() -> None:
    """The worst lines of a minute are kept for the story; a cut holds them without secrets."""
    stream = Stream()
    stream.usual(40)
    stream.say({"login failed password=hunter2hunter2": 1}, Severity.ERROR)
    rows = [s.header for s in stream.logs.to_sections() if s.name == "log_rows"]
    saved = msgspec.msgpack.encode(rows)
    assert b"login failed" in saved
    assert b"hunter2" not in saved
