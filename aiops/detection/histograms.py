"""Turn histograms and summaries into what they say: p50, p99 and mean of what came in between.

Buckets and sums mean nothing alone and are not judged; the count stays, as the rate. A gauge
histogram says what is there now (ages of what waits): its values are taken as they are. Buckets are
cumulative (``le``) or ranges (``vmrange``, the nearest that text has to native histograms, which
travel in protobuf only). Increments are gathered until they are enough for a quantile.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aiops.detection.direction import unit_of
from aiops.detection.table import Table
from aiops.model import Section, Series

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

QUANTILES = (0.5, 0.99)
ENOUGH = 100.0  # observations that a quantile of 99 % needs
FEW = 10.0  # that are enough for the others …
LONGEST = 300.0  # … after so many seconds
_NOW = ("gsum", "gcount")
_LABEL = re.compile(r',?(le|vmrange)="([^"]*)"')
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Families:
    """Say which columns make up the histograms and summaries of a source.

    ``flat`` holds the columns of all buckets, family by family, by their upper edge; ``first``
    and ``last`` are each family's ends in it. Families of ``now`` say what is there at a time and
    not what came in up to it. ``sums`` and ``counts`` are columns, -1 where
    there is none. ``derived`` has mean, p50 and p99 of each family in turn, as far as it has them:
    ``has`` says of each of the three of each family whether it is there.
    """

    rows: NDArray[np.intp]
    flat: NDArray[np.intp]
    bucket_rows: NDArray[np.intp]
    family: NDArray[np.intp]
    bucketed: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    ranges: NDArray[np.bool_]
    now: NDArray[np.bool_]
    sums: NDArray[np.intp]
    counts: NDArray[np.intp]
    derived: tuple[Series, ...]
    has: NDArray[np.bool_]
    raw: frozenset[int]


def counted(series: tuple[Series, ...]) -> tuple[Series, ...]:
    """Return sums and counts as the counters they are, where a page without types has them.

    Beside buckets that count, or beside quantiles, ``_sum`` and ``_count`` are no gauges.
    """
    stems = set()
    for one in series:
        bare, _, labels = one.name.partition("{")
        if one.kind == "counter" and bare.endswith("_bucket"):
            stems.add((one.entity, bare.removesuffix("_bucket")))
        elif 'quantile="' in labels:
            stems.add((one.entity, bare))
    return tuple(replace(one, kind="counter") if _adds_up(one, stems) else one for one in series)


def _adds_up(one: Series, stems: Collection[tuple[str, str]]) -> bool:
    stem, _, end = one.name.partition("{")[0].rpartition("_")
    return end in ("sum", "count") and one.kind == "gauge" and (one.entity, stem) in stems


class Histograms:
    """Remember what came in since each family was last looked at; at most *most* rows each."""

    def __init__(self, most: int = 100_000) -> None:
        self._families = Table(
            most, {"sum": ((), 0.0), "count": ((), 0.0), "since": ((), math.nan)}
        )
        self._buckets = Table(most, {"count": ((), 0.0)})

    def bind(self, series: Sequence[Series], at: float) -> Families:
        """Find the families among the columns of a source."""
        found: dict[tuple[str, str, str], _Family] = {}
        raw = set()
        for i, one in enumerate(series):
            bare, _, labels = one.name.partition("{")
            stem, _, end = bare.rpartition("_")
            if end not in ("bucket", "sum", "count", "gsum", "gcount"):
                continue
            edges = _LABEL.search(labels) if end == "bucket" else None
            if end == "bucket" and edges is not None:
                raw.add(i)
                labels = (labels[: edges.start()] + labels[edges.end() :]).removeprefix(",")
            # A gauge histogram (OpenMetrics) says what is there now: gauges, and gsum, gcount.
            now = one.kind == "gauge"
            if now != (end in _NOW or (now and end == "bucket")) or (
                end == "bucket" and edges is None
            ):
                continue
            labels = "" if labels == "}" else labels
            family = found.setdefault((one.entity, stem, labels), _Family())
            family.take(end, i, edges, now=now)
        every = [(key, f) for key, f in found.items() if f.told]
        raw |= {f.sum for _, f in every if f.sum >= 0 and f.count >= 0}
        return self._bound(series, every, raw, at)

    def _bound(
        self,
        series: Sequence[Series],
        every: Sequence[tuple[tuple[str, str, str], _Family]],
        raw: set[int],
        at: float,
    ) -> Families:
        ids = [f"{entity}/{stem}{{{labels}" for (entity, stem, labels), _ in every]
        rows = self._families.rows_of(ids, at)
        given = rows >= 0
        for n, (_, f) in enumerate(every):
            given[n] &= bool(
                (self._buckets.rows_of([series[i].id for *_, i in f.buckets], at) >= 0).all()
            )
        rows = rows[given]
        kept = [one for one, taken in zip(every, given.tolist(), strict=True) if taken]
        flat, family, lower, upper, ranges = [], [], [], [], []
        derived, has = [], []
        own = {one.id for one in series} if kept else frozenset[str]()
        for n, ((entity, stem, labels), f) in enumerate(kept):
            for high, low, i in sorted(f.buckets):
                flat.append(i)
                family.append(n)
                lower.append(low)
                upper.append(high)
                ranges.append(f.ranges)
            unit = unit_of(stem, series[f.sum].unit if f.sum >= 0 else "")
            # A summary has no buckets, and a page may give by itself what we would derive.
            there = (f.sum >= 0 and f.count >= 0, *(bool(f.buckets) for _ in QUANTILES))
            for one, ours in zip(_derived(entity, stem, labels, unit), there, strict=True):
                has.append(ours and one.id not in own)
                derived += [one] if has[-1] else []
        of = np.array(family, np.intp)
        bucketed, first = np.unique(of, return_index=True)
        last = np.append(first[1:], len(of)) - 1 if len(of) else first
        return Families(
            rows=rows,
            flat=np.array(flat, np.intp),
            bucket_rows=self._buckets.rows_of([series[i].id for i in flat], at),
            family=of,
            bucketed=bucketed,
            first=first,
            last=last,
            lower=np.array(lower, np.float64),
            upper=np.array(upper, np.float64),
            ranges=np.array(ranges, np.bool_),
            now=np.array([f.now for _, f in kept], np.bool_),
            sums=np.array([f.sum for _, f in kept], np.intp),
            counts=np.array([f.count for _, f in kept], np.intp),
            derived=tuple(derived),
            has=np.array(has, np.bool_),
            raw=frozenset(raw),
        )

    def derive(
        self,
        f: Families,
        at: float,
        rates: NDArray[np.float64],
        elapsed: float,
        *,
        restarted: bool = False,
    ) -> NDArray[np.float64]:
        """Return one value per series of ``derived``; NaN while too little came in.

        *restarted* says that some counter of the page began again: a family of which only some
        buckets show it is left out of this scrape.
        """
        if not len(f.rows):
            return np.zeros(0)
        t = self._families
        t["seen_at"][f.rows] = at
        t["since"][f.rows] = np.where(np.isnan(t["since"][f.rows]), at, t["since"][f.rows])
        if f.now.any():
            t["sum"][f.rows[f.now]] = t["count"][f.rows[f.now]] = 0.0
        spans = np.where(f.now, 1.0, elapsed)
        mean = np.full(len(f.rows), np.nan)
        both = (f.sums >= 0) & (f.counts >= 0)
        total = np.zeros(len(f.rows))
        if elapsed > 0.0:
            for name, columns in (("sum", f.sums), ("count", f.counts)):
                came = np.where(both, rates[columns] * spans, 0.0)
                t[name][f.rows] += np.nan_to_num(came)
        total[both] = t["count"][f.rows[both]]
        inside = rates[f.flat] * spans[f.family] if elapsed > 0.0 else None
        per_bucket = self._gather(f, at, inside, restarted=restarted)
        if len(f.bucketed):
            whole = np.maximum.reduceat(per_bucket, f.first)
            total[f.bucketed] = np.maximum(total[f.bucketed], whole)
        waited = at - t["since"][f.rows] >= LONGEST
        due = (total >= ENOUGH) | waited | f.now
        told = due & (total >= FEW)
        with np.errstate(invalid="ignore", divide="ignore"):
            of = told & both & (t["count"][f.rows] > 0.0)
            mean[of] = t["sum"][f.rows[of]] / t["count"][f.rows[of]]
        values = np.stack([mean, *self._quantiles(f, per_bucket, told)], axis=1)
        for name in ("sum", "count"):
            t[name][f.rows[due]] = 0.0
        t["since"][f.rows[due]] = at
        if len(f.flat):
            self._buckets["count"][f.bucket_rows[due[f.family]]] = 0.0
        return np.asarray(values.reshape(-1)[f.has], np.float64)

    def _gather(
        self,
        f: Families,
        at: float,
        came: NDArray[np.float64] | None,
        *,
        restarted: bool,
    ) -> NDArray[np.float64]:
        """Add what came in with this scrape; return cumulative counts by bucket."""
        if not len(f.flat):
            return np.zeros(0)
        b = self._buckets
        b["seen_at"][f.bucket_rows] = at
        if came is not None:
            # Ranges appear as they fill: one that is not there yet brought nothing. Of cumulative
            # ones a missing bucket spoils the rest.
            came = np.where(f.ranges & np.isnan(came), 0.0, came)
            broken = np.isnan(came)
            if restarted:
                within = ~f.ranges[1:] & (f.family[1:] == f.family[:-1])
                broken[1:] |= within & (came[1:] < came[:-1])
            torn = np.logical_or.reduceat(broken, f.first)
            spoiled = np.zeros(len(f.rows), np.bool_)
            spoiled[f.bucketed] = torn
            b["count"][f.bucket_rows] += np.where(spoiled[f.family], 0.0, np.nan_to_num(came))
        counts = b["count"][f.bucket_rows]
        running = np.cumsum(counts)
        before = np.zeros(len(f.rows))
        before[f.bucketed] = running[f.first] - counts[f.first]
        return np.where(f.ranges, running - before[f.family], counts)

    @staticmethod
    def _quantiles(
        f: Families,
        counts: NDArray[np.float64],
        told: NDArray[np.bool_],
    ) -> list[NDArray[np.float64]]:
        """Interpolate inside the bucket that holds each quantile, as Prometheus does."""
        found = [np.full(len(f.rows), np.nan) for _ in QUANTILES]
        if not len(f.flat):
            return found
        size = len(f.flat)
        place = np.arange(size)
        whole = np.zeros(len(f.rows))
        whole[f.bucketed] = np.maximum.reduceat(counts, f.first)
        for q, out in zip(QUANTILES, found, strict=True):
            target = q * whole
            here = np.where(counts >= target[f.family], place, size)
            at = np.minimum(np.minimum.reduceat(here, f.first), f.last)
            open_end = np.isinf(f.upper[at]) & (at > f.first)
            below = np.where(at > f.first, counts[np.maximum(at - 1, 0)], 0.0)
            low = f.lower[at]
            low = np.where(
                np.isnan(low), np.where(at > f.first, f.upper[np.maximum(at - 1, 0)], 0.0), low
            )
            low = np.where((at == f.first) & (f.upper[at] <= 0.0), f.upper[at], low)
            with np.errstate(invalid="ignore", divide="ignore"):
                share = (target[f.bucketed] - below) / (counts[at] - below)
                value = low + np.clip(share, 0.0, 1.0) * (f.upper[at] - low)
            value = np.where(open_end, f.upper[np.maximum(at - 1, 0)], value)
            enough = told[f.bucketed] & (whole[f.bucketed] >= (ENOUGH if q > 0.9 else FEW))
            out[f.bucketed] = np.where(enough & np.isfinite(value), value, np.nan)
        return found

    @property
    def taken(self) -> int:
        """Return how many rows changed hands."""
        return self._families.taken + self._buckets.taken

    def take_refused(self) -> int:
        """Return how many rows were refused since the last call."""
        refused = self._families.refused + self._buckets.refused
        self._families.refused = self._buckets.refused = 0
        return refused

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return what came in and is not told yet."""
        families, sums = self._families.to_state()
        buckets, counts = self._buckets.to_state()
        arrays = {f"family.{k}": v for k, v in sums.items()}
        arrays |= {f"bucket.{k}": v for k, v in counts.items()}
        return Section("histograms", _VERSION, {"families": families, "buckets": buckets}, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version starts cold."""
        if section.version != _VERSION:
            return
        for name, table in (("family", self._families), ("bucket", self._buckets)):
            part = {
                key.removeprefix(f"{name}."): array
                for key, array in section.arrays.items()
                if key.startswith(f"{name}.")
            }
            table.load(section.header["families" if name == "family" else "buckets"], part)


class _Family:
    """Gather the columns of one family."""

    def __init__(self) -> None:
        self.buckets: list[tuple[float, float, int]] = []
        self.sum = self.count = -1
        self.ranges = self.now = False

    def take(self, end: str, i: int, edges: re.Match[str] | None, *, now: bool) -> None:
        self.now = now
        if end in ("sum", "gsum"):
            self.sum = i
        elif end in ("count", "gcount"):
            self.count = i
        elif edges is not None:
            low, _, high = edges[2].rpartition("...")
            try:
                self.buckets.append((float(high), float(low) if low else math.nan, i))
            except ValueError:
                return
            self.ranges = self.ranges or edges[1] == "vmrange"

    @property
    def told(self) -> bool:
        return bool(self.buckets) or (self.sum >= 0 and self.count >= 0)


def _derived(entity: str, stem: str, labels: str, unit: str) -> list[Series]:
    inside = labels.removesuffix("}")
    named = [Series(entity, f"{stem}_mean" + (f"{{{labels}" if labels else ""), "gauge", unit)]
    for q in QUANTILES:
        label = ",".join(part for part in (inside, f'quantile="{q:g}"') if part)
        named.append(Series(entity, f"{stem}{{{label}}}", "gauge", unit))
    return named
