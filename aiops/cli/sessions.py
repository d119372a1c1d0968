"""Score sessions: what a log says about one block, request or machine, taken together."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from aiops.cli.inputs import InputError, cells, kept_file, text_lines
from aiops.cli.options import emit, note, plural
from aiops.cli.score import quoted, surprise_text
from aiops.detection.session_words import tell
from detectors.sessions import SESSION_ALPHA, Oddity, Session, SessionDetector

if TYPE_CHECKING:
    from aiops.cli.mining import Assigned, Mining

COLUMN: Final = "event_ids"
HEADER: Final = "session,surprise,anomaly,reason"
MOST: Final = 5_000_000
"""Sessions told apart; a pattern that finds more in one file names no sessions."""

LONGEST: Final = 100_000
"""Events kept of one session; of a longer one the first so many are scored."""


class Verdict(NamedTuple):
    """What was found out about one session; *odd* only for anomalies."""

    name: str
    surprise: float | None
    anomaly: bool
    odd: tuple[Oddity, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """How verdicts are printed: ``text_of`` gives the text of an event."""

    alpha: float
    only: bool
    as_json: bool
    text_of: Callable[[str], str] = field(default=str)

    def print(self, verdicts: Iterable[Verdict]) -> None:
        """Print verdicts in their order, or only the anomalies, the most surprising first."""
        if self.only:
            odd = [v for v in verdicts if v.anomaly]
            verdicts = sorted(odd, key=lambda v: -(v.surprise or 0.0))
        if not self.as_json:
            sys.stdout.write(HEADER + "\n")
        for verdict in verdicts:
            self._print(verdict)

    def _print(self, verdict: Verdict) -> None:
        reason = tell(verdict.odd, self.text_of)
        anomaly = int(verdict.anomaly)
        if not self.as_json:
            cell = surprise_text(verdict.surprise)
            sys.stdout.write(f"{quoted(verdict.name)},{cell},{anomaly},{quoted(reason)}\n")
            return
        row: dict[str, object] = {
            "session": verdict.name,
            "surprise": verdict.surprise,
            "anomaly": anomaly,
            "reason": reason,
            "odd": [self._odd(odd) for odd in verdict.odd],
        }
        emit(row)

    def _odd(self, odd: Oddity) -> dict[str, object]:
        row: dict[str, object] = {
            "kind": odd.kind,
            "event": odd.event,
            "after": odd.after,
            "instead": odd.instead,
            "actual": odd.actual,
            "usual": odd.usual,
        }
        if odd.event is not None:
            row["template"] = self.text_of(odd.event)
        return row


def score_log(log: str, session: str, alpha: float | None, *, only: bool, as_json: bool) -> None:
    """Score every session that *session* finds in *log*, in the order in which they ended."""
    from aiops.cli.mining import Mining, Text

    try:
        pattern = re.compile(session.encode())
    except re.error as e:
        raise InputError(f"--session = {session!r}: no regular expression ({e})") from e
    with kept_file(log) as path:
        text = Text.of(path, log)
        mining = Mining()
        lines = mining.learn(text)
        found = _Sessions()
        for block in mining.assign(text, lines):
            found.add_block(block, pattern)
    if not found.places:
        note(f"{log}: no line of {lines} matches {session!r}")
    if found.cut:
        note(f"{log}: {plural(found.cut, 'event')} past the first {LONGEST} of a session left out")
    limit = SESSION_ALPHA if alpha is None else alpha
    Output(limit, only, as_json, _texts(mining)).print(found.judged(limit))


def score_sequences(file: str, alpha: float | None, *, only: bool, as_json: bool) -> None:
    """Score every row of *file* by the events in its column ``event_ids``."""
    limit = SESSION_ALPHA if alpha is None else alpha
    with text_lines(file) as lines:
        first = next(lines, "")
        names = [cell.strip().lower() for cell in cells(first)]
        if COLUMN not in names:
            raise InputError(f"{file}: no column {COLUMN} in {first[:80]!r}; name one so")
        column = names.index(COLUMN)
        detector = SessionDetector()
        verdicts: list[Verdict] = []
        short = 0
        for line in lines:
            if not line.strip():
                continue
            parts = cells(line)
            short += column >= len(parts)
            events = parts[column].split() if column < len(parts) else []
            name = str(len(verdicts) + 1)
            verdicts.append(_judge(detector, name, Session(events[:LONGEST]), limit))
    if short:
        note(f"{file}: {plural(short, 'row')} of {len(verdicts)} had no {COLUMN}")
    Output(limit, only, as_json).print(verdicts)


def _judge(detector: SessionDetector, name: str, session: Session, limit: float) -> Verdict:
    """Score one session, then learn it."""
    surprise = detector.score(session).value
    anomaly = surprise is not None and surprise >= limit
    odd = detector.explain(session) if anomaly else ()
    detector.learn(session)
    return Verdict(name, surprise, anomaly, odd)


def _texts(mining: Mining) -> Callable[[str], str]:
    """Return how a template id is told: by its text."""
    templates = mining.templates()

    def text_of(event: str) -> str:
        found = templates.get(event)
        return event if found is None else found[1].text

    return text_of


class _Sessions:
    """Collect the events of each session in order; numbers, not objects, for every event."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.cut = 0
        self._names: list[str] = []
        self._events: list[array[int]] = []
        self._began = array("d")
        self._until = array("d")
        self._ended = array("q")
        self._texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._turn = 0

    def add_block(self, block: Assigned, pattern: re.Pattern[bytes]) -> None:
        """Add every line that names a session to all it names."""
        group = 1 if pattern.groups else 0
        lines = block.lines
        for raw, event, head, at in zip(
            lines.raw, block.ids, block.heads, lines.seconds, strict=True
        ):
            names = {
                match[group].decode("utf-8", "replace"): None
                for match in pattern.finditer(raw)
                if match[group]
            }
            if names:
                self._add(names, event, at, head=head)

    def _add(self, names: Iterable[str], event: str, at: float | None, *, head: bool) -> None:
        """Add *event* once to each session; a continuation only says that it went on."""
        number = self._numbers.get(event)
        if number is None:
            number = self._numbers[event] = len(self._texts)
            self._texts.append(event)
        self._turn += 1
        for name in names:
            place = self.places.get(name)
            if place is None:
                place = self._open(name)
            self._ended[place] = self._turn
            if at is not None:
                self._began[place] = min(self._began[place], at)
                self._until[place] = max(self._until[place], at)
            events = self._events[place]
            if len(events) >= LONGEST:
                self.cut += 1
            elif head or not events:
                events.append(number)

    def _open(self, name: str) -> int:
        if len(self._names) >= MOST:
            raise InputError(f"--session finds over {MOST} sessions; narrow it")
        place = self.places[name] = len(self._names)
        self._names.append(name)
        self._events.append(array("l"))
        self._ended.append(0)
        self._began.append(float("inf"))
        self._until.append(float("-inf"))
        return place

    def judged(self, limit: float) -> list[Verdict]:
        """Judge sessions in the order of their last lines; return them in that of their first."""
        detector = SessionDetector()
        verdicts: dict[int, Verdict] = {}
        for place in sorted(range(len(self._names)), key=self._ended.__getitem__):
            events = [self._texts[number] for number in self._events[place]]
            took = self._until[place] - self._began[place]
            session = Session(events, took if took >= 0.0 else None)
            verdicts[place] = _judge(detector, self._names[place], session, limit)
        return [verdicts[place] for place in range(len(self._names))]
