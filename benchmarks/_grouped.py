"""Score how departures were grouped: V-measure, ARI, and what each fault cost its readers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from _regimes import AFTER, SLACK, Departure, Told, Truth, Watch
from numpy.typing import NDArray

GROUP_WAIT, GROUP_INTERVAL, RESOLVE_TIMEOUT = 30.0, 300.0, 300.0  # as Alertmanager ships
WINDOW = 60.0
SETTLE = 180.0
TOP = (1, 3, 5)
Key = Callable[[Departure], str]


def contingency(classes: Sequence[int], clusters: Sequence[str]) -> NDArray[np.float64]:
    """Return how many items of each class (rows) lie in each cluster (columns)."""
    _, rows = np.unique(np.array(classes), return_inverse=True)
    _, columns = np.unique(np.array(clusters), return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1.0)
    return table


def v_measure(table: NDArray[np.float64]) -> float:
    """Return the harmonic mean of homogeneity and completeness (Rosenberg, Hirschberg 2007)."""
    n = table.sum()

    def entropy(p: NDArray[np.float64]) -> float:
        p = p[p > 0] / n
        return float(-(p * np.log(p)).sum())

    joint, rows, columns = entropy(table), entropy(table.sum(1)), entropy(table.sum(0))
    homogeneity = 1.0 if rows == 0 else 1.0 - (joint - columns) / rows
    completeness = 1.0 if columns == 0 else 1.0 - (joint - rows) / columns
    total = homogeneity + completeness
    return 0.0 if total == 0 else 2.0 * homogeneity * completeness / total


def adjusted_rand(table: NDArray[np.float64]) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985)."""

    def pairs(x: NDArray[np.float64]) -> float:
        return float((x * (x - 1.0) / 2.0).sum())

    same, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    by_chance = rows * columns / max(pairs(table.sum(keepdims=True)), 1.0)
    most = (rows + columns) / 2.0
    return 1.0 if most == by_chance else (same - by_chance) / (most - by_chance)


@dataclass(slots=True)
class Score:
    """What one way of grouping made of the faults; sums over runs add up."""

    faults: int = 0
    own: int = 0
    merged: int = 0
    duplicates: int = 0
    false: int = 0
    stories: int = 0
    messages: int = 0
    days: float = 0.0
    delays: list[float] = field(default_factory=list)
    top: Counter[int] = field(default_factory=Counter)
    floor: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    v: list[float] = field(default_factory=list)
    rand: list[float] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)
    departures: tuple[int, int] = (0, 0)  # all, those of one fault alone

    def add(self, other: Score) -> None:
        """Add another run."""
        for name in ("faults", "own", "merged", "duplicates", "false", "stories", "messages"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.days += other.days
        self.delays += other.delays
        self.v += other.v
        self.rand += other.rand
        self.top.update(other.top)
        self.missed.update(other.missed)
        every, known = self.departures
        self.departures = every + other.departures[0], known + other.departures[1]
        for k, value in other.floor.items():
            self.floor[k] += value

    def row(self, name: str) -> str:
        """Return one line of the table."""
        n, own = max(self.faults, 1), max(self.own, 1)
        p50, p90 = np.percentile(self.delays or [np.nan], [50, 90])
        tops = " / ".join(f"{self.top[k] / own:.2f}" for k in TOP)
        chance = " / ".join(f"{self.floor[k] / own:.2f}" for k in TOP)
        half = 1.96 * np.sqrt(self.own / n * (1 - self.own / n) / n)
        return (
            f"| {name} | {self.faults} | {self.own / n:.3f} ± {half:.3f} | {p50:.0f} / {p90:.0f} "
            f"| {self.false / self.days:.2f} | {self.duplicates / own:.3f} | {self.merged / n:.3f} "
            f"| {np.mean(self.v):.2f} | {np.mean(self.rand):.2f} | {self.messages / own:.1f} "
            f"| {tops} | {chance} |"
        )


HEAD = """| rule | faults | own incident | s to it p50 / p90 | false a day | duplicates a fault \
| merged | V | ARI | messages a fault | top 1 / 3 / 5 | at random |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def score(
    truth: Truth,
    departures: Iterable[Departure],
    told: dict[str, Told],
    days: float,
    *,
    group: Key,
    story: Key,
) -> Score:
    """Hold groups against the truth.

    A told incident is of the fault that most of its departures are of, among those that are of one
    fault alone and began before people had the first message or three minutes after, and was told
    while that lasted or shortly after. A fault without one is merged
    when another's incident holds its departures. An incident is false when none of its departures
    can be of any fault and its entities are
    touched by none when it is told.
    """
    every = list(departures)
    known = [d for d in every if len(d.of) == 1]
    members: dict[str, list[Departure]] = {}
    for d in every:
        members.setdefault(group(d), []).append(d)
    found = Score(faults=len(truth.faults), days=days)
    by_fault: dict[int, list[Told]] = {}
    holds: set[int] = set()
    for key, one in sorted(told.items(), key=lambda item: (item[1].at, item[0])):
        inside = members.get(key, [])
        fault = _owner(truth, [d for d in inside if d.at <= one.at + SETTLE], one.at)
        if fault is not None:
            by_fault.setdefault(fault, []).append(one)
        elif not any(d.of for d in inside) and not any(truth.of(e, one.at) for e in one.about):
            found.false += 1
        elif not inside:
            # What goes on was told before: nothing new is in it.
            found.duplicates += 1
        holds.update(i for d in inside for i in d.of)
    for i, true in enumerate(truth.faults):
        own = by_fault.get(i)
        if not own:
            found.merged += i in holds
            found.missed[true.kind] += 1
            continue
        first = own[0]
        found.own += 1
        found.stories += len(own)
        found.duplicates += len(own) - 1
        found.messages += sum(t.messages for t in own)
        found.delays.append(max(first.at - true.start, 0.0))
        right = {true.entity} | ({true.change.id} if true.change else set())
        for k in TOP:
            found.top[k] += bool(set(first.suspects[:k]) & right)
            found.floor[k] += min(k / max(first.entities, 1), 1.0)
    if known:
        table = contingency([d.of[0] for d in known], [story(d) for d in known])
        found.v.append(v_measure(table))
        found.rand.append(adjusted_rand(table))
    return found


def _owner(truth: Truth, inside: Sequence[Departure], at: float) -> int | None:
    """Return the fault most of whose departures are inside, as far as it is told in time."""
    counted = Counter(d.of[0] for d in inside if len(d.of) == 1)
    if not counted:
        # Everything may be of several: then of the one all of it may be of, if there is one.
        counted = Counter(i for d in inside for i in d.of)
        if sum(n == len(inside) for n in counted.values()) != 1:
            return None
    most = max(counted.items(), key=lambda item: (item[1], -item[0]))[0]
    true = truth.faults[most]
    return most if true.start - SLACK <= at <= true.end + AFTER else None


def by_label(departures: Iterable[Departure]) -> tuple[dict[str, str], dict[str, Told]]:
    """Group by the service's label, as Alertmanager does; resolved after five quiet minutes."""
    groups: dict[str, str] = {}
    told: dict[str, Told] = {}
    current: dict[str, tuple[str, float, float]] = {}  # of a label: group, last seen, flushed
    for d in sorted(departures, key=lambda d: (d.at, d.id)):
        key, until, flushed = current.get(d.entity, ("", -np.inf, 0.0))
        if d.at > until + RESOLVE_TIMEOUT:
            key, until, flushed = f"{d.entity}@{d.at:.0f}", d.at, d.at + GROUP_WAIT
            told[key] = Told(flushed, [d.entity], 2, about=frozenset([d.entity]))
        elif d.at > flushed:
            flushed += np.ceil((d.at - flushed) / GROUP_INTERVAL) * GROUP_INTERVAL
            told[key].messages += 1
        current[d.entity] = key, max(until, d.last), flushed
        groups[d.id] = key
    return groups, told


def by_window(
    departures: Iterable[Departure], least: int = 3
) -> tuple[dict[str, str], dict[str, Told]]:
    """Group what begins within 60 s of the last; told with the third series, most alerts first."""
    groups: dict[str, str] = {}
    told: dict[str, Told] = {}
    key, last = "", -np.inf
    series: set[str] = set()
    entities: Counter[str] = Counter()
    for d in sorted(departures, key=lambda d: (d.at, d.id)):
        if d.at > last + WINDOW:
            key, series, entities = f"window@{d.at:.0f}", set(), Counter()
        last = d.at
        series.add(d.series)
        entities[d.entity] += 1
        groups[d.id] = key
        if len(series) >= least and key not in told:
            told[key] = Told(d.at, messages=2, about=frozenset(entities))
        if key in told:
            told[key].suspects = [e for e, _ in entities.most_common()]
            told[key].entities = len(entities)
    return groups, told


def compared(truth: Truth, watch: Watch, days: float) -> dict[str, Score]:
    """Score the engine and the baselines on the same departures."""
    found = watch.departures
    ours = score(truth, found, watch.told, days, group=lambda d: d.group, story=lambda d: d.story)
    ours.messages += sum(one.messages for one in watch.storms.values())
    scores = {"aiops": ours}
    others = {
        "label: service": by_label(found),
        "window 60 s, from 3 series": by_window(found),
        "window 60 s, from the first": by_window(found, 1),
    }
    for name, (groups, told) in others.items():
        key = _of(groups)
        scores[name] = score(truth, found, told, days, group=key, story=key)
    return scores


def _of(groups: dict[str, str]) -> Key:
    return lambda d: groups[d.id]
