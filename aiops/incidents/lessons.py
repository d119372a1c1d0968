"""Take what people say about incidents, and let it weigh on the next ones; all of it is forgotten.

A pattern is who felt what. Noise silences it where it was judged, up to the severity it had; the
same trouble elsewhere must be a little surer of itself. A named cause is believed a little sooner
when the pattern comes back. Nothing of this drops evidence: what is silenced still joins stories.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from aiops.cases import Case
from aiops.entities import as_entity
from aiops.incidents.memory import MAX_CASES, MAX_TOKENS, Memory, token, what
from aiops.incidents.record import Record, counts
from aiops.model import Anomaly, Command, Section, Severity, Suspect

DAY = 86400.0
SILENT = 90 * DAY  # noise stays silent for so long, then it must be said again
FADES = 30 * DAY  # what neighbours learned is forgotten over about this long
STEP = 0.25  # decades of surprise more that the same trouble elsewhere needs, a verdict …
MOST = 1.0  # … and at most
BELIEF = 1.0  # natural log units by which a named cause gains, per alike incident …
BELIEVED = 2.0  # … and at most
SAME = 0.5  # share of the pattern that must come back for a named cause to count
MAX_SUSPECTS = 5
MAX_LESSONS = 2000
VERDICTS = ("useful", "noise", "wrong-cause", "expected-until")
WORDS = frozenset({"feedback", "note", "case", "forget", "redact"})


@dataclass(slots=True)
class _Mute:
    """Until when a token is silent, and up to which severity."""

    until: float
    severity: int
    why: str


@dataclass(slots=True)
class _Named:
    """A cause that a person named, and the pattern it was named for."""

    felt: list[str]
    cause: str
    at: float


class Lessons:
    """Own the cases and what people taught; asked by the ledger only."""

    name = "memory"  # of its section

    def __init__(self, facts: Counter[str]) -> None:
        self.memory = Memory()
        self._facts = facts
        self._mutes: dict[str, _Mute] = {}
        self._nudges: dict[str, tuple[float, float]] = {}  # what → decades, when
        self._named: dict[str, _Named] = {}  # by incident

    # --- what was learned weighs on what is seen --------------------------------------------

    def weigh(self, anomaly: Anomaly) -> Anomaly:
        """Turn what people called noise, or expect, into context."""
        mute = self._mute(anomaly) if self._mutes else None
        if mute is None:
            return anomaly
        if anomaly.severity > Severity.INFO:
            self._facts["silenced_by_feedback"] += 1
        reason = f"{anomaly.reason}, {mute.why}"
        return replace(anomaly, severity=Severity.INFO, severe=False, reason=reason)

    def heard(self, anomalies: Iterable[Anomaly]) -> list[Anomaly]:
        """Return the anomalies that people did not silence: what may point to a cause."""
        if not self._mutes:
            return list(anomalies)
        return [a for a in anomalies if self._mute(a) is None]

    def asked(self, anomalies: Iterable[Anomaly]) -> list[Anomaly]:
        """Return the anomalies with the surprise that is left of them for opening an incident."""
        if not self._nudges:
            return list(anomalies)
        return [replace(a, surprise=max(a.surprise - self._nudge(a), 0.0)) for a in anomalies]

    def blame(self, suspects: tuple[Suspect, ...], record: Record) -> tuple[Suspect, ...]:
        """Believe a cause that people named for this pattern sooner, within bounds."""
        pattern = set(_felt(record))
        gained: dict[str, tuple[float, int]] = {}
        for named in self._named.values():
            alike = len(pattern & set(named.felt)) / max(len(pattern | set(named.felt)), 1)
            if alike >= SAME:
                much, times = gained.get(named.cause, (0.0, 0))
                gained[named.cause] = min(much + BELIEF * alike, BELIEVED), times + 1
        if not gained:
            return suspects
        # Who was not suspected at all begins as the least of them.
        least = min((s.score for s in suspects), default=1.0)
        known = {s.entity: s for s in suspects}
        for cause, (much, times) in sorted(gained.items()):
            old = known.get(cause, Suspect(cause, least, ()))
            said = f"named by people for {times} like this" if times > 1 else "named by a person"
            reasons = (said, *old.reasons)
            known[cause] = Suspect(cause, old.score * math.exp(much), reasons)
        whole = sum(s.score for s in known.values()) or 1.0
        share = min(sum(s.score for s in suspects) or 1.0, 1.0)
        weighed = [replace(s, score=round(share * s.score / whole, 3)) for s in known.values()]
        return tuple(sorted(weighed, key=lambda s: (-s.score, s.entity))[:MAX_SUSPECTS])

    def recall(self, record: Record) -> None:
        """Note on an incident which past ones it looks like."""
        record.similar = self.memory.recall(_tokens(record), record.id)

    def learn(self, record: Record) -> None:
        """Make a case of an incident that ended."""
        taken = record.acknowledged_at - record.opened_at if record.acknowledged_at else None
        ended = record.updated if record.resolved_at is None else record.resolved_at
        first = record.suspects[0].entity if record.suspects else ""
        self._remember(
            Case(
                id=record.id,
                at=record.opened_at,
                lasted=max(ended - record.opened_at, 0.0),
                title=record.picture().title,
                tokens=_tokens(record),
                felt=_felt(record),
                cause=record.cause or first,
                named=bool(record.cause),
                fix=record.fix,
                verdict=record.verdict,
                answered=taken,
                severity=int(record.severity),
            )
        )

    # --- what people say --------------------------------------------------------------------

    def hear(self, command: Command, record: Record | None) -> None:
        """Take one committed word of a person; what it is about may be gone: that is counted."""
        if command.kind == "case":
            self._import(command)
            return
        case = self.memory.get(command.target)
        if command.kind in ("forget", "redact"):
            self._drop(command, case)
            return
        if record is None and case is None:
            self._facts["command_without_target"] += 1
            return
        if command.kind == "note":
            self._amend(record, case, fix=command.args.get("text", ""))
            return
        verdict = command.args.get("verdict", "")
        felt = _felt(record) if record is not None else (case.felt if case is not None else ())
        severity = int(record.severity) if record is not None else (case.severity if case else 0)
        self._amend(record, case, verdict=verdict)
        if verdict == "noise":
            self._silence(felt, severity, command.at + SILENT, "which people called noise")
            for one in sorted({what(f) for f in felt}):
                self._teach(one, STEP, command.at)
        elif verdict == "expected-until":
            self._silence(felt, severity, _moment(command), "as expected")
        elif verdict == "useful":
            for one in felt:
                self._mutes.pop(one, None)
            for one in sorted({what(f) for f in felt}):
                self._teach(one, -STEP, command.at)
        elif verdict == "wrong-cause" and (cause := command.args.get("cause", "")):
            cause = cause if "@" in cause else as_entity(cause)
            self._amend(record, case, cause=cause)
            self._named.pop(command.target, None)
            self._named[command.target] = _Named(list(felt), cause, command.at)
            self._bound(self._named)

    def _amend(
        self,
        record: Record | None,
        case: Case | None,
        *,
        fix: str | None = None,
        cause: str | None = None,
        verdict: str | None = None,
    ) -> None:
        """Write on an incident, and on the case it became, what was said of it."""
        said = {"fix": fix, "cause": cause, "verdict": verdict}
        for field, text in said.items():
            if text is None:
                continue
            if record is not None:
                setattr(record, field, text)
                record.dirty = True
        if case is not None:
            known = self.memory.get(case.id) or case
            self.memory.learn(
                replace(
                    known,
                    fix=known.fix if fix is None else fix,
                    cause=known.cause if cause is None else cause,
                    named=known.named or cause is not None,
                    verdict=known.verdict if verdict is None else verdict,
                )
            )

    def _silence(self, felt: Sequence[str], severity: int, until: float, why: str) -> None:
        for one in felt:
            self._mutes.pop(one, None)
            self._mutes[one] = _Mute(until, severity, why)
        self._bound(self._mutes)

    def _teach(self, name: str, decades: float, at: float) -> None:
        much = min(max(self._left(name, at) + decades, 0.0), MOST)
        self._nudges.pop(name, None)
        if much > 0.0:
            self._nudges[name] = (much, at)
        self._bound(self._nudges)

    def _mute(self, anomaly: Anomaly) -> _Mute | None:
        mute = self._mutes.get(token(anomaly))
        if mute is None or anomaly.at > mute.until or anomaly.severity > mute.severity:
            return None
        return mute

    def _nudge(self, anomaly: Anomaly) -> float:
        return self._left(what(token(anomaly)), anomaly.at)

    def _left(self, name: str, at: float) -> float:
        much, since = self._nudges.get(name, (0.0, at))
        return much * math.exp(-max(at - since, 0.0) / FADES)

    def _import(self, command: Command) -> None:
        try:
            case = msgspec.json.decode(command.args.get("case", ""), type=Case)
        except msgspec.MsgspecError:
            self._facts["cases_unreadable"] += 1
            return
        self._remember(replace(case, tokens=tuple(sorted(set(case.tokens)))[:MAX_TOKENS]))

    def _drop(self, command: Command, case: Case | None) -> None:
        if case is None:
            self._facts["command_without_target"] += 1
        elif command.kind == "forget":
            self.memory.forget(case.id)
            self._named.pop(case.id, None)
        else:
            self.memory.learn(replace(case, title="", fix=""))

    def _remember(self, case: Case) -> None:
        if len(self.memory) >= MAX_CASES and self.memory.get(case.id) is None:
            self._facts["cases_dropped"] += 1
        self.memory.learn(case)

    def _bound(self, lessons: dict[str, Any]) -> None:
        while len(lessons) > MAX_LESSONS:
            del lessons[next(iter(lessons))]
            self._facts["lessons_dropped"] += 1

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return all cases and everything that was taught."""
        taught = [self._mutes, self._nudges, self._named]
        return self.memory.to_section(self.name, [msgspec.to_builtins(one) for one in taught])

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if self.memory.restore(section):
            mutes, nudges, named = section.header["lessons"]
            self._mutes = msgspec.convert(mutes, dict[str, _Mute])
            self._nudges = msgspec.convert(nudges, dict[str, tuple[float, float]])
            self._named = msgspec.convert(named, dict[str, _Named])


def _tokens(record: Record) -> tuple[str, ...]:
    # Context too: what is common weighs little by itself, and it may be what tells two apart.
    return tuple(sorted({token(a) for a in record.anomalies.values()})[:MAX_TOKENS])


def _felt(record: Record) -> tuple[str, ...]:
    every = record.anomalies.values()
    felt = [a for a in every if a.severe and counts(a)] or [a for a in every if counts(a)]
    return tuple(sorted({token(a) for a in felt})[:MAX_TOKENS])


def _moment(command: Command) -> float:
    try:
        return float(command.args.get("until", command.at))
    except ValueError:
        return command.at
