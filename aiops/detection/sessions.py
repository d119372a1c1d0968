"""Judge sessions while they pass: requests, jobs, blocks that somebody gave an identifier for.

Lines that name one are gathered until it was quiet for a while in event time; then it is scored
and learned. One odd session in a busy system is no incident: once a minute the share of odd ones
is judged against the usual share, per entity. A session that is very odd and holds an error that
is itself odd is evidence beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from aiops.detection.facts import anomaly_id
from aiops.detection.rows import EVIDENCE_FLOOR, EVIDENCE_MARGIN
from aiops.detection.session_words import tell
from aiops.model import Anomaly, LineKind, LogWindow, SampleLine, Section, Series, Severity
from aiops.redaction import harmless, redact
from aiops.sessions import SessionRule
from detectors.counts import ShareTail
from detectors.sessions import MEMORY, SESSION_ALPHA, Oddity, Session, SessionDetector

MOST_EVENTS: Final = 1000
"""Events kept of one open session; further ones are counted as left out."""

MAX_SHARES: Final = 10_000
MAX_HOMES: Final = 20_000
LEARNED: Final = 10
"""Sessions a minute that teach, once a memory is full: so it is hours long, however many come."""

LEARNED_ODD: Final = 1
"""Odd sessions a minute that teach: what stays is accepted after an hour or two, not at once."""

_SHOWN: Final = 3
_VERY: Final = 2.0  # times the alpha: a session this odd may speak for itself …
_MOST_ALONE: Final = 6.0  # … but no louder than this, whatever its tail says
_ERRORS: Final = ("unseen", "extra", "many")
_VERSION: Final = 1

Event = tuple[float, str, str, str, int]
"""Time, stream, entity, template, severity."""


@dataclass(slots=True)
class _Open:
    """One session that goes on."""

    last: float
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class _Share:
    """Odd sessions of one entity: those of the running minute, and the usual share."""

    odd: int = 0
    since: float | None = None
    severity: int = int(Severity.WARNING)
    alone: float = 0.0
    worst: float = 0.0
    reason: str = ""
    samples: tuple[SampleLine, ...] = ()
    tail: ShareTail = field(default_factory=ShareTail)


@dataclass(slots=True)
class _Flow:
    """What is known of one rule's sessions."""

    rule: SessionRule
    open: dict[str, _Open] = field(default_factory=dict)
    detector: SessionDetector = field(default_factory=SessionDetector)
    homes: dict[str, tuple[str, str]] = field(default_factory=dict)  # of templates: entity, text
    shares: dict[str, _Share] = field(default_factory=dict)
    ended: int = 0
    odd: int = 0


class _Ended(NamedTuple):
    """One odd session that is over."""

    name: str
    events: list[Event]
    odd: tuple[Oddity, ...]
    surprise: float


class _Minute(NamedTuple):
    """The minute that is judged: its end, its length and what the budget asks."""

    mark: float
    period: float
    threshold: float


class SessionFlows:
    """Own the open sessions of all rules; *facts* counts what did not fit."""

    def __init__(self, rules: Sequence[SessionRule]) -> None:
        self.facts: dict[str, int] = {}
        self._flows = {rule.name: _Flow(rule) for rule in rules}

    def __len__(self) -> int:
        """Return how many shares are judged each minute."""
        shares = 0
        for flow in self._flows.values():
            shares += len(flow.shares)
        return shares

    @property
    def open_sessions(self) -> int:
        return sum(len(flow.open) for flow in self._flows.values())

    def add(self, window: LogWindow, template_of: Callable[[LineKind], str | None]) -> None:
        """Take the lines of sessions that a closed window holds."""
        stream, own = window.stream.id, window.stream.entity
        known: dict[LineKind, str] = {}
        for rule, session, kind, at in window.named:
            flow = self._flows.get(rule)
            if flow is None:
                continue
            template = known.get(kind)
            if template is None:
                template = known[kind] = template_of(kind) or "other"
            entity = kind.entity or own
            if template not in flow.homes and len(flow.homes) < MAX_HOMES:
                flow.homes[template] = entity, kind.masked.decode("utf-8", "replace")
            self._take(flow, session, (at, stream, entity, template, int(kind.severity)))

    def _take(self, flow: _Flow, session: str, event: Event) -> None:
        found = flow.open.pop(session, None)
        if found is None:
            if len(flow.open) >= flow.rule.max_open:
                # Half a session must not teach what a whole one looks like.
                del flow.open[next(iter(flow.open))]
                self._count("sessions_cut")
            found = _Open(event[0])
        flow.open[session] = found  # the one that was quiet longest stands first
        found.last = max(found.last, event[0])
        if len(found.events) < MOST_EVENTS:
            found.events.append(event)
        else:
            self._count("session_events")

    def _count(self, fact: str) -> None:
        self.facts[fact] = self.facts.get(fact, 0) + 1

    # --- every minute -----------------------------------------------------------------------

    def roll(self, mark: float, period: float, threshold: float) -> list[Anomaly]:
        """End the sessions that were quiet long enough at *mark* and judge the minute's share."""
        found: list[Anomaly] = []
        if not self._flows:
            return found
        minute = _Minute(mark, period, threshold)
        for _, flow in sorted(self._flows.items()):
            over = [(o.last, s) for s, o in flow.open.items() if o.last + flow.rule.idle <= mark]
            flow.ended, flow.odd = len(over), 0
            most = LEARNED if flow.detector.sessions >= MEMORY else len(over)
            for n, (_, session) in enumerate(sorted(over)):
                teaches = n * most // len(over) != (n - 1) * most // len(over)
                self._end(flow, session, flow.open.pop(session), teaches=teaches)
            for entity, share in sorted(flow.shares.items()):
                found += self._judge(flow, entity, share, minute)
        return found

    def _end(self, flow: _Flow, name: str, ended: _Open, *, teaches: bool) -> None:
        """Score one session that is over, and learn it if it *teaches* and few were odd."""
        events = sorted(ended.events, key=lambda e: (e[0], e[1]))
        session = Session([e[3] for e in events], events[-1][0] - events[0][0])
        surprise = flow.detector.score(session).value
        odd: tuple[Oddity, ...] = ()
        if surprise is not None and surprise >= SESSION_ALPHA:
            odd = flow.detector.explain(session, most=_SHOWN)
        flow.odd += bool(odd)
        if flow.odd <= LEARNED_ODD if odd else teaches:
            flow.detector.learn(session)
        if surprise is None:
            return
        # Whoever takes part is known as blameless before it is blamed.
        for entity in dict.fromkeys(e[2] for e in events):
            self._share(flow, entity)
        share = self._share(flow, self._blamed(flow, odd, events)) if odd else None
        if share is not None:
            self._note(flow, share, _Ended(name, events, odd, surprise))

    def _share(self, flow: _Flow, entity: str) -> _Share | None:
        share = flow.shares.get(entity)
        if share is None:
            if len(flow.shares) >= MAX_SHARES:
                self._count("flows_refused")
                return None
            share = flow.shares[entity] = _Share()
        return share

    @staticmethod
    def _blamed(flow: _Flow, odd: Sequence[Oddity], events: Sequence[Event]) -> str:
        """Return where the oddest thing is at home: a lost step where it is usually made.

        What was lost or came instead says more of where than the order that followed of it.
        """
        ranked = sorted(odd, key=lambda o: (o.kind != "missing", o.kind == "order"))
        first = next((o.event for o in ranked if o.event is not None), None)
        if first is not None:
            here = [e[2] for e in events if e[3] == first]
            if here or first not in flow.homes:
                return here[0] if here else events[-1][2]
            return flow.homes[first][0]
        return events[0][2]

    @staticmethod
    def _note(flow: _Flow, share: _Share, ended: _Ended) -> None:
        """Remember one odd session of the running minute; the oddest one speaks."""
        name, events, odd, surprise = ended
        share.odd += 1
        named = {o.event for o in odd if o.kind in _ERRORS}
        worst = max((e[4] for e in events if e[3] in named), default=int(Severity.WARNING))
        if worst >= Severity.ERROR:
            share.severity = max(share.severity, worst)
            if surprise >= _VERY * SESSION_ALPHA:
                share.alone = max(share.alone, min(surprise, _MOST_ALONE))
        if len(share.samples) < _SHOWN or surprise > share.worst:
            texts = {o: flow.homes[o][1] for o in _events(odd) if o in flow.homes}
            words = harmless(redact(tell(odd, lambda event: texts.get(event, event))), lines=False)
        if surprise > share.worst:
            share.worst, share.reason = surprise, words
        if len(share.samples) < _SHOWN:
            text = harmless(redact(f"{flow.rule.name} {name}: "), lines=False) + words
            share.samples = (*share.samples, SampleLine(events[-1][0], events[-1][1], text))

    @staticmethod
    def _judge(flow: _Flow, entity: str, share: _Share, minute: _Minute) -> list[Anomaly]:
        """Judge how many of the minute's sessions were odd by this entity."""
        mark, period, threshold = minute
        tail, total = share.tail, flow.ended
        surprise = max(tail.surprise(share.odd, total), share.alone)
        usual, high = tail.share, tail.high(total)
        found: list[Anomaly] = []
        if share.odd and surprise >= max(threshold - EVIDENCE_MARGIN, EVIDENCE_FLOOR):
            share.since = mark - period if share.since is None else share.since
            series = Series(entity, f'odd sessions{{flow="{flow.rule.name}"}}', "log", "ratio")
            found.append(
                Anomaly(
                    id=anomaly_id(series.id, "session", share.since),
                    series=series,
                    kind="session",
                    at=mark,
                    since=share.since,
                    surprise=round(surprise, 3),
                    threshold=round(threshold, 3),
                    severity=Severity(share.severity),
                    reason=f"{share.odd} of {total} sessions odd: {share.reason}",
                    detector="sessions",
                    actual=share.odd / total if total else 1.0,
                    expected=usual,
                    low=0.0,
                    high=high,
                    unit="ratio",
                    severe=True,
                    seen=flow.detector.sessions,
                    samples=share.samples,
                )
            )
        else:
            share.since = None
        tail.learn(share.odd, total, mark)
        share.odd, share.alone, share.worst = 0, 0.0, 0.0
        share.reason, share.samples = "", ()
        share.severity = int(Severity.WARNING)
        return found

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return open sessions, detectors and shares of every rule."""
        header: dict[str, Any] = {}
        arrays: dict[str, Any] = {}
        for n, (name, flow) in enumerate(sorted(self._flows.items())):
            state, parts = flow.detector.to_state()
            arrays |= {f"{n}.{key}": value for key, value in parts.items()}
            header[name] = {
                "number": n,
                "detector": state,
                "open": [[s, o.last, list(o.events)] for s, o in flow.open.items()],
                "homes": [[t, *home] for t, home in flow.homes.items()],
                "shares": [[e, s.since, s.tail.to_state()] for e, s in flow.shares.items()],
            }
        return Section("sessions", _VERSION, header, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; rules that are gone are forgotten."""
        if section.version != _VERSION:
            return
        for name, saved in section.header.items():
            flow = self._flows.get(name)
            if flow is None:
                continue
            own = f"{saved['number']}."
            arrays = {
                key.removeprefix(own): value
                for key, value in section.arrays.items()
                if key.startswith(own)
            }
            flow.detector = SessionDetector.from_state(saved["detector"], arrays)
            flow.open = {
                session: _Open(last, [(e[0], e[1], e[2], e[3], e[4]) for e in events])
                for session, last, events in saved["open"]
            }
            flow.homes = {template: (entity, text) for template, entity, text in saved["homes"]}
            flow.shares = {
                entity: _Share(since=since, tail=ShareTail.from_state(tail))
                for entity, since, tail in saved["shares"]
            }


def _events(odd: Sequence[Oddity]) -> list[str]:
    """Return the events that oddities speak of."""
    return [e for o in odd for e in (o.event, o.after, o.instead) if e is not None]
