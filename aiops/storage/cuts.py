"""Cuts on the disk: a model file and the row that names it, together or not at all."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops.model import Cut, Section
from aiops.storage.database import StoreError
from aiops.storage.sections import SectionProblem, read_sections, write_sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiops.storage.database import Database
    from aiops.storage.directory import StateDirectory
    from aiops.storage.reporting import Report

# The newest one and two older ones, each with its own cursors.
KEPT = 3
# Broken model files are kept for a look, not for ever.
KEPT_BROKEN = 2

# The cut itself is in its model file too: a lost database costs history, not what was learned.
_SELF = "aiops.cut"
_SELF_VERSION = 1

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class _Generation:
    number: int
    checksum: str
    command_seq: int
    journal_seq: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    generation: _Generation
    sections: tuple[Section, ...]
    problems: tuple[SectionProblem, ...]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Save and load cuts; ``directory`` is ``None`` when the state lives in memory."""

    database: Database
    directory: StateDirectory | None
    report: Report

    def save(self, cut: Cut, at: float) -> int | None:
        """Save a cut and return its generation; ``None`` when it could not be (and was reported).

        The cut before it stays whole whatever happens. The caller tries again at its next turn.
        """
        if self.directory is None or self.directory.degraded is not None:
            self._note(cut, at)
            return None
        path = None
        try:
            number = self._next()
            path = self.directory.models(number)
            written = write_sections(path, [_itself(cut), *cut.sections])
            self._commit(cut, number, written.checksum, at)
        except OSError as e:
            reason = "disk_full" if e.errno in _DISK_FULL else "io_error"
            self.report("state.cut_failed", reason, problem=str(e))
            return None
        except StoreError as e:
            # Nothing names this file, so nothing will ever read it.
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            self.report("state.cut_failed", e.reason, problem=str(e))
            return None
        for problem in written.problems:
            self.report("state.section_left_out", problem.reason, section=problem.section)
        self._sweep()
        self.directory.keep_reserve()
        return number

    def load(self) -> Cut | None:
        """Return the newest cut that is whole, with its own cursors; ``None`` when there is none.

        When no generation is whole, the newest readable one is returned without its broken
        sections: what reads them starts cold, the rest lives.
        """
        if self.directory is None:
            return None
        partial: _Candidate | None = None
        broken: list[_Generation] = []
        for generation in self._generations():
            candidate = self._candidate(generation)
            if not candidate.problems:
                self._fell_back(broken, generation)
                return self._cut(candidate)
            for problem in candidate.problems:
                self.report(
                    "state.section_broken",
                    problem.reason,
                    section=problem.section,
                    generation=generation.number,
                )
            if partial is None and any(s.name != _SELF for s in candidate.sections):
                partial = candidate
            broken.append(generation)
        if partial is None:
            self._fell_back(broken, None)
            return None if broken else self._salvaged()
        newer = [g for g in broken if g.number > partial.generation.number]
        self._fell_back(newer, partial.generation)
        return self._cut(partial)

    def saved_at(self) -> float | None:
        """Return when the newest cut was saved, ``None`` when there is none."""
        rows = self.database.rows("SELECT max(at) FROM generation")
        newest: float | None = rows[0][0]
        return newest

    def _note(self, cut: Cut, at: float) -> None:
        """Remember in memory which inputs were applied, so that they can be pruned."""
        try:
            with self.database.transaction() as connection:
                connection.execute("DELETE FROM generation")
                connection.execute(
                    "INSERT INTO generation VALUES (1, '', ?, ?, ?)",
                    (cut.command_seq, cut.journal_seq, at),
                )
        except StoreError as e:
            self.report("state.cut_failed", e.reason, problem=str(e))

    def _next(self) -> int:
        # After a database was set aside its model files are still there: never reuse a number.
        assert self.directory is not None
        rows = self.database.rows("SELECT COALESCE(MAX(gen), 0) FROM generation")
        return max([int(rows[0][0]), *self.directory.generations()]) + 1

    def _commit(self, cut: Cut, number: int, checksum: str, at: float) -> None:
        with self.database.transaction(durable=True) as connection:
            connection.execute(
                "INSERT INTO generation VALUES (?, ?, ?, ?, ?)",
                (number, checksum, cut.command_seq, cut.journal_seq, at),
            )
            connection.executemany(
                "INSERT INTO cursor VALUES (?, ?, ?)",
                [(number, stream, cursor) for stream, cursor in cut.cursors.items()],
            )
            connection.execute(
                "DELETE FROM generation WHERE gen NOT IN"
                " (SELECT gen FROM generation ORDER BY gen DESC LIMIT ?)",
                (KEPT,),
            )

    def _generations(self) -> list[_Generation]:
        rows = self.database.rows(
            "SELECT gen, checksum, command_seq, journal_seq FROM generation ORDER BY gen DESC"
        )
        return [_Generation(*row) for row in rows]

    def _candidate(self, generation: _Generation) -> _Candidate:
        assert self.directory is not None
        try:
            sections, problems, checksum = read_sections(self.directory.models(generation.number))
        except FileNotFoundError:
            return _Candidate(generation, (), (SectionProblem("", "missing"),))
        except OSError:
            return _Candidate(generation, (), (SectionProblem("", "unreadable"),))
        if generation.checksum not in {"", checksum} and not problems:
            # Whole in itself, but not the file this row was committed with.
            return _Candidate(generation, (), (SectionProblem("", "another_file"),))
        return _Candidate(generation, tuple(sections), tuple(problems))

    def _cut(self, candidate: _Candidate) -> Cut:
        generation = candidate.generation
        rows = self.database.rows(
            "SELECT stream, cursor FROM cursor WHERE gen = ? ORDER BY stream", (generation.number,)
        )
        return Cut(
            cursors={str(stream): str(cursor) for stream, cursor in rows},
            command_seq=generation.command_seq,
            journal_seq=generation.journal_seq,
            sections=tuple(s for s in candidate.sections if s.name != _SELF),
        )

    def _salvaged(self) -> Cut | None:
        """Return the newest whole cut of a database that is gone, from its model file alone."""
        assert self.directory is not None
        for number in sorted(self.directory.generations(), reverse=True):
            candidate = self._candidate(_Generation(number, "", 0, 0))
            kept = next((s for s in candidate.sections if s.name == _SELF), None)
            if candidate.problems or kept is None or kept.version != _SELF_VERSION:
                continue
            self.report("state.salvaged", "database_lost", generation=number)
            # The new database counts its rows from the start again.
            rows = self.database.rows(
                "SELECT COALESCE((SELECT MAX(seq) FROM command), 0),"
                " COALESCE((SELECT MAX(seq) FROM journal), 0)"
            )
            return Cut(
                cursors=kept.header["cursors"],
                command_seq=min(kept.header["command_seq"], rows[0][0]),
                journal_seq=min(kept.header["journal_seq"], rows[0][1]),
                sections=tuple(s for s in candidate.sections if s.name != _SELF),
            )
        return None

    def _fell_back(self, broken: Sequence[_Generation], to: _Generation | None) -> None:
        """Forget generations that cannot be resumed from, and keep their files for a look."""
        if not broken:
            return
        self.report(
            "state.fell_back",
            "older_generation" if to is not None else "cold_start",
            newest=broken[0].number,
            used=to.number if to is not None else None,
        )
        if self.directory is None or self.directory.degraded is not None:
            return
        try:
            with self.database.transaction(durable=True) as connection:
                connection.executemany(
                    "DELETE FROM generation WHERE gen = ?", [(g.number,) for g in broken]
                )
        except StoreError as e:
            # The rows stay: the next start finds the same and falls back the same way.
            self.report("state.cleanup_failed", e.reason, problem=str(e))
            return
        for generation in broken:
            path = self.directory.models(generation.number)
            with contextlib.suppress(OSError):
                path.rename(path.with_name(path.name + ".broken"))

    def _sweep(self) -> None:
        """Delete files that no row names; failing to is only untidy."""
        assert self.directory is not None
        named = {g.number for g in self._generations()}
        with contextlib.suppress(OSError):
            for number in set(self.directory.generations()) - named:
                self.directory.models(number).unlink(missing_ok=True)
            aside = self.directory.path.glob("models-*.bin.broken")
            for path in sorted(aside, key=lambda p: p.stat().st_mtime)[:-KEPT_BROKEN]:
                path.unlink(missing_ok=True)
            for path in self.directory.path.glob("models-*.bin.tmp"):
                path.unlink(missing_ok=True)


def _itself(cut: Cut) -> Section:
    return Section(
        _SELF,
        _SELF_VERSION,
        {
            "cursors": dict(cut.cursors),
            "command_seq": cut.command_seq,
            "journal_seq": cut.journal_seq,
        },
    )
