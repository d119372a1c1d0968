"""Say in words what is odd about a session; the command line and incidents say it alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from detectors.sessions import Oddity

_LONGEST: Final = 100
_HOUR: Final = 3600.0
_MINUTE: Final = 60.0


def tell(oddities: Sequence[Oddity], text_of: Callable[[str], str]) -> str:
    """Return the oddities as one line; *text_of* gives the text of an event."""
    return "; ".join(_one(odd, lambda event: _quoted(text_of(event))) for odd in oddities)


def _one(odd: Oddity, text_of: Callable[[str], str]) -> str:
    if odd.kind in ("long", "short"):
        bound = "at most" if odd.kind == "long" else "at least"
        return f"took {_span(odd.actual or 0.0)} (usually {bound} {_span(odd.usual or 0.0)})"
    if odd.kind == "order":
        return _step(odd, text_of)
    event = text_of(odd.event or "")
    actual, usual = (int(n or 0.0) for n in (odd.actual, odd.usual))
    if odd.kind == "missing":
        return f"without {event}" + (f" (usually {usual})" if usual > 1 else "")
    if odd.kind == "unseen":
        return f"never seen before: {event}" + (f" {actual} times" if actual > 1 else "")
    if odd.kind == "extra":
        return f"rare: {event}" + (f" {actual} times" if actual > 1 else "")
    return f"{actual} times {event} (usually {usual})"


def _step(odd: Oddity, text_of: Callable[[str], str]) -> str:
    here = "ends" if odd.event is None else text_of(odd.event)
    if odd.after is None:
        usual = f" (usually {text_of(odd.instead)})" if odd.instead is not None else ""
        return f"begins with {here}{usual}" if odd.event is not None else "is empty"
    instead = "the end" if odd.instead is None else text_of(odd.instead)
    usual = "" if odd.instead == odd.event else f" (usually {instead})"
    return f"{here} right after {text_of(odd.after)}{usual}"


def _quoted(text: str) -> str:
    return f'"{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"}"'


def _span(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds >= _HOUR:
        return f"{seconds / _HOUR:.3g} h"
    if seconds >= 2 * _MINUTE:
        return f"{seconds / _MINUTE:.3g} min"
    return f"{seconds:.3g} s"
