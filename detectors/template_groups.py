"""Keep the clusters of one skeleton and find which of them are one template."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from operator import attrgetter

from detectors.masking import WILD
from detectors.template_fields import Evidence, render, split_fields, value_places

_BY_AGE = attrgetter("last", "count", "seed")
_CHAIN = re.compile(r"<\*>(?:<\*>)+")
# Shared, because every cluster names the same few places.
_ONE_PLACE: tuple[tuple[int, ...], ...] = tuple((2 * i,) for i in range(128))
_NUMBERS = tuple(i.to_bytes(3) for i in range(128))


@dataclass(slots=True, eq=False)
class Cluster:
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
    joined: bytes | None = None
    around: tuple[tuple[int, tuple[int, ...]], ...] | None = None
    halves: tuple[int, ...] | None = None

    def saw(self, n: int, at: float) -> None:
        """Count *n* more lines."""
        if at < self.first or not self.count:
            self.first = at
        self.count += n
        self.last = max(self.last, at)

    def text(self) -> str:
        """Return what people read: ``<*>`` for every variable part."""
        shown = render(without(self.shown, self.holes))
        return _CHAIN.sub("<*>", shown.decode("utf-8", "replace"))

    def canon(self) -> bytes:
        if self.joined is None:
            self.joined = b"".join(self.fields)
        return self.joined

    def siblings(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Return (hash of the words around, places left out): equal hashes make siblings.

        Each word is left out once, and once all values of keys together.
        """
        if self.around is None:
            # Hashes of tuples are no good here: their sums hardly change when two words change
            # places. The number goes behind the word, and the hash of bytes mixes it in.
            words = self.fields[::2]
            numbers, places = _NUMBERS, _ONE_PLACE
            if len(words) > len(places):
                numbers = tuple(i.to_bytes(3) for i in range(len(words)))
                places = tuple((2 * i,) for i in range(len(words)))
            parts = [hash(word + i) for word, i in zip(words, numbers, strict=False)]
            total = sum(parts)
            around: list[tuple[int, tuple[int, ...]]] = [
                (total - part, place) for part, place in zip(parts, places, strict=False)
            ]
            values = self.values()
            if len(values) > 1:
                around.append((total - sum(parts[place // 2] for place in values), values))
            self.around = tuple(around)
        return self.around

    def values(self) -> tuple[int, ...]:
        return value_places(self.fields) if b"=" in self.skeleton else ()

    def shared(self) -> tuple[int, ...]:
        """Return hashes of both halves of the words, and of all words but the values of keys.

        Of any two siblings at least one is equal: a single word is left out of one half alone.
        """
        if self.halves is None:
            words = self.fields[::2]
            half = len(words) // 2
            # No word holds a blank, and a long text is hashed sooner than many short ones.
            self.halves = hash(b" ".join(words[:half])), hash(b"\0 " + b" ".join(words[half:]))
            values = self.values()
            if len(values) > 1:
                self.halves += (hash((2, without(self.fields, values))),)
        return self.halves

    def punch(self, places: tuple[int, ...], holes: tuple[int, ...]) -> None:
        """Make wildcards of the fields at *places*; *holes* are all of them by now."""
        self.fields = without(self.fields, places)
        self.holes = holes
        self.joined = self.around = self.halves = None

    def rest(self) -> tuple[bytes, ...]:
        return without(self.fields, self.holes)


@dataclass(slots=True, eq=False)
class Group:
    """All clusters of one skeleton.

    ``holed`` finds those with holes by what surrounds them, ``near`` those that may be siblings.
    """

    exact: dict[bytes, Cluster] = field(default_factory=dict)
    holed: dict[tuple[int, ...], dict[tuple[bytes, ...], Cluster]] = field(default_factory=dict)
    near: dict[int, Cluster | set[Cluster]] = field(default_factory=dict)

    def add(self, cluster: Cluster) -> None:
        self.exact[cluster.canon()] = cluster
        for key in cluster.shared():
            there = self.near.setdefault(key, cluster)
            # Most stand alone, and a set costs ten times a reference.
            if isinstance(there, set):
                there.add(cluster)
            elif there is not cluster:
                self.near[key] = {there, cluster}
        if cluster.holes:
            self.holed.setdefault(cluster.holes, {})[cluster.rest()] = cluster
            self.holed = dict(sorted(self.holed.items(), key=lambda item: (len(item[0]), item[0])))

    def remove(self, cluster: Cluster) -> None:
        del self.exact[cluster.canon()]
        for key in cluster.shared():
            there = self.near.get(key)
            if isinstance(there, set) and len(there) > 1:
                there.discard(cluster)
            else:
                self.near.pop(key, None)
        if cluster.holes:
            same = self.holed[cluster.holes]
            del same[cluster.rest()]
            if not same:
                del self.holed[cluster.holes]

    def match(self, canon: bytes, skeleton: bytes) -> Cluster | None:
        found = self.exact.get(canon)
        if found is not None or not self.holed:
            return found
        fields = split_fields(canon, skeleton)
        for holes, by_rest in self.holed.items():
            found = by_rest.get(without(fields, holes))
            if found is not None:
                return found
        return None

    def siblings(
        self, changed: list[Cluster], evidence: Evidence
    ) -> list[tuple[tuple[int, int, tuple[int, ...], bytes], tuple[int, ...], list[Cluster]]]:
        """Find clusters that differ in one field or in values of keys only, best evidence first."""
        close: set[Cluster] = set()
        for cluster in changed:
            for shared in cluster.shared():
                there = self.near[shared]
                if isinstance(there, set):
                    close |= there
        if not close:
            return []
        wanted: dict[int, tuple[tuple[int, ...], list[Cluster]]] = {}
        for cluster in changed:
            if cluster in close:
                for key, places in cluster.siblings():
                    wanted[key] = (places, [])
        for cluster in close:
            for key, _ in cluster.siblings():
                found = wanted.get(key)
                if found is not None:
                    found[1].append(cluster)
        merges = []
        for places, bucket in wanted.values():
            if len(bucket) < 2:
                continue
            members = sorted(bucket, key=lambda c: c.seed)
            around = without(members[0].fields, places)
            members = [m for m in members if without(m.fields, places) == around]
            values = {place: {m.fields[place] for m in members} for place in places}
            differing = tuple(place for place in places if len(values[place]) > 1)
            seen = min((len(values[place]) for place in differing), default=0)
            if len(places) == 1:
                enough = seen >= evidence.needed(around, places[0], values[places[0]])
            else:
                enough = bool(differing) and all(
                    len(members) >= evidence.needed(around, place, values[place])
                    for place in differing
                )
            if enough:
                rank = (len(places), -len(members), differing, members[0].seed)
                merges.append((rank, differing, members))
        merges.sort(key=lambda merge: merge[0])
        return merges


def oldest(clusters: Collection[Cluster], surplus: int) -> list[Cluster]:
    """Return so many clusters, those that were not seen for longest."""
    # Sorting bare times is cheap; only those that may be among them are compared.
    limit = sorted([cluster.last for cluster in clusters])[surplus - 1]
    return sorted([c for c in clusters if c.last <= limit], key=_BY_AGE)[:surplus]


def without(fields: tuple[bytes, ...], holes: tuple[int, ...]) -> tuple[bytes, ...]:
    kept = list(fields)
    for hole in holes:
        kept[hole] = WILD
    return tuple(kept)


def common(one: tuple[bytes, ...], two: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if one == two:
        return one
    return tuple([a if a == b else WILD for a, b in zip(one, two, strict=True)])
