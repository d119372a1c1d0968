"""The nouns of memory: how an incident ended, and which ended one a new one looks like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One incident that ended: what was seen where, what it was, what helped.

    ``tokens`` is its signature, sorted: who showed what. ``felt`` are those of them that somebody
    felt: the pattern that people judge. ``cause`` is the first suspect unless a person named
    another (``named``). ``at`` is when it opened, ``lasted`` for how many seconds, ``answered``
    after how many a person took it (``None``: nobody did). ``severity`` is the incident's, 1 to 4.
    """

    id: str
    at: float
    lasted: float
    title: str
    tokens: tuple[str, ...]
    felt: tuple[str, ...] = ()
    cause: str = ""
    named: bool = False
    fix: str = ""
    verdict: str = ""
    answered: float | None = None
    severity: int = 2


@dataclass(frozen=True, slots=True)
class Similar:
    """Point to a past incident: how alike it is, 0 to 1, what caused it and what helped."""

    id: str
    score: float
    at: float = 0.0
    title: str = ""
    cause: str = ""
    fix: str = ""
