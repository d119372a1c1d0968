"""Remember how incidents ended, and find those that a new one looks like.

A case is a set of tokens, (who, what). Cases are compared by the cosine of their TF-IDF vectors:
what fires in every trouble says little, what fired once before says much. Where people named
causes, a token counts by how much of its coming and going these explain (the ratio of variances
of Fisher's discriminant, shrunk), and each cause with its fix is shown once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.cases import Case, Similar
from aiops.model import Anomaly, Section

MAX_CASES = 1000
MAX_TOKENS = 200  # of one case
SHOWN = 3
ALIKE = 0.2  # cosine: below it two incidents have nothing in common that matters
FAINT = 0.01  # weight of what every case has: alone it still says that they are alike
UNTAUGHT = 0.3  # share of its weight that a token keeps though no named cause explains it
PRIOR = 10.0  # cases of unexplained tokens that every token starts with
_VERSION = 1
_APART = "\t"  # between who and what in a token


def token(anomaly: Anomaly) -> str:
    """Return who shows what: the entity and its template, alert, or metric with the direction."""
    name = anomaly.series.name
    if anomaly.series.kind not in ("log", "alert"):
        departs = anomaly.actual is not None and anomaly.expected is not None
        up = departs and (anomaly.actual or 0.0) >= (anomaly.expected or 0.0)
        name += f" {('up' if up else 'down') if departs else anomaly.kind}"
    return anomaly.entity + _APART + name


def what(of: str) -> str:
    """Return a token's part that is the same on every entity."""
    return of.partition(_APART)[2]


class Memory:
    """Keep the last ``MAX_CASES`` cases; those that people said something about stay longest."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}
        self._with: dict[str, dict[str, None]] = {}  # token → the ids of the cases that have it
        self._told: dict[str, float] | None = None  # token → how telling: a cache

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def cases(self) -> list[Case]:
        """Return all cases, in the order in which they were learned."""
        return list(self._cases.values())

    def get(self, case: str) -> Case | None:
        """Return the case of an incident, ``None`` when there is none."""
        return self._cases.get(case)

    def learn(self, case: Case) -> None:
        """Take a case in, in the place of an older one of the same incident."""
        self.forget(case.id)
        if len(self._cases) >= MAX_CASES:
            known = self._cases.values()
            first = min(known, key=lambda c: (bool(c.fix or c.named or c.verdict), c.at, c.id))
            self.forget(first.id)
        own = set(case.tokens)
        felt = tuple(one for one in case.felt if one in own)
        self._cases[case.id] = replace(case, felt=felt)
        self._told = None
        for one in case.tokens:
            self._with.setdefault(one, {})[case.id] = None

    def forget(self, case: str) -> bool:
        """Drop a case; return whether there was one."""
        gone = self._cases.pop(case, None)
        if gone is None:
            return False
        self._told = None
        for one in gone.tokens:
            places = self._with[one]
            del places[case]
            if not places:
                del self._with[one]
        return True

    def recall(self, tokens: Iterable[str], besides: str = "") -> tuple[Similar, ...]:
        """Return the most similar cases, best first, without the one named *besides*."""
        wanted = sorted(set(tokens))
        weights = [self._weight(one) for one in wanted]
        dots: dict[str, float] = {}
        for one, weight in zip(wanted, weights, strict=True):
            for place in self._with.get(one, ()):
                dots[place] = dots.get(place, 0.0) + weight * weight
        dots.pop(besides, None)
        own = math.sqrt(sum(w * w for w in weights))
        scored = [(dot / (own * self._norm(one)), one) for one, dot in dots.items()]
        scored.sort(key=lambda found: (-found[0], -self._cases[found[1]].at, found[1]))
        shown: list[Similar] = []
        known: set[tuple[str, str]] = set()
        for score, one in scored:
            if score < ALIKE or len(shown) == SHOWN:
                break
            case = self._cases[one]
            label = _label(case)
            if label is None or label not in known:
                shown.append(_similar(score, case))
            if label is not None:
                known.add(label)
        return tuple(shown)

    def _weight(self, one: str) -> float:
        idf = math.log((1 + len(self._cases)) / (1 + len(self._with.get(one, ())))) + FAINT
        if self._told is None:
            self._told = self._telling()
        return idf * (UNTAUGHT + self._told.get(one, 0.0))

    def _telling(self) -> dict[str, float]:
        """Return which share of each token's variance named causes explain, where they do."""
        labels = {one: label for one, case in self._cases.items() if (label := _label(case))}
        sizes = Counter(labels.values())
        taught = sum(size for size in sizes.values() if size > 1)
        if not taught:
            return {}
        told: dict[str, float] = {}
        for one, places in self._with.items():
            share = len(places) / len(self._cases)
            spread = share * (1.0 - share)
            if spread <= 0.0:
                continue
            having = Counter(labels[case] for case in places if case in labels)
            # An unbiased variance within each cause that came back.
            within = math.fsum(
                n * (sizes[of] - n) / (sizes[of] - 1) for of, n in having.items() if n < sizes[of]
            )
            left = (within + PRIOR * spread) / (spread * (taught + PRIOR))
            if left < 1.0:
                told[one] = 1.0 - left
        return told

    def _norm(self, case: str) -> float:
        return math.sqrt(sum(self._weight(one) ** 2 for one in self._cases[case].tokens))

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self, name: str, lessons: object) -> Section:
        """Return all cases, each token's text once, beside the *lessons* (plain values)."""
        words = {one: n for n, one in enumerate(sorted(self._with))}
        known = self._cases.values()
        cases = [msgspec.to_builtins(c) | {"tokens": [], "felt": []} for c in known]
        header = {"cases": cases, "words": list(words), "lessons": lessons}
        flat = [words[one] for c in known for one in c.tokens]
        felt = [one in own for c, own in ((c, set(c.felt)) for c in known) for one in c.tokens]
        arrays: dict[str, NDArray[Any]] = {
            "tokens": np.array(flat, np.int32),
            "felt": np.array(felt, np.uint8),
            "sizes": np.array([len(c.tokens) for c in known], np.int32),
        }
        return Section(name, _VERSION, header, arrays)

    def restore(self, section: Section) -> bool:
        """Take back what ``to_section`` returned; return whether the version is known."""
        if section.version != _VERSION:
            return False
        words: Sequence[str] = section.header["words"]
        flat, sizes, felt = (section.arrays[n].tolist() for n in ("tokens", "sizes", "felt"))
        end = 0
        for saved, size in zip(section.header["cases"], sizes, strict=True):
            begin, end = end, end + size
            tokens = tuple(words[n] for n in flat[begin:end])
            own = tuple(compress(tokens, felt[begin:end]))
            self.learn(msgspec.convert(dict(saved) | {"tokens": tokens, "felt": own}, Case))
        return True


def _label(case: Case) -> tuple[str, str] | None:
    """Return what people said it was, ``None`` when nobody named a cause."""
    return (case.cause, case.fix) if case.named else None


def _similar(score: float, case: Case) -> Similar:
    return Similar(case.id, round(score, 3), case.at, case.title, case.cause, case.fix)
