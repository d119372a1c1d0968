"""What was applied after the last cut and must be applied again at the same place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from aiops.model import Command, Incident, State
from aiops.storage import JournalEntry

# How long commands wait for what they are about; by then it would have been read again.
PATIENCE = 120.0
_LIVE = (State.OPEN, State.ACKNOWLEDGED)
# They carry a time of their own and are about no incident.
_AT_ONCE = frozenset({"change", "alert", "silence", "silence-edit", "case", "forget", "redact"})


@dataclass(slots=True)
class Journaled:
    """Idle advances that were applied after the cut: applied again at the same cursors."""

    entries: dict[str, deque[JournalEntry]] = field(default_factory=dict)

    def add(self, entry: JournalEntry) -> None:
        self.entries.setdefault(entry.stream, deque()).append(entry)

    def at(self, stream: str, cursor: str) -> list[JournalEntry]:
        """Take the entries that belong right after *cursor*, and those before it."""
        waiting = self.entries.get(stream)
        if waiting is None:
            return []
        place = next((n for n, e in reversed(list(enumerate(waiting))) if e.cursor == cursor), -1)
        taken = [waiting.popleft() for _ in range(place + 1)]
        if not waiting:
            del self.entries[stream]
        return taken

    def give_up(self, stream: str) -> int:
        """Let go of what belongs to text that is not there any more; return how many."""
        return len(self.entries.pop(stream, ()))

    def stops(self, stream: str) -> list[str]:
        return [entry.cursor for entry in self.entries.get(stream, ())]

    def oldest(self) -> int | None:
        return min((e[0].seq for e in self.entries.values() if e), default=None)


@dataclass(slots=True)
class Pending:
    """Commands given after the cut: each waits until what it is about has been read again.

    The order of rows is kept: one that waits holds back those behind it. A command names the
    state of its incident that the person saw (``args["seen"]``, a number of transitions).
    """

    commands: deque[Command] = field(default_factory=deque)
    _again: int = 0  # up to this row they were given before the start
    _since: float | None = None

    def add(self, command: Command) -> None:
        """Queue a command that was given just now: it waits only for those before it."""
        self.commands.append(command)

    def remember(self, commands: Iterable[Command]) -> None:
        """Queue commands that were given before the start."""
        for command in commands:
            self.commands.append(command)
            self._again = command.seq

    def due(self, incidents: Callable[[], Sequence[Incident]]) -> Command | None:
        """Take the next command when its turn has come."""
        if not self.commands:
            return None
        first = self.commands[0]
        if first.seq > self._again or first.kind in _AT_ONCE or _is_there(first, incidents()):
            return self.take()
        return None

    def overdue(self, at: float) -> bool:
        """Return whether the first command has waited long enough; *at* is the wall clock."""
        if not self.commands:
            return False
        if self._since is None or at < self._since:
            self._since = at
        return at - self._since > PATIENCE

    def take(self) -> Command:
        """Take the next command, whether its turn has come or not."""
        self._since = None
        return self.commands.popleft()


def _is_there(command: Command, incidents: Sequence[Incident]) -> bool:
    other = command.args.get("into")
    known = other is None or any(i.id == other for i in incidents)
    return known and any(_meant(command, i) for i in incidents)


def _meant(command: Command, incident: Incident) -> bool:
    seen = command.args.get("seen", "")
    wanted = int(seen) if seen.isascii() and seen.isdigit() else 0
    return (
        incident.id == command.target
        and incident.seq >= wanted
        and (incident.state in _LIVE or incident.seq > wanted)
    )
