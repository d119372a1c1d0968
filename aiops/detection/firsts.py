"""Weigh lines never seen before, and rare ones that return: how rare, how fast, how widely."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter

from aiops.detection.facts import anomaly_id
from aiops.detection.rarity import Episode
from aiops.detection.workload import Fresh, Workload
from aiops.model import Anomaly, LineKind, LogWindow, SampleLine, Series, Severity
from aiops.redaction import harmless
from detectors.novelty import recurrence
from detectors.templates import TemplateMiner

# What a first sight weighs by its severity, in decades of surprise, and how much its coming
# again counts: warnings repeat more lightly than errors.
WEIGHT = {Severity.INFO: 0.0, Severity.WARNING: 0.0, Severity.ERROR: 0.5, Severity.CRITICAL: 1.5}
AGAIN = {Severity.INFO: 0.0, Severity.WARNING: 0.5, Severity.ERROR: 1.0, Severity.CRITICAL: 1.0}
KEEP_TELLING = 1800.0  # a new template keeps its anomaly alive this long while it recurs
MAX_WORDS = 20_000
MAX_TOLD = 5  # new templates of one window and entity that become anomalies
MAX_FRESH = 200
_INFO = Severity.INFO  # looked up at every window
_BY_TEXT = attrgetter("masked", "entity")

_Said = tuple[list[LineKind], list[tuple[bytes, int]]]
"""Kinds of one severity, and their masked texts with the number of their lines."""


class FirstSights:
    """Own the templates of all workloads; say which lines are new and how much that means."""

    def __init__(self, *, max_templates: int = 2000) -> None:
        self.evicted = 0
        self.followed = 0  # workloads of which rare templates are known
        self.workloads: dict[str, Workload] = {}
        self._max_templates = max_templates

    def judge(self, window: LogWindow, threshold: float) -> list[Anomaly]:
        """Learn one closed window and return what was never seen before."""
        groups = _grouped(window)
        if len(groups) == 1:
            ((name, kinds),) = groups.items()
            return self._workload(name, kinds, window, threshold)
        found: list[Anomaly] = []
        for name, kinds in sorted(groups.items()):
            found += self._workload(name, kinds, window, threshold)
        return found

    def _workload(
        self, name: str, kinds: dict[Severity, _Said], window: LogWindow, threshold: float
    ) -> list[Anomaly]:
        workload = self.workloads.get(name)
        if workload is None:
            own = window.stream.entity if name == window.stream.workload else name
            workload = self.workloads[name] = Workload(own)
        elif workload.entity != window.stream.entity and name == window.stream.workload:
            workload.entity = name  # instances that are entities of their own share a workload
        if workload.fresh:
            _expire(workload, window.end)
        rare: dict[str, tuple[LineKind, int, Episode]] = {}
        seen = self._learn(name, workload, kinds, window, rare)
        found = self._returns(workload, rare, window, threshold) if rare else []
        if not seen:
            workload.novelty.learn(window.end, None)
            return found
        return found + self._tell(workload, seen, window, threshold)

    def _tell(
        self,
        workload: Workload,
        seen: list[tuple[LineKind, str, float | None]],
        window: LogWindow,
        threshold: float,
    ) -> list[Anomaly]:
        """Weigh what is in the time after its first sight, and learn how often there is such."""
        found: list[Anomaly] = []
        new: dict[str, tuple[LineKind, int]] = {}
        again: dict[str, tuple[LineKind, int]] = {}
        for kind, template, _ in seen:
            # Streams of one workload share windows: the second one to say it says it again.
            told = again if template in workload.fresh else new
            shown, sofar = told.get(template, (kind, 0))
            told[template] = (shown, sofar + window.counts[kind])
        ranked = sorted(new.items(), key=lambda t: (-t[1][0].severity, -t[1][1], t[0]))
        for template, (kind, count) in ranked[:MAX_TOLD]:
            chance = workload.novelty.surprise(int(kind.severity))
            if chance is None:
                continue
            fresh = Fresh(window.end, chance + WEIGHT[kind.severity])
            if kind.severity >= Severity.WARNING and len(workload.fresh) < MAX_FRESH:
                workload.fresh[template] = fresh
            found.append(
                self._anomaly(
                    workload, kind, template, count, window=window, threshold=threshold, fresh=fresh
                )
            )
        for template, (kind, count) in again.items():
            fresh = workload.fresh[template]
            found.append(
                self._anomaly(
                    workload, kind, template, count, window=window, threshold=threshold, fresh=fresh
                )
            )
        unseen = [kind for kind, _, first in seen if first == window.end]
        highest = max((int(kind.severity) for kind, _ in new.values()), default=None)
        workload.novelty.learn(window.end, highest)
        _learn_words(workload, unseen)
        return found

    def _learn(
        self,
        name: str,
        workload: Workload,
        kinds: dict[Severity, _Said],
        window: LogWindow,
        rare: dict[str, tuple[LineKind, int, Episode]],
    ) -> list[tuple[LineKind, str, float | None]]:
        """Learn all kinds of the window; return (kind, template, first seen) of fresh ones only.

        Fresh is what was first seen in this window or is in the time after its first sight.
        What returned after long goes to *rare*.
        """
        seen: list[tuple[LineKind, str, float | None]] = []
        end, fresh = window.end, workload.fresh
        latest = workload.mix.latest
        latest.clear()
        for severity, (members, said) in sorted(kinds.items()) if len(kinds) > 1 else kinds.items():
            miner = workload.miners.get(severity)
            if miner is None:
                label = f"{name}\x00{severity.label}"
                miner = TemplateMiner(label, max_templates=self._max_templates)
                workload.miners[int(severity)] = miner
            before = miner.evicted
            ids = miner.learn(said, end)
            self.evicted += miner.evicted - before
            latest.parts.append((window.samples, members, ids))
            if severity > _INFO:
                bad = sorted(members, key=_BY_TEXT)
                self.followed += not workload.returns
                _see(workload, bad, ids, miner.resolve, window=window, rare=rare)
            if miner.newest < end and not fresh:
                continue
            first = {template: miner.first_seen(template) for template in set(ids.values())}
            shown = {t for t, at in first.items() if at == end or t in fresh}
            some = [kind for kind in members if ids[kind.masked] in shown]
            seen += [(k, ids[k.masked], first[ids[k.masked]]) for k in sorted(some, key=_BY_TEXT)]
        return seen

    @staticmethod
    def _returns(
        workload: Workload,
        rare: dict[str, tuple[LineKind, int, Episode]],
        window: LogWindow,
        threshold: float,
    ) -> list[Anomaly]:
        """Weigh rare lines that came back; only as many as could be told are told."""
        novelty, returns, end = workload.novelty, workload.returns, window.end
        found: list[Anomaly] = []
        begun = Severity.INFO
        ranked = sorted(rare.items(), key=lambda t: (-t[1][0].severity, -t[1][1], t[0]))
        for template, (kind, _, episode) in ranked[:MAX_TOLD]:
            known = episode.base is not None
            if not returns.weigh(episode, kind.severity, novelty.windows, end - window.start):
                continue
            begun = max(begun, Severity.INFO if known else kind.severity)
            surprise = episode.surprise(end, AGAIN[kind.severity])
            series = Series(
                kind.entity or window.stream.entity, f"template {template}", "log", "lines"
            )
            found.append(
                Anomaly(
                    id=anomaly_id(series.id, "rare_template", episode.began),
                    series=series,
                    kind="rare_template",
                    at=end,
                    since=episode.began,
                    surprise=round(surprise, 3),
                    threshold=round(threshold, 3),
                    severity=kind.severity,
                    reason=episode.reason(),
                    detector="rarity",
                    actual=episode.count,
                    expected=0.0,
                    low=0.0,
                    high=episode.most,
                    unit="lines",
                    severe=surprise >= threshold - 1.0,
                    seen=int(novelty.windows),
                    samples=_shown(window, kind, None),
                )
            )
        if begun > Severity.INFO:
            returns.learn(begun, end, novelty.memory)
        return found

    @staticmethod
    def _anomaly(
        workload: Workload,
        kind: LineKind,
        template: str,
        count: int,
        *,
        window: LogWindow,
        threshold: float,
        fresh: Fresh,
    ) -> Anomaly:
        entity = kind.entity or window.stream.entity
        series = Series(entity, f"template {template}", "log", "lines")
        shown = _shown(window, kind, workload.words)
        fresh.count += count
        fresh.instances.add(_instance(window))
        watched = workload.novelty.watched(fresh.since)
        elapsed = window.end - fresh.since
        more = AGAIN[kind.severity] * recurrence(
            fresh.count, elapsed, watched, len(fresh.instances)
        )
        first = fresh.since == window.end
        surprise = fresh.base + more
        return Anomaly(
            id=anomaly_id(series.id, "new_template", fresh.since),
            series=series,
            kind="new_template",
            at=window.end,
            since=shown[0].at if shown and first else fresh.since,
            surprise=round(surprise, 3),
            threshold=round(threshold, 3),
            severity=kind.severity,
            reason="line never seen before" + _spread(fresh.instances),
            detector="novelty",
            actual=fresh.count,
            expected=0.0,
            low=0.0,
            high=0.0,
            unit="lines",
            severe=kind.severity >= Severity.ERROR or surprise >= threshold - 1.0,
            seen=int(workload.novelty.windows),
            samples=shown,
        )


def _grouped(window: LogWindow) -> dict[str, dict[Severity, _Said]]:
    """Return what a window says by workload and severity; of none where it says nothing."""
    own = window.stream.workload
    groups: dict[str, dict[Severity, _Said]] = {}
    last: tuple[str, Severity] | None = None
    for kind, count in window.counts.items():
        entity, severity, masked = kind
        if last is None or severity is not last[1] or entity != last[0]:
            last = entity, severity
            by_severity = groups.get(entity or own)
            if by_severity is None:
                by_severity = groups[entity or own] = {}
            said = by_severity.get(severity)
            if said is None:
                said = by_severity[severity] = ([], [])
            members, counts = said
        members.append(kind)
        counts.append((masked, count))
    return groups or {own: {}}


def _see(
    workload: Workload,
    kinds: Sequence[LineKind],
    ids: Mapping[bytes, str],
    resolve: Callable[[str], str],
    *,
    window: LogWindow,
    rare: dict[str, tuple[LineKind, int, Episode]],
) -> None:
    """Follow the episodes of *kinds*; those that returned after long go to *rare*."""
    returns, instance, end = workload.returns, _instance(window), window.end
    if any(returns.begins(ids[kind.masked], end) for kind in kinds):
        returns.settle(resolve)
    for kind in kinds:
        template, count = ids[kind.masked], window.counts[kind]
        episode = returns.see(template, count, instance=instance, at=end)
        if episode is not None:
            shown, sofar, _ = rare.get(template, (kind, 0, episode))
            rare[template] = shown, sofar + count, episode


def _instance(window: LogWindow) -> str:
    return window.stream.instance or window.stream.id


def _spread(instances: Collection[str]) -> str:
    return f", on {len(instances)} instances" if len(instances) > 1 else ""


def _shown(window: LogWindow, kind: LineKind, words: set[bytes] | None) -> tuple[SampleLine, ...]:
    """Return the sample of a kind, with what is not among *words* marked."""
    sample = window.samples.get(kind)
    if sample is None:
        return ()
    text = harmless(sample.text, lines=True)
    new = None if words is None else _new(text, kind, words)
    return (SampleLine(sample.at, sample.stream, text, new),)


def _expire(workload: Workload, at: float) -> None:
    for template, fresh in list(workload.fresh.items()):
        if at - fresh.since > KEEP_TELLING:
            del workload.fresh[template]


def _learn_words(workload: Workload, kinds: Iterable[LineKind]) -> None:
    for kind in kinds:
        if len(workload.words) < MAX_WORDS:
            workload.words.update(kind.masked.split())


_WORD = re.compile(r"\S+")


def _new(text: str, kind: LineKind, words: set[bytes]) -> tuple[int, int] | None:
    """Find the part of a sample that holds words its workload never used before."""
    head = text.split("\n", 1)[0]
    masked = kind.masked.split()
    literal = {w.decode("utf-8", "replace") for w in masked if b"<*>" not in w}
    fresh = {w.decode("utf-8", "replace") for w in masked if w not in words}
    spans = [m.span() for m in _WORD.finditer(head) if m[0] in literal and m[0] in fresh]
    if not spans:
        spans = [m.span() for m in _WORD.finditer(head) if m[0] in literal]
    return (spans[0][0], spans[-1][1]) if spans else None
