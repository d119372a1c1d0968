"""All of the state behind one door: cuts, outbox, inputs and history over one database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops.errors import StateError
from aiops.storage.cuts import Cuts
from aiops.storage.database import Database, StoreError
from aiops.storage.directory import StateDirectory
from aiops.storage.history import History, prune
from aiops.storage.inputs import Inputs
from aiops.storage.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

    from aiops.storage.reporting import Report


class Store:
    """Keep the state of one process; synchronous, and used by one thread at a time.

    ``cuts``, ``outbox``, ``inputs`` and ``history`` are its rooms. Every write raises
    ``StoreError`` (a ``StateError``) when the disk fails, except ``cuts.save``, which reports.
    """

    def __init__(
        self, database: Database, directory: StateDirectory | None, report: Report
    ) -> None:
        self._database = database
        self.directory = directory
        self.cuts = Cuts(database, directory, report)
        self.outbox = Outbox(database, report, directory)
        self.inputs = Inputs(database)
        self.history = History(database, report)

    @classmethod
    def open(cls, directory: StateDirectory, report: Report, *, or_memory: bool = False) -> Store:
        """Open the state of a directory this process holds.

        A broken database is set aside and reported. In a degraded directory what is there is
        read, and all that follows lives in memory; *or_memory* does the same where the
        database cannot be opened for writing (a full disk), instead of raising ``StoreError``.
        """
        if directory.degraded is None:
            try:
                database = Database.open(directory.database, report)
                directory.keep_reserve()
                return cls(database, directory, report)
            except StoreError as e:
                if not or_memory:
                    raise
                directory.degraded = str(e)
                reason = e.reason
        else:
            reason = "directory_not_writable"
        report("state.in_memory", reason, problem=directory.degraded)
        return cls(Database.in_memory(directory.database, report), directory, report)

    @classmethod
    def in_memory(cls, report: Report) -> Store:
        """Open a state that touches no disk and ends with the process."""
        return cls(Database.in_memory(None, report), None, report)

    @classmethod
    def read_only(cls, path: Path, report: Report) -> Store:
        """Open the state in *path* for reading, beside a running daemon or without one."""
        directory = StateDirectory(path, degraded="opened for reading")
        if not path.is_dir():
            raise StateError(f"{path}: no such directory; start aiops once or set state.directory")
        return cls(Database.read_only(directory.database), directory, report)

    def prune(self, before: float, chunk: int = 500) -> int:
        """Delete a chunk of what ended before *before*; call again until it returns 0."""
        return prune(self._database, before, chunk)

    def close(self) -> None:
        """Close the database; the directory stays locked until it is closed itself."""
        self._database.close()
