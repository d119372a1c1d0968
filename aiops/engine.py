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

from aiops.commands import alert_of, change_of
from aiops.correlation.topology import Topology
from aiops.decoding.kinds import KindCache
from aiops.decoding.windows import WindowSettings
from aiops.detection.alerts import AlertDetection
from aiops.detection.logs import LogDetection
from aiops.detection.metrics import MetricDetection, MetricRule
from aiops.detection.together import OWN
from aiops.flows import Flows
from aiops.incidents.ledger import LedgerSettings
from aiops.model import (
    Alert,
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
    Tick,
    Transition,
    Watched,
)
from aiops.news import News
from aiops.ordering import Item, Waiting
from aiops.placement import Placement

LONG_GAP = 86400.0  # after so long without a line from anywhere minutes are not judged
_VERSION = 7


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
    multivariate: str = OWN
    drift: str = "river.drift.ADWIN"
    metrics: tuple[MetricRule, ...] = ()
    calls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    news_from: float = -math.inf


class Engine:
    """Turn inputs into transitions; the same inputs in the same order give the same bytes."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.facts: Counter[str] = Counter()
        self.clock = -math.inf
        self.horizon = math.inf  # history: where other inputs than streams go on
        window, most = settings.window, settings.max_templates
        self.logs = LogDetection(width=window.width, max_templates=most, sessions=window.sessions)
        self.metrics = MetricDetection(
            max_series=settings.max_series,
            multivariate=settings.multivariate,
            drift=settings.drift,
            rules=settings.metrics,
        )
        self.alerts = AlertDetection(settings.max_series)
        self.placement = Placement(
            settings.ledger,
            Topology(settings.calls),
            self.tests_per_second,
            budget=settings.budget,
            window=settings.group_window,
            max_entities=settings.max_streams,
        )
        ledger = self.ledger = self.placement.ledger
        self._waiting = Waiting()
        self._parts = (self._waiting, self.alerts, *self.placement.parts, ledger, ledger.lessons)
        self.flows = Flows(
            settings.window,
            hold=settings.hold,
            max_streams=settings.max_streams,
            push=self._waiting.push,
            facts=self.facts,
        )
        self._step: int | None = None  # the next multiple of the window width that time reaches
        self._busy = -math.inf  # when something last came up that incidents may still change by
        self._quiet = 0.0  # for how long no stream has had a line
        self._tick = self._points_at = -math.inf
        self.news = News(self.ledger, settings.news_from, self.facts)

    # --- inputs -----------------------------------------------------------------------------

    def feed(self, item: Input) -> list[Transition]:
        """Take one input; return all transitions that followed, in order."""
        if isinstance(item, Block):
            self.flows.block(item)
        elif isinstance(item, Watched):
            self.flows.watched(item)
        elif isinstance(item, Points):
            self._points_at = max(self._points_at, item.at)
            self._wait(item)
        elif isinstance(item, ChangeEvent | Alert):
            self._wait(item)
        elif isinstance(item, Opened):
            self.flows.opened(item.stream)
        elif isinstance(item, Ended):
            self.flows.ended(item.stream.id)
        elif isinstance(item, Command):
            if item.kind not in ("change", "alert"):
                return [] if self.placement.hears(item) else self.news.command(item)
            self._wait(change_of(item) if item.kind == "change" else alert_of(item))
        elif isinstance(item, Tick):
            if not math.isfinite(item.at):
                return []
            self.flows.stop_waiting(item.at)
            if self.flows.is_live(item.at, self._points_at):
                self._tick = max(self._tick, item.at)
        elif isinstance(item, Gap):
            self.facts["gaps"] += 1
            self.metrics.gap(item.source)
        return self._release()

    def _wait(self, item: Points | ChangeEvent | Alert) -> None:
        if not math.isfinite(item.at):
            self.facts["not_finite"] += 1
            return
        if item.at < self.clock:
            self.facts["out_of_order"] += 1
        self._waiting.push(item)

    def finish(self) -> list[Transition]:
        """Take the end of all input: close every window and let every incident end."""
        done = self.close_streams()
        if self.clock > -math.inf:
            self._step = self._step or 0
            end = self.clock + self.news.longest_quiet + self.settings.window.width
            done += self._pass_steps(end)
        return done

    def close_streams(self) -> list[Transition]:
        """Take the end of every stream: close its windows and judge them."""
        for flow in list(self.flows):
            self.flows.ended(flow.windows.stream.id)
        return self._release()

    def would_close(self, item: Watched) -> bool:
        """Return whether *item* would close a window: then it is journaled before it is fed."""
        return self.flows.would_close(item)

    def idle_again(self, stream_id: str, at: float) -> list[Transition]:
        """Apply a journaled idle advance again, at the cursor where it was applied first."""
        flow = self.flows.get(stream_id)
        return [] if flow is None else self.feed(Watched(flow.windows.stream, at))

    def high(self, stream_id: str) -> float | None:
        """Return the highest accepted time of a stream."""
        return self.flows.high(stream_id)

    def watermark(self, stream_id: str) -> float:
        """Return how far a stream has come, minus infinity before its first window."""
        mark = self.flows.watermark(stream_id)
        return -math.inf if mark is None else mark

    # --- one order for all ------------------------------------------------------------------

    def _release(self) -> list[Transition]:
        """Let time pass as far as no stream can bring anything older."""
        low = min(self.flows.low, self.horizon)
        waiting = self._waiting
        if low < waiting.first and low < self._next_step and not waiting.overfull:
            return []
        done: list[Transition] = []
        while (taken := waiting.take(low)) is not None:
            at, item = taken
            if at > low:
                self.facts["hold_timeouts"] += 1
            done += self._pass_until(at)
            self._move(at)
            if found := self._process(item):
                done += self._place(found)
        # Without a stream to wait for, the wall clock alone says how far time has come.
        return done + self._pass_until(low if low < math.inf else self._tick, through=True)

    @property
    def _next_step(self) -> float:
        return -math.inf if self._step is None else self._step * self.settings.window.width

    def _pass_until(self, at: float, *, through: bool = False) -> list[Transition]:
        """Let time reach *at*: minutes that ended before it (*through*: or at it) are judged.

        What depends on time alone happens at multiples of the window width, and nowhere between:
        so it happens at the same times however the input was cut.
        """
        if not math.isfinite(at):
            return []
        if self._step is None:
            self._step = int(at // self.settings.window.width)
        done: list[Transition] = []
        while (mark := self.logs.mark) is not None and (mark < at or (through and mark == at)):
            if self._quiet >= LONG_GAP:
                self.logs.skip_to(at)
                break
            done += self._pass_steps(mark)
            self._move(mark)
            self._quiet += self.logs.period
            if found := self.logs.roll(self.flows.watermark, self.threshold()):
                done += self._place(found)
        return done + self._pass_steps(at)

    def _pass_steps(self, at: float) -> list[Transition]:
        """Let time reach every multiple of the window width up to *at*."""
        done: list[Transition] = []
        step, width = self._step or 0, self.settings.window.width
        if step * width > at:
            return done
        ledger, alerts, news = self.ledger, self.alerts, self.news
        wait = self.settings.ledger.resolve_after + self.settings.hold
        while (now := step * width) <= at:
            if now + width <= at and ledger.is_at_rest(now - self._busy - width):
                # Nothing lives so long without news: the steps between are all the same.
                now = int(at // width) * width
            step = self._step = int(now // width) + 1
            self._move(now)
            if alerts.due <= now and (again := alerts.roll(now, self.threshold())):
                done += self._place(again)
            if found := ledger.advance(now):
                done += news.say(found)
            if vouched := ledger.vouched(now):
                self.metrics.excuse(vouched)
                self.logs.excuse(vouched)
            done += news.pass_time(now, wait)
        return done

    def _move(self, at: float) -> None:
        self.clock = max(self.clock, at)

    def _process(self, item: Item) -> list[Anomaly]:
        if isinstance(item, LogWindow):
            self._quiet = 0.0
            self.flows.note_judged(item.stream.id)
            self.logs.start(item.start)
            self.placement.see(item)
            return self.logs.judge(item, self.threshold())
        if isinstance(item, Points):
            found = self.metrics.judge(item, self.threshold())
            for change in self.metrics.take_changes():
                self.placement.change(change)
            return found
        if isinstance(item, Alert):
            return self.alerts.judge(item, self.threshold(), self.settings.budget)
        self.placement.change(item)
        return []

    def _place(self, found: Sequence[Anomaly]) -> list[Transition]:
        self._busy = max(self._busy, self.clock)
        return self.news.say(self.placement.place(found), found)

    # --- budget -----------------------------------------------------------------------------

    def tests_per_second(self) -> float:
        """Return how many judgements a second all series together cost."""
        windows = self.flows.judged / self.settings.window.width
        others = self.metrics.tests_per_second + self.alerts.tests_per_second
        return others + self.logs.rows / self.logs.period + windows

    def threshold(self) -> float:
        """Return the surprise that one anomaly needs under the alert budget."""
        return self.placement.threshold()

    @property
    def caught_up(self) -> bool:
        """Return whether what happens now is news."""
        return self.news.caught_up

    def expect(self, told: Sequence[Incident]) -> None:
        """Remember what people were told is open: what is not derived again is resolved."""
        self.news.expect(told)

    @property
    def kinds(self) -> KindCache:
        """Return the cache of kinds of lines, shared by all streams."""
        return self.flows.kinds

    def take_facts(self) -> Counter[str]:
        """Return and clear what departed from the rules, and the anomalies by kind."""
        taken = Counter(self.facts)
        self.facts.clear()
        for part in (self.metrics, self.alerts, self.ledger, self.placement):
            taken.update(part.facts)
            part.facts.clear()
        taken.update(self.logs.take_facts())
        return taken

    def young(self) -> list[str]:
        """Name what is still warming up: workloads, and metric series in all."""
        series = self.metrics.young()
        return self.logs.young() + ([f"{series} metric series"] if series else [])

    def reconfigure(self, settings: EngineSettings) -> None:
        """Take new settings and keep what was learned; windows keep their width."""
        same = replace(settings, window=replace(settings.window, width=self.settings.window.width))
        self.settings = same
        self.flows.hold, self.flows.max_streams = same.hold, same.max_streams
        self.placement.topology = Topology(same.calls)
        self.placement.budget, self.placement.window = same.budget, same.group_window
        self.ledger.settings = same.ledger
        self.metrics.reconfigure(same.metrics)

    def incidents(self) -> list[Incident]:
        """Return pictures of everything that can still change, candidates included."""
        return sorted(self.news.pictures, key=lambda i: (i.opened_at, i.id))

    # --- figures ----------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def stream_count(self) -> int:
        return len(self.flows)

    @property
    def open_windows(self) -> int:
        return sum(f.windows.open_windows for f in self.flows)

    def forget(self, stream_id: str) -> None:
        """Drop a stream that is gone for good; its windows are closed first."""
        self.flows.forget(stream_id)

    # --- saved at a cut ---------------------------------------------------------------------

    def to_sections(self) -> tuple[Section, ...]:
        """Return the whole state; ``restore`` continues as if nothing had happened."""
        header = {
            "streams": self.flows.to_state(),
            "clock": self.clock,
            "tick": self._tick,
            "points_at": self._points_at,
            "step": self._step,
            "busy": self._busy,
            "quiet": self._quiet,
            "news": self.news.to_state(),
            "entities": sorted(self.placement.entities),
            "width": self.settings.window.width,
        }
        return (
            Section("engine", _VERSION, header),
            *self.logs.to_sections(),
            *self.metrics.to_sections(),
            *(part.to_section() for part in self._parts),
        )

    def restore(self, sections: Sequence[Section]) -> list[str]:
        """Take a saved state back; returns the names of parts that start cold."""
        by_name = {s.name: s for s in sections}
        saved = by_name.get("engine")
        cold = sorted({s.name for s in self.to_sections()} - set(by_name))
        if (
            saved is None
            or saved.version != _VERSION
            or saved.header["width"] != self.settings.window.width
        ):
            return ["engine", *cold]
        self.flows.restore(saved.header["streams"])
        self.clock, self._tick = saved.header["clock"], saved.header["tick"]
        self._step, self._busy = saved.header["step"], saved.header["busy"]
        self._points_at, self._quiet = saved.header["points_at"], saved.header["quiet"]
        self.news.restore(saved.header["news"])
        self.placement.entities = set(saved.header["entities"])
        self.logs.restore(by_name)
        self.metrics.restore(by_name)
        for part in self._parts:
            if part.name in by_name:
                part.restore(by_name[part.name])
        return cold

    def late_news(self, news_from: float) -> None:
        """After a downtime: learn the backlog first, tell only what is still open at its end."""
        self.news.begin(news_from)
