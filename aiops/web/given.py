"""What people write into requests: taken plain, bounded, and named when it cannot be taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiops.model import Incident
from aiops.redaction import harmless
from aiops.web.guards import RefusedError

LONGEST: Final = 500

Find = Callable[[str], Awaitable[Incident]]
"""Return the incident with an id, or the one that it begins; raises ``RefusedError``."""

Clock = Callable[[], float]


def text_of(value: str, name: str) -> str:
    """Return a text without anything that acts; raises ``RefusedError`` when it is too long."""
    if len(value) > LONGEST:
        raise RefusedError(400, f"{name}: {len(value)} characters; give at most {LONGEST}")
    return harmless(value).strip()


def needed(value: str, name: str, remedy: str) -> str:
    """Return a text that may not be empty; raises ``RefusedError`` with the *remedy*."""
    text = text_of(value, name)
    if not text:
        raise RefusedError(400, f"{name}: empty; {remedy}")
    return text


def clip(value: str) -> str:
    """Return the beginning of what was given, quoted, for an error that names it."""
    return repr(harmless(value[:80]))
