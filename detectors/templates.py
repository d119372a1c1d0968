"""Mine log templates online: bounded, deterministic, with ids that survive merges.

A template starts as one masked line (see ``detectors.masking``). Lines of one *skeleton* (the same
delimiters in the same order) are siblings when they differ in a single field. They stay apart
until enough siblings show that the field is a variable: how many is asked depends on what the
values look like (``detectors.template_fields``), so that "Started" and "Paused" are never one
template while two user names soon are. After a merge the old ids forward to the smallest one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.template_fields import (
    Evidence,
    canonical,
    outlines,
    skeleton_of,
    split_fields,
    split_shown,
)
from detectors.template_groups import Cluster, Group, common, oldest

OTHER = b"<other>"

_Novel = tuple[int, bytes, bytes]  # how often, canonical form, skeleton


@dataclass(frozen=True, slots=True)
class Template:
    """Show one template: ``text`` has ``<*>`` for variable parts, times are epoch seconds."""

    id: str
    text: str
    count: int
    first_seen: float
    last_seen: float
    sample: str


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
    No template was first seen after ``newest``.
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
        self.newest = -math.inf
        self._credit = novelty
        self._clusters: dict[str, Cluster] = {}
        self._groups: dict[bytes, Group] = {}
        self._forward: dict[str, str] = {}
        self._known: dict[bytes, Cluster] = {}
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
        clusters = [*self._clusters.values(), *([self._other] if self._other.count else [])]
        return [_show(cluster) for cluster in sorted(clusters, key=lambda c: c.id)]

    def counts(self) -> dict[str, int]:
        """Return how many lines every template has counted, by id; ``<other>`` left out."""
        return {key: cluster.count for key, cluster in self._clusters.items()}

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
        found: dict[bytes, Cluster] = {}
        unknown: dict[bytes, int] = {}
        known = self._known
        for line, n in masked:
            cluster = known.get(line)
            if cluster is None:
                unknown[line] = unknown.get(line, 0) + n
            else:
                found[line] = cluster
                cluster.saw(n, at)
        self._credit = min(self.novelty, self._credit + max(1, self.novelty // 16))
        if not unknown and len(self._clusters) <= self.max_templates:
            # Nearly every window: what is remembered is neither merged nor gone.
            return {line: cluster.id for line, cluster in found.items()}
        novel = self._recognise(unknown, at, found)
        merged_into: dict[str, Cluster] = {}
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

    def _find(self, line: bytes) -> Cluster | None:
        canon = canonical(line)
        skeleton = skeleton_of(canon)
        group = self._groups.get(skeleton)
        return None if group is None else group.match(canon, skeleton)

    def _recognise(
        self, unknown: dict[bytes, int], at: float, found: dict[bytes, Cluster]
    ) -> dict[bytes, _Novel]:
        """Find the clusters of lines that are not remembered; return those that have none.

        What a template shows must fit its lines too.
        """
        novel: dict[bytes, _Novel] = {}
        groups = self._groups
        lines = outlines(list(unknown))
        for (line, n), (canon, skeleton) in zip(unknown.items(), lines, strict=True):
            group = groups.get(skeleton)
            if group is None or (
                (cluster := group.exact.get(canon)) is None
                and (not group.holed or (cluster := group.match(canon, skeleton)) is None)
            ):
                novel[line] = (n, canon, skeleton)
                continue
            if cluster.shown != cluster.fields:
                cluster.shown = common(cluster.shown, split_shown(line))
            self._remember(line, cluster)
            found[line] = cluster
            cluster.saw(n, at)
        return novel

    def _remember(self, line: bytes, cluster: Cluster) -> None:
        if len(self._known) >= self.max_cached:
            self._known.clear()
        self._known[line] = cluster

    def _admit(
        self,
        novel: dict[bytes, _Novel],
        at: float,
        samples: Mapping[bytes, bytes],
        found: dict[bytes, Cluster],
    ) -> dict[bytes, list[Cluster]]:
        """Found clusters for novel lines, the frequent ones first, as far as the credit goes."""
        lines = sorted(novel)
        if len(lines) > self._credit:
            counts = {line: n for line, (n, _, _) in novel.items()}
            if len(set(counts.values())) > 1:
                lines.sort(key=counts.__getitem__, reverse=True)
            refused = lines[self._credit :]
            lines = sorted(lines[: self._credit])
            self.refused += len(refused)
            found.update(dict.fromkeys(refused, self._other))
            self._other.saw(sum(map(counts.__getitem__, refused)), at)
        touched: dict[bytes, list[Cluster]] = {}
        for line in lines:
            n, canon, skeleton = novel[line]
            group = self._groups.setdefault(skeleton, Group())
            cluster = group.exact.get(canon)
            if cluster is None:
                self._credit -= 1
                fields = split_fields(canon, skeleton)
                shown = fields if canon == line else split_shown(line)
                sample = samples.get(line, line)
                cluster = self._new(line, (fields, shown), skeleton, sample, at)
                cluster.joined = canon
                self._clusters[cluster.id] = cluster
                self.newest = max(self.newest, at)
                self._forward.pop(cluster.id, None)
                group.add(cluster)
                touched.setdefault(skeleton, []).append(cluster)
            elif canon != line or cluster.shown != cluster.fields:
                cluster.shown = common(cluster.shown, split_shown(line))
            cluster.saw(n, at)
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
    ) -> Cluster:
        digest = blake2b(self.workload.encode() + b"\0" + seed).digest()
        return Cluster(digest[:6].hex(), seed, *split, (), skeleton, sample, 0, at, at)

    def _generalise(
        self, group: Group, changed: list[Cluster], merged_into: dict[str, Cluster]
    ) -> None:
        """Merge siblings of the changed clusters until no field has enough of them."""
        while changed and len(group.exact) > 1:
            merges = group.siblings(changed, self.evidence)
            gone: set[str] = set()
            changed = []
            for _, places, members in merges:
                if not any(member.id in gone for member in members):
                    gone.update(member.id for member in members)
                    changed.append(self._merge(group, members, places, merged_into))
        if merged_into:
            self._known.clear()

    def _merge(
        self,
        group: Group,
        members: list[Cluster],
        places: tuple[int, ...],
        merged_into: dict[str, Cluster],
    ) -> Cluster:
        keep = members[0]
        for member in members:
            group.remove(member)
        holes = set(places).union(*(m.holes for m in members))
        keep.punch(places, tuple(sorted(holes)))
        for member in members[1:]:
            keep.shown = common(keep.shown, member.shown)
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
        for cluster in oldest(self._clusters.values(), surplus):
            group = self._groups[cluster.skeleton]
            group.remove(cluster)
            if not group.exact:
                del self._groups[cluster.skeleton]
            del self._clusters[cluster.id]
            self._other.saw(cluster.count, cluster.first)
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
        columns = [arrays[name].tolist() for name in ("count", "first", "last")]
        rows = zip(header["clusters"], *columns, strict=True)
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
            miner.newest = max(miner.newest, first)
            miner._groups.setdefault(skeleton, Group()).add(cluster)
        return miner


def _show(cluster: Cluster) -> Template:
    return Template(
        id=cluster.id,
        text=cluster.text(),
        count=cluster.count,
        first_seen=cluster.first,
        last_seen=cluster.last,
        sample=cluster.sample.decode("utf-8", "replace"),
    )
