"""Mine log templates online: bounded, deterministic, with ids that survive merges.

A template starts as one masked line (see ``detectors.masking``). Lines of one *skeleton* (the same
delimiters in the same order) are siblings when they differ in a single field. They stay apart
until enough siblings show that the field is a variable: how many is asked depends on what the
values look like (``detectors.template_fields``), so that "Started" and "Paused" are never one
template while two user names soon are. After a merge the old ids forward to the smallest one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.masking import WILD
from detectors.template_fields import (
    Evidence,
    canonical,
    render,
    skeleton_of,
    split_fields,
    split_shown,
    value_places,
)

OTHER = b"<other>"

# Shared, because every cluster names the same few places.
_ONE_PLACE: tuple[tuple[int, ...], ...] = tuple((2 * i,) for i in range(128))

_CHAIN = re.compile(r"<\*>(?:<\*>)+")


@dataclass(frozen=True, slots=True)
class Template:
    """Show one template: ``text`` has ``<*>`` for variable parts, times are epoch seconds."""

    id: str
    text: str
    count: int
    first_seen: float
    last_seen: float
    sample: str


@dataclass(slots=True, eq=False)
class _Cluster:
    """One template in the making; ``seed`` is the smallest masked line that founded it."""

    id: str
    seed: bytes
    fields: tuple[bytes, ...]
    shown: tuple[bytes, ...]
    holes: tuple[int, ...]
    skeleton: bytes
    sample: bytes
    count: int
    first: float
    last: float
    around: tuple[tuple[int, tuple[int, ...]], ...] | None = None

    def canon(self) -> bytes:
        return b"".join(self.fields)

    def siblings(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Return (hash of the words around, places left out): equal hashes make siblings.

        Each word is left out once, and once all values of keys together.
        """
        if self.around is None:
            parts = [hash((i, word)) for i, word in enumerate(self.fields[::2])]
            total = sum(parts)
            around: list[tuple[int, tuple[int, ...]]] = [
                (total - part, _ONE_PLACE[i] if i < len(_ONE_PLACE) else (2 * i,))
                for i, part in enumerate(parts)
            ]
            values = value_places(self.fields)
            if len(values) > 1:
                around.append((total - sum(parts[place // 2] for place in values), values))
            self.around = tuple(around)
        return self.around

    def rest(self) -> tuple[bytes, ...]:
        return _without(self.fields, self.holes)


@dataclass(slots=True, eq=False)
class _Group:
    """All clusters of one skeleton; ``holed`` finds those with holes by what surrounds them."""

    exact: dict[bytes, _Cluster] = field(default_factory=dict)
    holed: dict[tuple[int, ...], dict[tuple[bytes, ...], _Cluster]] = field(default_factory=dict)

    def add(self, cluster: _Cluster) -> None:
        self.exact[cluster.canon()] = cluster
        if cluster.holes:
            self.holed.setdefault(cluster.holes, {})[cluster.rest()] = cluster
            self.holed = dict(sorted(self.holed.items(), key=lambda item: (len(item[0]), item[0])))

    def remove(self, cluster: _Cluster) -> None:
        del self.exact[cluster.canon()]
        if cluster.holes:
            same = self.holed[cluster.holes]
            del same[cluster.rest()]
            if not same:
                del self.holed[cluster.holes]

    def match(self, canon: bytes) -> _Cluster | None:
        found = self.exact.get(canon)
        if found is not None or not self.holed:
            return found
        fields = split_fields(canon)
        for holes, by_rest in self.holed.items():
            found = by_rest.get(_without(fields, holes))
            if found is not None:
                return found
        return None


def _without(fields: tuple[bytes, ...], holes: tuple[int, ...]) -> tuple[bytes, ...]:
    kept = list(fields)
    for hole in holes:
        kept[hole] = WILD
    return tuple(kept)


class TemplateMiner:
    """Learn the templates of one workload, one closed window at a time.

    Parameters
    ----------
    workload
        Name of the workload; part of every id.
    max_templates
        Templates kept; the least recently seen leave at the end of ``learn`` and are counted in
        ``evicted``. What they had counted moves to the template ``<other>``.
    novelty
        Novel masked lines that may be learned at once. Each window gives a sixteenth of it back.
        Lines beyond it count as ``<other>`` and in ``refused``.
    max_cached
        Masked lines whose template is remembered; a full cache is cleared.
    evidence
        How many siblings are asked before a field becomes a variable.

    Notes
    -----
    What ``learn`` leaves behind depends on the set of (line, count) pairs of each window only.
    """

    def __init__(
        self,
        workload: str,
        *,
        max_templates: int = 2000,
        novelty: int = 4000,
        max_cached: int = 65_536,
        evidence: Evidence | None = None,
    ) -> None:
        self.workload = workload
        self.max_templates = max_templates
        self.novelty = novelty
        self.max_cached = max_cached
        self.evidence = evidence or Evidence()
        self.evicted = 0
        self.refused = 0
        self._credit = novelty
        self._clusters: dict[str, _Cluster] = {}
        self._groups: dict[bytes, _Group] = {}
        self._forward: dict[str, str] = {}
        self._known: dict[bytes, _Cluster] = {}
        self._other = self._new(OTHER, ((OTHER,), (OTHER,)), b"", OTHER, 0.0)

    # --- asking ---------------------------------------------------------------------------

    def lookup(self, masked: bytes) -> str | None:
        """Return the id of a masked line's template, ``None`` when nothing learned covers it."""
        cluster = self._known.get(masked) or self._find(masked)
        return None if cluster is None else cluster.id

    def resolve(self, template_id: str) -> str:
        """Return the id that a template has now; ids that never merged are returned as given."""
        while (target := self._forward.get(template_id)) is not None:
            template_id = target
        return template_id

    def first_seen(self, template_id: str) -> float | None:
        """Return when a template was first seen, ``None`` for an unknown id."""
        cluster = self._clusters.get(self.resolve(template_id))
        return None if cluster is None else cluster.first

    def __len__(self) -> int:
        """Return how many templates are known, ``<other>`` left out."""
        return len(self._clusters)

    @property
    def other_id(self) -> str:
        """Id of the template that counts what was refused or evicted."""
        return self._other.id

    def templates(self) -> list[Template]:
        """Return all templates ordered by id; ``<other>`` only when it counted something."""
        clusters = list(self._clusters.values())
        if self._other.count:
            clusters.append(self._other)
        return [_show(cluster) for cluster in sorted(clusters, key=lambda c: c.id)]

    def clear_caches(self) -> None:
        """Forget what is only remembered for speed; no later result changes."""
        self._known.clear()

    # --- learning -------------------------------------------------------------------------

    def learn(
        self,
        masked: Iterable[tuple[bytes, int]],
        at: float,
        samples: Mapping[bytes, bytes] | None = None,
    ) -> dict[bytes, str]:
        """Learn the masked lines of one closed window and return each line's template id.

        Parameters
        ----------
        masked
            (masked line, how often) pairs in any order; a line may come several times.
        at
            End of the window in epoch seconds.
        samples
            A raw line for masked lines, kept as the sample of templates they found.
        """
        found: dict[bytes, _Cluster] = {}
        novel: dict[bytes, int] = {}
        known = self._known
        for line, n in masked:
            cluster = known.get(line)
            if cluster is None and line not in novel:
                cluster = self._recognise(line)
            if cluster is None:
                novel[line] = novel.get(line, 0) + n
            else:
                found[line] = cluster
                self._saw(cluster, n, at)
        self._credit = min(self.novelty, self._credit + max(1, self.novelty // 16))
        merged_into: dict[str, _Cluster] = {}
        if novel:
            touched = self._admit(novel, at, samples or {}, found)
            for skeleton in sorted(touched):
                self._generalise(self._groups[skeleton], touched[skeleton], merged_into)
        self._evict()
        ids: dict[bytes, str] = {}
        for line, cluster in found.items():
            here = self.resolve(cluster.id) if merged_into else cluster.id
            ids[line] = here if here in self._clusters else self._other.id
        return ids

    def _saw(self, cluster: _Cluster, n: int, at: float) -> None:
        if not cluster.count:
            cluster.first = at
        cluster.count += n
        cluster.first = min(cluster.first, at)
        cluster.last = max(cluster.last, at)

    def _find(self, line: bytes) -> _Cluster | None:
        canon = canonical(line)
        group = self._groups.get(skeleton_of(canon))
        return None if group is None else group.match(canon)

    def _recognise(self, line: bytes) -> _Cluster | None:
        """Find a line's cluster for learning: what the template shows must fit the line too."""
        cluster = self._find(line)
        if cluster is not None:
            if cluster.shown != cluster.fields:
                cluster.shown = _common(cluster.shown, split_shown(line))
            self._remember(line, cluster)
        return cluster

    def _remember(self, line: bytes, cluster: _Cluster) -> None:
        if len(self._known) >= self.max_cached:
            self._known.clear()
        self._known[line] = cluster

    def _admit(
        self,
        novel: dict[bytes, int],
        at: float,
        samples: Mapping[bytes, bytes],
        found: dict[bytes, _Cluster],
    ) -> dict[bytes, list[_Cluster]]:
        """Found clusters for novel lines, the frequent ones first, as far as the credit goes."""
        lines = sorted(novel)
        if len(lines) > self._credit:
            by_count = sorted(lines, key=lambda line: (-novel[line], line))
            refused = by_count[self._credit :]
            lines = sorted(by_count[: self._credit])
            self.refused += len(refused)
            for line in refused:
                found[line] = self._other
                self._saw(self._other, novel[line], at)
        touched: dict[bytes, list[_Cluster]] = {}
        for line in lines:
            canon, shown = canonical(line), split_shown(line)
            skeleton = skeleton_of(canon)
            group = self._groups.setdefault(skeleton, _Group())
            cluster = group.exact.get(canon)
            if cluster is None:
                self._credit -= 1
                sample = samples.get(line, line)
                cluster = self._new(line, (split_fields(canon), shown), skeleton, sample, at)
                self._clusters[cluster.id] = cluster
                self._forward.pop(cluster.id, None)
                group.add(cluster)
                touched.setdefault(skeleton, []).append(cluster)
            elif shown != cluster.shown:
                cluster.shown = _common(cluster.shown, shown)
            self._saw(cluster, novel[line], at)
            found[line] = cluster
            self._remember(line, cluster)
        return touched

    def _new(
        self,
        seed: bytes,
        split: tuple[tuple[bytes, ...], tuple[bytes, ...]],
        skeleton: bytes,
        sample: bytes,
        at: float,
    ) -> _Cluster:
        digest = blake2b(self.workload.encode() + b"\0" + seed).hexdigest()[:12]
        return _Cluster(digest, seed, *split, (), skeleton, sample, 0, at, at)

    def _generalise(
        self, group: _Group, changed: list[_Cluster], merged_into: dict[str, _Cluster]
    ) -> None:
        """Merge siblings of the changed clusters until no field has enough of them."""
        while changed and len(group.exact) > 1:
            merges = self._siblings(group, changed)
            gone: set[str] = set()
            changed = []
            for _, places, members in merges:
                if not any(member.id in gone for member in members):
                    gone.update(member.id for member in members)
                    changed.append(self._merge(group, members, places, merged_into))
        if merged_into:
            self._known.clear()

    def _siblings(
        self, group: _Group, changed: list[_Cluster]
    ) -> list[tuple[tuple[int, int, tuple[int, ...], bytes], tuple[int, ...], list[_Cluster]]]:
        """Find clusters that differ in one field or in values of keys only, best evidence first."""
        wanted: dict[int, tuple[tuple[int, ...], list[_Cluster]]] = {}
        for cluster in changed:
            for key, places in cluster.siblings():
                wanted[key] = (places, [])
        for cluster in group.exact.values():
            for key, _ in cluster.siblings():
                found = wanted.get(key)
                if found is not None:
                    found[1].append(cluster)
        merges = []
        for places, bucket in wanted.values():
            if len(bucket) < 2:
                continue
            members = sorted(bucket, key=lambda c: c.seed)
            around = _without(members[0].fields, places)
            members = [m for m in members if _without(m.fields, places) == around]
            values = {place: {m.fields[place] for m in members} for place in places}
            differing = tuple(place for place in places if len(values[place]) > 1)
            seen = min((len(values[place]) for place in differing), default=0)
            if len(places) == 1:
                enough = seen >= self.evidence.needed(around, places[0], values[places[0]])
            else:
                enough = bool(differing) and all(
                    len(members) >= self.evidence.needed(around, place, values[place])
                    for place in differing
                )
            if enough:
                rank = (len(places), -len(members), differing, members[0].seed)
                merges.append((rank, differing, members))
        merges.sort(key=lambda merge: merge[0])
        return merges

    def _merge(
        self,
        group: _Group,
        members: list[_Cluster],
        places: tuple[int, ...],
        merged_into: dict[str, _Cluster],
    ) -> _Cluster:
        keep = members[0]
        for member in members:
            group.remove(member)
        keep.fields = _without(keep.fields, places)
        keep.around = None
        keep.holes = tuple(sorted(set(places).union(*(m.holes for m in members))))
        for member in members[1:]:
            keep.shown = _common(keep.shown, member.shown)
            keep.count += member.count
            keep.first = min(keep.first, member.first)
            keep.last = max(keep.last, member.last)
            del self._clusters[member.id]
            self._forward[member.id] = keep.id
            merged_into[member.id] = keep
        while len(self._forward) > 4 * self.max_templates:
            del self._forward[next(iter(self._forward))]
        group.add(keep)
        return keep

    def _evict(self) -> None:
        surplus = len(self._clusters) - self.max_templates
        if surplus <= 0:
            return
        oldest = sorted(self._clusters.values(), key=lambda c: (c.last, c.count, c.seed))
        for cluster in oldest[:surplus]:
            group = self._groups[cluster.skeleton]
            group.remove(cluster)
            if not group.exact:
                del self._groups[cluster.skeleton]
            del self._clusters[cluster.id]
            if not self._other.count:
                self._other.first = cluster.first
            self._other.count += cluster.count
            self._other.first = min(self._other.first, cluster.first)
            self._other.last = max(self._other.last, cluster.last)
        self.evicted += surplus
        self._known.clear()

    # --- state ----------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values and arrays from which ``from_state`` restores exactly this miner."""
        clusters = [self._other, *(self._clusters[k] for k in sorted(self._clusters))]
        header: dict[str, Any] = {
            "workload": self.workload,
            "max_templates": self.max_templates,
            "novelty": self.novelty,
            "evicted": self.evicted,
            "refused": self.refused,
            "credit": self._credit,
            "forward": [list(pair) for pair in self._forward.items()],
            "clusters": [
                [c.seed, list(c.fields), list(c.shown), list(c.holes), c.skeleton, c.sample]
                for c in clusters
            ],
        }
        arrays: dict[str, NDArray[Any]] = {
            "count": np.array([c.count for c in clusters], dtype=np.int64),
            "first": np.array([c.first for c in clusters], dtype=np.float64),
            "last": np.array([c.last for c in clusters], dtype=np.float64),
        }
        return header, arrays

    @classmethod
    def from_state(
        cls,
        header: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        *,
        max_templates: int | None = None,
        max_cached: int = 65_536,
        evidence: Evidence | None = None,
    ) -> TemplateMiner:
        """Restore a miner from ``to_state``; raises ``ValueError`` or ``KeyError`` on damage."""
        miner = cls(
            header["workload"],
            max_templates=header["max_templates"] if max_templates is None else max_templates,
            novelty=header["novelty"],
            max_cached=max_cached,
            evidence=evidence,
        )
        miner.evicted = header["evicted"]
        miner.refused = header["refused"]
        miner._credit = header["credit"]
        miner._forward = dict(header["forward"])
        rows = zip(
            header["clusters"],
            arrays["count"].tolist(),
            arrays["first"].tolist(),
            arrays["last"].tolist(),
            strict=True,
        )
        for i, ((seed, fields, shown, holes, skeleton, sample), count, first, last) in enumerate(
            rows
        ):
            cluster = miner._new(seed, (tuple(fields), tuple(shown)), skeleton, sample, first)
            cluster.holes = tuple(holes)
            cluster.count, cluster.last = count, last
            if i == 0:
                miner._other = cluster
                continue
            miner._clusters[cluster.id] = cluster
            miner._groups.setdefault(skeleton, _Group()).add(cluster)
        return miner


def _common(one: tuple[bytes, ...], two: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(a if a == b else WILD for a, b in zip(one, two, strict=True))


def _show(cluster: _Cluster) -> Template:
    shown = _without(cluster.shown, cluster.holes)
    return Template(
        id=cluster.id,
        text=_CHAIN.sub("<*>", render(shown).decode("utf-8", "replace")),
        count=cluster.count,
        first_seen=cluster.first,
        last_seen=cluster.last,
        sample=cluster.sample.decode("utf-8", "replace"),
    )
