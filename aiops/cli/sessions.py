"""Score sessions: what a log says about one block, request or machine, taken together."""

from __future__ import annotations

import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from aiops.cli.inputs import InputError, cells, kept_file, text_lines
from aiops.cli.options import emit, note, plural
from aiops.cli.score import quoted, surprise_text
from detectors.sessions import SESSION_ALPHA, SessionDetector

if TYPE_CHECKING:
    from aiops.cli.mining import Assigned

COLUMN: Final = "event_ids"
MOST: Final = 5_000_000
"""Sessions told apart; a pattern that finds more in one file names no sessions."""


def score_log(log: str, session: str, alpha: float | None, *, as_json: bool) -> None:
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
        for names, event, head in _named(mining.assign(text, lines), pattern):
            found.add(names, event, head=head)
    if not found.names:
        note(f"{log}: no line of {lines} matches {session!r}")
    _print(found.names, _scored(found), alpha, as_json=as_json)


def score_sequences(file: str, alpha: float | None, *, as_json: bool) -> None:
    """Score every row of *file* by the events in its column ``event_ids``."""
    with text_lines(file) as lines:
        first = next(lines, "")
        names = [cell.strip().lower() for cell in cells(first)]
        if COLUMN not in names:
            raise InputError(f"{file}: no column {COLUMN} in {first[:80]!r}; name one so")
        column = names.index(COLUMN)
        detector = SessionDetector()
        results: list[float | None] = []
        short = 0
        for line in lines:
            if not line.strip():
                continue
            parts = cells(line)
            short += column >= len(parts)
            counts = Counter(parts[column].split() if column < len(parts) else ())
            results.append(_judged(detector, counts))
    if short:
        note(f"{file}: {plural(short, 'row')} of {len(results)} had no {COLUMN}")
    numbers = map(str, range(1, len(results) + 1))
    _print(numbers, enumerate(results), alpha, as_json=as_json)


class _Sessions:
    """Count the events of each session; numbers, not objects, for every event."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.events: list[str] = []
        self.counts: list[Counter[int]] = []
        self.ended = array("q")
        self._number: dict[str, int] = {}
        self._turn = 0

    def add(self, names: Iterable[str], event: str, *, head: bool) -> None:
        """Count *event* once for each session; a continuation only says that it went on."""
        number = self._number.get(event)
        if number is None:
            number = self._number[event] = len(self.events)
            self.events.append(event)
        self._turn += 1
        for name in names:
            place = self.names.get(name)
            if place is None:
                if len(self.names) >= MOST:
                    raise InputError(f"--session finds over {MOST} sessions; narrow it")
                place = self.names[name] = len(self.counts)
                self.counts.append(Counter())
                self.ended.append(0)
            self.ended[place] = self._turn
            if head or not self.counts[place]:
                self.counts[place][number] += 1


def _named(
    blocks: Iterable[Assigned], pattern: re.Pattern[bytes]
) -> Iterator[tuple[set[str], str, bool]]:
    """Yield (sessions, template, is a head) of every line that names a session."""
    group = 1 if pattern.groups else 0
    for block in blocks:
        for raw, event, head in zip(block.lines.raw, block.ids, block.heads, strict=True):
            names = {
                match[group].decode("utf-8", "replace")
                for match in pattern.finditer(raw)
                if match[group]
            }
            if names:
                yield names, event, head


def _scored(found: _Sessions) -> Iterator[tuple[int, float | None]]:
    """Judge sessions in the order of their last lines: then each was complete."""
    detector = SessionDetector()
    for place in sorted(range(len(found.counts)), key=found.ended.__getitem__):
        counts = Counter({found.events[n]: count for n, count in found.counts[place].items()})
        yield place, _judged(detector, counts)


def _judged(detector: SessionDetector, counts: Counter[str]) -> float | None:
    x = {event: float(count) for event, count in counts.items()}
    result = detector.score_one(x)
    detector.learn_one(x)
    return result.value


def _print(
    names: Iterable[str],
    results: Iterable[tuple[int, float | None]],
    alpha: float | None,
    *,
    as_json: bool,
) -> None:
    limit = SESSION_ALPHA if alpha is None else alpha
    values = dict(results)
    if not as_json:
        sys.stdout.write("session,surprise,anomaly\n")
    for place, name in enumerate(names):
        surprise = values[place]
        anomaly = int(surprise is not None and surprise >= limit)
        if as_json:
            emit({"session": name, "surprise": surprise, "anomaly": anomaly})
        else:
            sys.stdout.write(f"{quoted(name)},{surprise_text(surprise)},{anomaly}\n")
