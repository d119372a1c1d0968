"""Judge sessions: which events one holds and how often, in which order, and how long it took.

Four readings, each turned into a surprise by its own past: the oddest single event, the whole of
all counts, the rarest step from one event to the next, and the duration. The loudest speaks, less
what asking so often costs. Everything that comes is counted, so what becomes frequent becomes
usual; the scale of the readings is learned only from sessions that are let through. From a start
without a clean one, bad sessions are found while up to one in twenty fails in one manner, or up to
one in seven in several; of those that are alike to the letter, or that each say words never seen,
two in a hundred before that counts as usual (``benchmarks/contamination.py``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from detectors.base import UNKNOWN, Features, Score
from detectors.session_counts import EventTables, Reading
from detectors.session_order import Durations, OddStep, Step, Transitions, steps_of
from detectors.session_tail import Gate, Tail, Window

SESSION_ALPHA: Final = 2.5
"""Surprise at which a session is an anomaly: one ordinary session in three hundred."""

WARMUP: Final = 50
FIRST: Final = 10
"""Sessions before the first reading."""

MEMORY: Final = 2000.0
"""Sessions after which one has lost 1/e of its weight in the counts."""

TEACHES: Final = 2.0
"""A session of a higher surprise does not teach what is ordinary, whatever the alpha is."""

JAM: Final = 0.5
"""When more than this share of the last hundred sessions was kept out, the world has changed."""

FLOORS: Final = {"single": 1.0, "whole": 3.0, "order": 0.5, "duration": 1.0}
"""Least scale of each tail. One standard deviation; three nats, for events that belong together
bring the same surprise several times; a step that two thirds fewer make; for durations, which
drift, a tail of one over their excess."""

_NOTICED: Final = 1.5
_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Session:
    """Say what happened in one session: events in their order, and how long it took if known."""

    events: Sequence[str]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Oddity:
    """Name one thing that is odd about a session.

    ``kind`` is unseen, extra, missing, many, few, order, long or short. For order ``after`` is
    the event before (``None``: the start), ``event`` the one that followed (``None``: the end) and
    ``instead`` what usually does. ``actual`` and ``usual`` are counts, or seconds.
    """

    kind: str
    event: str | None = None
    after: str | None = None
    instead: str | None = None
    actual: float | None = None
    usual: float | None = None


class _Parts(NamedTuple):
    """A session taken apart: what is counted of it."""

    counts: Mapping[str, float]
    steps: Mapping[Step, None] | None
    seconds: float | None


class _Judged(NamedTuple):
    counts: Reading
    step: OddStep | None
    readings: dict[str, float]
    surprises: dict[str, float]

    @property
    def value(self) -> float:
        asked = math.log10(len(self.surprises))
        return max(max(self.surprises.values()) - asked, 0.0)

    @property
    def loudest(self) -> str:
        return max(self.surprises, key=lambda name: self.surprises[name])


class SessionDetector:
    """Score sessions online; ``score`` changes nothing, ``learn`` takes a session in.

    ``score_one`` and ``learn_one`` take bare counts ``{event: count}`` as River's detectors do;
    absent means 0. Unknown before ``WARMUP`` sessions. Raises ``ValueError`` for a count or a
    duration that is negative or not finite.
    """

    def __init__(self) -> None:
        self._tables = EventTables(MEMORY)
        self._steps = Transitions(MEMORY)
        self._durations = Durations()
        self._tails = {name: Tail(floor) for name, floor in FLOORS.items()}
        self._gate = Gate(FLOORS["whole"])
        self._kept_out = 0.0
        # Pure caches: what is scored is most often explained and learned next.
        self._apart: tuple[Session, _Parts] | None = None
        self._last: tuple[_Parts, int, _Judged] | None = None

    @property
    def sessions(self) -> int:
        """Return how many sessions were learned."""
        return self._tables.sessions

    @property
    def refused(self) -> int:
        """Return how many events and steps found no place of their own."""
        return self._tables.refused + self._steps.refused

    def score_one(self, x: Features) -> Score:
        return self._score(_Parts(_checked(x), None, None))

    def learn_one(self, x: Features) -> None:
        self._learn(_Parts(_checked(x), None, None))

    def score(self, session: Session) -> Score:
        """Return how surprising *session* is."""
        return self._score(self._take_apart(session))

    def learn(self, session: Session) -> None:
        """Learn *session*; score it before."""
        self._learn(self._take_apart(session))

    def explain(self, session: Session, *, most: int = 3) -> tuple[Oddity, ...]:
        """Return what is odd about *session*, the oddest first; nothing before ``FIRST``."""
        parts = self._take_apart(session)
        judged = self._judge(parts)
        return () if judged is None else self._explain(judged, parts, most)

    # --- judging ----------------------------------------------------------------------------

    def _take_apart(self, session: Session) -> _Parts:
        if self._apart is not None and self._apart[0] is session:
            return self._apart[1]
        seconds = session.seconds
        if seconds is not None and not (seconds >= 0.0 and math.isfinite(seconds)):
            raise ValueError(f"seconds = {seconds!r}: give a duration of at least 0")
        parts = _Parts(Counter(session.events), steps_of(session.events), seconds)
        self._apart = session, parts
        return parts

    def _score(self, parts: _Parts) -> Score:
        if self.sessions < WARMUP:
            return UNKNOWN
        judged = self._judge(parts)
        if judged is None:
            return UNKNOWN
        value = judged.value
        if value < _NOTICED:
            return Score(value=value)
        found = self._explain(judged, parts, 1)
        return Score(value=value, reason=_phrase(found[0]) if found else judged.loudest)

    def _learn(self, parts: _Parts) -> None:
        judged = self._judge(parts)
        self._apart = self._last = None
        if judged is not None:
            self._calibrate(judged, parts.seconds)
        elif parts.seconds is not None:
            self._durations.learn(parts.seconds)
        self._tables.learn(parts.counts)
        if parts.steps is not None:
            self._steps.learn(parts.steps)

    def _judge(self, parts: _Parts) -> _Judged | None:
        if self.sessions < FIRST:
            return None
        if self._last is not None and self._last[0] is parts and self._last[1] == self.sessions:
            return self._last[2]
        counts, steps, seconds = parts
        read = self._tables.read(self._tables.fold(counts))
        readings = {"single": read.single, "whole": read.whole}
        step = None
        if steps is not None:
            seen: dict[str | None, float] = {None: self._tables.total}
            seen.update(self._tables.seen(counts))
            step = self._steps.read(steps, seen)
            readings["order"] = step.reading
        if seconds is not None:
            readings["duration"] = self._durations.read(seconds)
        surprises = {name: self._tails[name].surprise(r) for name, r in readings.items()}
        judged = _Judged(read, step, readings, surprises)
        self._last = parts, self.sessions, judged
        return judged

    def _calibrate(self, judged: _Judged, seconds: float | None) -> None:
        """Learn the readings of a session that is let through."""
        whole = judged.readings["whole"]
        kept_out = judged.value >= TEACHES or self._gate.shuts(whole)
        self._gate.learn(whole)
        self._kept_out += (kept_out - self._kept_out) / 100.0
        if kept_out and self._kept_out <= JAM:
            return
        for name, reading in judged.readings.items():
            self._tails[name].learn(reading)
        if seconds is not None:
            self._durations.learn(seconds)

    # --- saying why -------------------------------------------------------------------------

    def _explain(self, judged: _Judged, parts: _Parts, most: int) -> tuple[Oddity, ...]:
        counts, _, seconds = parts
        found: list[Oddity] = []
        for name in sorted(judged.surprises, key=lambda n: -judged.surprises[n]):
            if found and judged.surprises[name] < _NOTICED:
                break
            if name == "order" and judged.step is not None:
                found.append(self._odd_step(judged.step.step))
            elif name == "duration" and seconds is not None:
                found += self._odd_duration(seconds)
            elif name in ("single", "whole"):
                more = self._odd_counts(judged.counts, counts, most, whole=name == "whole")
                found += [odd for odd in more if odd not in found]
        return tuple(found[:most])

    def _odd_counts(
        self, read: Reading, counts: Mapping[str, float], most: int, *, whole: bool
    ) -> list[Oddity]:
        found = [Oddity("unseen", event, actual=counts[event]) for event in read.unseen[:most]]
        odd = read.nats if whole else read.z
        for place in (-odd).argsort(kind="stable")[:most].tolist():
            if odd[place] <= 1.0:
                break
            event = self._tables.name(place)
            actual, usual = counts.get(event, 0.0), self._tables.usual(event)
            if not actual:
                kind = "missing"
            elif not usual:
                kind = "extra"
            else:
                kind = "many" if actual > usual else "few"
            found.append(Oddity(kind, event, actual=actual, usual=usual))
        return found

    def _odd_step(self, step: Step) -> Oddity:
        return Oddity("order", step[1], after=step[0], instead=self._steps.after(step[0]))

    def _odd_duration(self, seconds: float) -> list[Oddity]:
        usual = self._durations.usual()
        if usual is None:
            return []
        low, high = usual
        long = seconds > high
        return [Oddity("long" if long else "short", actual=seconds, usual=high if long else low)]

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (plain header, arrays): all that ``from_state`` needs to go on exactly."""
        tables, arrays = self._tables.to_state()
        steps, more = self._steps.to_state()
        windows = {name: tail.window.to_state() for name, tail in self._tails.items()}
        windows |= {"gate": self._gate.window.to_state(), "log": self._durations.window.to_state()}
        header = {
            "version": _VERSION,
            "kept_out": self._kept_out,
            "tables": tables,
            "steps": steps,
            "windows": windows,
        }
        return header, arrays | more

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SessionDetector:
        """Return the detector ``to_state`` described; raise ``ValueError`` for another version."""
        if header["version"] != _VERSION:
            raise ValueError(f"session state version {header['version']}, not {_VERSION}")
        self = cls()
        self._kept_out = header["kept_out"]
        self._tables = EventTables.from_state(header["tables"], arrays)
        self._steps = Transitions.from_state(header["steps"], arrays)
        windows = header["windows"]
        for name, tail in self._tails.items():
            tail.window = Window.from_state(windows[name])
        self._gate.window = Window.from_state(windows["gate"])
        self._durations.window = Window.from_state(windows["log"])
        return self


def _phrase(odd: Oddity) -> str:
    """Return the short noun phrase of a score."""
    if odd.kind == "order":
        return f"{odd.event or 'the end'} after {odd.after or 'the start'}"
    if odd.kind in ("long", "short"):
        return f"{odd.kind} duration"
    return f"unseen event {odd.event}" if odd.kind == "unseen" else f"{odd.kind} {odd.event}"


def _checked(x: Features) -> dict[str, float]:
    for event, count in x.items():
        if not (count >= 0.0 and math.isfinite(count)):
            raise ValueError(f"{event} = {count!r}: give how often the event happened")
    return {event: count for event, count in x.items() if count}
