"""The straight line from inputs to transitions: synchronous, without clock or I/O.

``feed`` takes one input and returns what happened to incidents. Streams are counted into windows
at once, each by its own watermark; everything after that (templates, detection, correlation)
happens in one order of event time for all of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from aiops.correlation.gate import odds, opens
from aiops.correlation.grouping import homes
from aiops.correlation.suspects import rank
from aiops.correlation.topology import Topology
from aiops.decoding.windows import KindCache, StreamWindows, WindowSettings
from aiops.detection.logs import LogDetection
from aiops.detection.metrics import MetricDetection
from aiops.incidents.ledger import Ledger, LedgerSettings
from aiops.model import (
    Anomaly,
    Block,
    ChangeEvent,
    Command,
    Ended,
    Gap,
    Incident,
    Input,
    LogWindow,
    Opened,
    Points,
    Section,
    Severity,
    State,
    Stream,
    Tick,
    Transition,
    TransitionKind,
    Watched,
)
from aiops.ordering import Waiting
from detectors.calibrate import budget_threshold

LIVE = 300.0  # a stream whose last stamp is this near its arrival follows the wall clock
_LIVE = (State.OPEN, State.ACKNOWLEDGED)
_LAST = (TransitionKind.RESOLVED, TransitionKind.MERGED)
LONG_GAP = 86400.0  # minutes of a gap this long are not judged one by one
_VERSION = 1


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What of the configuration the engine needs; all in seconds, counts and rates."""

    window: WindowSettings = field(default_factory=WindowSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    budget: float = 2 / 604800.0
    group_window: float = 300.0
    hold: float = 15.0
    max_templates: int = 2000
    max_series: int = 100_000
    max_streams: int = 10_000
    multivariate: str = "river.anomaly.HalfSpaceTrees"
    drift: str = "river.drift.ADWIN"
    calls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    news_from: float = -math.inf


@dataclass(slots=True)
class _Flowing:
    """A stream as the order sees it: its windows, and whether more may come."""

    windows: StreamWindows
    watched: float | None = None
    unread: bool = True
    ended: bool = False
    excluded: bool = False
    touched: float | None = None  # wall-clock time of the last sign of its source

    @property
    def bound(self) -> float:
        """Return the time before which this stream can bring nothing any more."""
        if self.ended or self.excluded:
            return math.inf
        mark = self.windows.watermark
        if mark is None:
            return -math.inf if self.unread else math.inf
        return mark


class Engine:
    """Turn inputs into transitions; the same inputs in the same order give the same bytes."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.facts: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()
        self.clock = -math.inf
        self.horizon = math.inf  # history: where other inputs than streams go on
        self.kinds = KindCache()
        self.topology = Topology(settings.calls)
        self.logs = LogDetection(width=settings.window.width, max_templates=settings.max_templates)
        self.metrics = MetricDetection(
            max_series=settings.max_series,
            multivariate=settings.multivariate,
            drift=settings.drift,
        )
        self.ledger = Ledger(settings.ledger, self._rank)
        self._waiting = Waiting()
        self._streams: dict[str, _Flowing] = {}
        self._entities: set[str] = set()
        self._low: float | None = None  # None: must be computed again
        self._advanced = -math.inf
        self._tick = -math.inf
        self._points_at = -math.inf
        self._first_tick = math.inf
        self._orphans: dict[str, Incident] = {}
        self._news_from = settings.news_from
        self._caught_up = settings.news_from == -math.inf

    # --- inputs -----------------------------------------------------------------------------

    def feed(self, item: Input) -> list[Transition]:
        """Take one input; return all transitions that followed, in order."""
        if isinstance(item, Block):
            if self._holds_back(self._block(item)):
                return []
        elif isinstance(item, Watched):
            if self._holds_back(self._watched(item)):
                return []
        elif isinstance(item, Points):
            self._points_at = max(self._points_at, item.at)
            self._waiting.push(item)
        elif isinstance(item, ChangeEvent):
            self._waiting.push(item)
        elif isinstance(item, Opened):
            self._flow(item.stream)
        elif isinstance(item, Ended):
            self._ended(item.stream.id)
        elif isinstance(item, Command):
            if item.kind != "change":
                return self._say(self.ledger.command(item))
            self._waiting.push(_change(item))
        elif isinstance(item, Tick):
            self._stop_waiting(item.at)
            if self._is_live(item.at):
                self._tick = max(self._tick, item.at)
        elif isinstance(item, Gap):
            self.facts["gaps"] += 1
            self.metrics.gap(item.source)
        return self._release()

    def finish(self) -> list[Transition]:
        """Take the end of all input: close every window and let every incident end."""
        done = self.close_streams()
        rest = self.settings.ledger.resolve_after + 1.0
        if self.clock > -math.inf:
            done += self._say(self.ledger.advance(self.clock + rest))
        return done

    def close_streams(self) -> list[Transition]:
        """Take the end of every stream: close its windows and judge them."""
        for stream in list(self._streams):
            self._ended(stream)
        return self._release()

    def would_close(self, item: Watched) -> bool:
        """Return whether *item* would close a window: then it is journaled before it is fed."""
        flow = self._streams.get(item.stream.id)
        if flow is None:
            return False
        to = self._idle_mark(flow, item.at)
        return to is not None and flow.windows.closes(to)

    def idle_again(self, stream_id: str, at: float) -> list[Transition]:
        """Apply a journaled idle advance again, at the cursor where it was applied first."""
        flow = self._streams.get(stream_id)
        return [] if flow is None else self.feed(Watched(flow.windows.stream, at))

    def _is_live(self, at: float) -> bool:
        """Return whether event time follows the wall clock: else its ticks mean nothing here."""
        if self._points_at > at - LIVE:
            return True
        if not self._streams:
            # The first files are still being looked for: they may tell of another time.
            self._first_tick = min(self._first_tick, at)
            return at - self._first_tick > self.settings.hold
        return any(self._follows_clock(f) for f in self._streams.values() if not f.ended)

    def high(self, stream_id: str) -> float | None:
        """Return the highest accepted time of a stream."""
        flow = self._streams.get(stream_id)
        return None if flow is None else flow.windows.high

    def watermark(self, stream_id: str) -> float:
        """Return how far a stream has come, minus infinity before its first window."""
        flow = self._streams.get(stream_id)
        mark = None if flow is None else flow.windows.watermark
        return -math.inf if mark is None else mark

    # --- streams ----------------------------------------------------------------------------

    def _holds_back(self, flow: _Flowing | None) -> bool:
        """Return whether this stream alone keeps everything that waits from being released."""
        if flow is None or self._waiting.overfull or self._tick > self.clock:
            return False
        mark = self.logs.mark
        due = self._waiting.first if mark is None else min(self._waiting.first, mark)
        return flow.bound < due

    def _block(self, block: Block) -> _Flowing | None:
        flow = self._flow(block.stream)
        if flow is None:
            return None
        before = flow.bound
        flow.unread, flow.excluded, flow.ended = True, False, False
        flow.touched = block.arrived if block.arrived > 0 else None
        self._push(flow.windows.add(block))
        self._drain(flow.windows)
        self._moved(flow, before)
        return flow

    def _stop_waiting(self, at: float) -> None:
        """Exclude streams whose source gave no sign for longer than the hold allows."""
        for flow in self._streams.values():
            if flow.ended or flow.excluded:
                continue
            if flow.touched is None or flow.touched > at:
                flow.touched = at
            elif at - flow.touched > self.settings.hold:
                flow.excluded = True
                self._low = None
                self.facts["hold_timeouts"] += 1

    def _flow(self, stream: Stream) -> _Flowing | None:
        """Return what is known of a stream; a new one holds the order back until it is read."""
        flow = self._streams.get(stream.id)
        if flow is None:
            if len(self._streams) >= self.settings.max_streams:
                self.facts["streams_refused"] += 1
                return None
            windows = StreamWindows(stream, self.settings.window, self.kinds)
            flow = self._streams[stream.id] = _Flowing(windows)
            self._low = None
        return flow

    def _watched(self, item: Watched) -> _Flowing | None:
        flow = self._streams.get(item.stream.id)
        if flow is None:
            return None
        before = flow.bound
        flow.unread = False
        self._push(flow.windows.settle())
        flow.watched = flow.touched = item.at
        to = self._idle_mark(flow, item.at)
        if to is None:
            self._moved(flow, before)
            return flow
        if flow.windows.closes(to):
            self.facts["idle_advances"] += 1
        if self._follows_clock(flow):
            self._push(flow.windows.advance(to))
        else:
            flow.excluded = True
            self._push(flow.windows.flush())
        self._drain(flow.windows)
        self._moved(flow, before)
        return flow

    def _follows_clock(self, flow: _Flowing) -> bool:
        high = flow.windows.high
        return high is not None and abs(flow.windows.last_arrival - high) <= LIVE

    def _idle_mark(self, flow: _Flowing, at: float) -> float | None:
        """Return the event time that watching until *at* proves, ``None`` when it proves none."""
        if self._follows_clock(flow):
            return at - self.settings.window.lateness
        quiet = at - flow.windows.last_arrival
        return math.inf if quiet > self.settings.hold and flow.windows.high is not None else None

    def _ended(self, stream_id: str) -> None:
        flow = self._streams.get(stream_id)
        if flow is not None and not flow.ended:
            flow.ended = True
            self._low = None
            self._push(flow.windows.flush())
            self._drain(flow.windows)

    def _push(self, windows: Sequence[LogWindow]) -> None:
        for window in windows:
            self._waiting.push(window)

    def _drain(self, windows: StreamWindows) -> None:
        if windows.facts:
            self.facts.update(windows.facts)
            windows.facts.clear()

    # --- one order for all ------------------------------------------------------------------

    def _low_mark(self) -> float:
        """Return the time before which no stream can bring anything any more."""
        if self._low is None:
            self._low = min((f.bound for f in self._streams.values()), default=math.inf)
        return min(self._low, self.horizon)

    def _moved(self, flow: _Flowing, before: float) -> None:
        """Keep the low watermark: only the stream that holds everything back can raise it."""
        if self._low is None:
            return
        if before <= self._low:
            self._low = None
        else:
            self._low = min(self._low, flow.bound)

    def _release(self) -> list[Transition]:
        done: list[Transition] = []
        low = self._low_mark()
        while len(self._waiting) and (self._waiting.first <= low or self._waiting.overfull):
            if self._waiting.first > low:
                self.facts["hold_timeouts"] += 1
            at, item = self._waiting.pop()
            done += self._until(at)
            self._move(at)
            done += self._process(item)
        if low < math.inf:
            done += self._until(low + 1e-6)
        elif self._tick > self.clock and not len(self._waiting):
            self._move(self._tick)
        quiet_tick = min(self._tick, low)
        if quiet_tick > self.clock:
            self._move(quiet_tick)
        return done + self._pass_time()

    def _pass_time(self) -> list[Transition]:
        """Let what depends on time alone happen, once for every time."""
        if self.clock <= self._advanced:
            return []
        self._advanced = self.clock
        done = self._say(self.ledger.advance(self.clock)) + self._caught(self.clock)
        return done + self._adopt(self.clock) if self._orphans else done

    def _until(self, at: float) -> list[Transition]:
        """Judge every minute that ended before *at*."""
        done: list[Transition] = []
        mark = self.logs.mark
        if mark is None:
            return done
        if at - mark > LONG_GAP:
            self.logs.skip_to(at)
            return done
        while mark < at:
            self._move(mark)
            # Time passes at every mark, however many of them one release covers.
            done += self._pass_time()
            done += self._place(self.logs.roll(self._watched_until, self.threshold()))
            mark += self.logs.period
        return done

    def _watched_until(self, stream_id: str) -> float | None:
        flow = self._streams.get(stream_id)
        return None if flow is None else flow.windows.watermark

    def _move(self, at: float) -> None:
        self.clock = max(self.clock, at)

    def _process(self, item: ChangeEvent | Points | LogWindow) -> list[Transition]:
        done = self._pass_time()
        if isinstance(item, LogWindow):
            self.logs.start(item.start)
            self._know(item.stream.entity)
            found = self.logs.judge(item, self.threshold())
        elif isinstance(item, Points):
            found = self.metrics.judge(item, self.threshold())
        else:
            self.ledger.change(item)
            return done
        return done + self._place(found)

    def _know(self, entity: str) -> None:
        if len(self._entities) < self.settings.max_streams:
            self._entities.add(entity)

    def _place(self, found: Sequence[Anomaly]) -> list[Transition]:
        done: list[Transition] = []
        for anomaly in sorted(found, key=lambda a: (a.at, a.series.id, a.id)):
            self.anomalies[anomaly.kind] += 1
            self._know(anomaly.entity)
            chance = odds(
                self.threshold(),
                self.tests_per_second(),
                len(self._entities),
                self.settings.group_window,
            )
            where = homes(
                anomaly, self.ledger.footprints(), self.topology, self.settings.group_window
            )
            done += self.ledger.absorb(anomaly, where, partial(opens, chance=chance))
        return self._say(done)

    def _rank(self, anomalies: Sequence[Anomaly], changes: Sequence[ChangeEvent]) -> Any:
        return rank(anomalies, changes, self.topology)

    # --- budget -----------------------------------------------------------------------------

    def tests_per_second(self) -> float:
        """Return how many judgements a second all series together cost."""
        windows = len(self._streams) / self.settings.window.width
        return self.metrics.tests_per_second + self.logs.rows / self.logs.period + windows

    def threshold(self) -> float:
        """Return the surprise that one anomaly needs under the alert budget."""
        return budget_threshold(self.settings.budget, self.tests_per_second())

    # --- what people hear -------------------------------------------------------------------

    def _say(self, transitions: Sequence[Transition]) -> list[Transition]:
        """Decide what is told: old news is not, nor is the end of what nobody heard of."""
        said: list[Transition] = []
        for t in _folded(transitions):
            known = self.ledger.is_told(t.incident.id)
            tell = (
                (self._caught_up or (known and t.kind in _LAST))
                and t.incident.state is not State.CANDIDATE
                and t.incident.severity >= Severity.WARNING
                and (known or t.kind in (TransitionKind.OPENED, TransitionKind.REOPENED))
            )
            if tell:
                self.ledger.told(t.incident.id, t.at)
            picture = replace(t.incident, told=True) if known or tell else t.incident
            said.append(Transition(t.kind, picture, t.at, tell=tell))
        return said

    def _caught(self, at: float) -> list[Transition]:
        if self._caught_up or at < self._news_from:
            return []
        self._caught_up = True
        return self._say(self.ledger.tell_open(at))

    def expect(self, told: Sequence[Incident]) -> None:
        """Remember what people were told is open: what is not derived again is resolved."""
        seen = {i.id: i.seq for i in self.ledger.pictures}
        self._orphans = {i.id: i for i in told if seen.get(i.id, -1) < i.seq}

    @property
    def caught_up(self) -> bool:
        """Return whether what happens now is news."""
        return self._caught_up

    def _adopt(self, at: float) -> list[Transition]:
        for incident in self.ledger.pictures:
            orphan = self._orphans.get(incident.id)
            if orphan is not None and (incident.seq >= orphan.seq or incident.state in _LIVE):
                # The ledger has it again, and will end it itself.
                del self._orphans[incident.id]
        done = []
        wait = self.settings.ledger.resolve_after + self.settings.hold
        for orphan in list(self._orphans.values()):
            if at <= orphan.updated_at + wait:
                continue
            del self._orphans[orphan.id]
            ended = replace(orphan, state=State.RESOLVED, seq=orphan.seq + 1, resolved_at=at)
            done.append(Transition(TransitionKind.RESOLVED, ended, at))
            self.facts["incidents_adopted"] += 1
        return done

    def take_facts(self) -> Counter[str]:
        """Return and clear what departed from the rules, and the anomalies by kind."""
        taken = Counter(self.facts)
        self.facts.clear()
        for part in (self.metrics.facts, self.ledger.facts):
            taken.update(part)
            part.clear()
        for kind, n in self.anomalies.items():
            taken[f"anomaly:{kind}"] += n
        self.anomalies.clear()
        taken["evicted"] += self.logs.evicted
        self.logs.evicted = 0
        return taken

    def young(self) -> list[str]:
        """Name what is still warming up: workloads, and metric series in all."""
        young = self.logs.young()
        if (n := self.metrics.young()) > 0:
            young.append(f"{n} metric series")
        return young

    def reconfigure(self, settings: EngineSettings) -> None:
        """Take new settings and keep what was learned; windows keep their width."""
        same = replace(settings, window=replace(settings.window, width=self.settings.window.width))
        self.settings = same
        self.topology = Topology(same.calls)
        self.ledger.settings = same.ledger

    def incidents(self) -> list[Incident]:
        """Return pictures of everything that can still change, candidates included."""
        return sorted(self.ledger.pictures, key=lambda i: (i.opened_at, i.id))

    # --- figures ----------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def stream_count(self) -> int:
        return len(self._streams)

    @property
    def open_windows(self) -> int:
        return sum(f.windows.open_windows for f in self._streams.values())

    def forget(self, stream_id: str) -> None:
        """Drop a stream that is gone for good; its windows are closed first."""
        self._ended(stream_id)
        self._streams.pop(stream_id, None)
        self._low = None

    # --- saved at a cut ---------------------------------------------------------------------

    def to_sections(self) -> tuple[Section, ...]:
        """Return the whole state; ``restore`` continues as if nothing had happened."""
        streams = [
            [f.windows.to_state(), f.watched, f.unread, f.ended, f.excluded]
            for f in self._streams.values()
        ]
        header = {
            "streams": streams,
            "clock": self.clock,
            "tick": self._tick,
            "advanced": self._advanced,
            "caught_up": self._caught_up,
            "entities": sorted(self._entities),
            "width": self.settings.window.width,
        }
        return (
            Section("engine", _VERSION, header),
            self._waiting.to_section(),
            *self.logs.to_sections(),
            *self.metrics.to_sections(),
            self.ledger.to_section(),
        )

    def restore(self, sections: Sequence[Section]) -> list[str]:
        """Take a saved state back; returns the names of parts that start cold."""
        by_name = {s.name: s for s in sections}
        saved = by_name.get("engine")
        cold = sorted(_SECTIONS - set(by_name))
        if (
            saved is None
            or saved.version != _VERSION
            or saved.header["width"] != self.settings.window.width
        ):
            return ["engine", *cold]
        for state, watched, unread, ended, excluded in saved.header["streams"]:
            windows = StreamWindows.from_state(state, self.settings.window, self.kinds)
            self._streams[windows.stream.id] = _Flowing(windows, watched, unread, ended, excluded)
        self._low = None
        self.clock, self._tick = saved.header["clock"], saved.header["tick"]
        self._advanced = saved.header["advanced"]
        self._caught_up = saved.header["caught_up"]
        self._entities = set(saved.header["entities"])
        if "waiting" in by_name:
            self._waiting.restore(by_name["waiting"])
        self.logs.restore(by_name)
        self.metrics.restore(by_name)
        if "ledger" in by_name:
            self.ledger.restore(by_name["ledger"])
        return cold

    def late_news(self, news_from: float) -> None:
        """After a downtime: learn the backlog first, tell only what is still open at its end."""
        self._news_from = news_from
        self._caught_up = False


_SECTIONS = {"engine", "waiting", "logs", "log_rows", "metric_rows", "rivers", "ledger"}


def _change(command: Command) -> ChangeEvent:
    args = command.args
    at = float(args.get("at", command.at))
    return ChangeEvent(at, args.get("kind", "change"), command.target, args.get("title", ""))


def _folded(transitions: Sequence[Transition]) -> list[Transition]:
    """Fold an escalation into the opening of the same moment: one message says both."""
    folded: list[Transition] = []
    opened: dict[tuple[str, float], int] = {}
    for t in transitions:
        key = (t.incident.id, t.at)
        if t.kind is TransitionKind.ESCALATED and key in opened:
            folded[opened[key]] = Transition(TransitionKind.OPENED, t.incident, t.at)
            continue
        if t.kind is TransitionKind.OPENED:
            opened[key] = len(folded)
        folded.append(t)
    return folded
