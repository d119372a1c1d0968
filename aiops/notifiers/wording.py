"""Cut and mark a story for a channel; how it is escaped is the channel's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops.model import Severity, State, TransitionKind
from aiops.redaction import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiops.model import Notification

MARKS = {
    Severity.CRITICAL: "\N{LARGE RED CIRCLE}",
    Severity.ERROR: "\N{LARGE ORANGE CIRCLE}",
    Severity.WARNING: "\N{LARGE YELLOW CIRCLE}",
    Severity.INFO: "\N{LARGE BLUE CIRCLE}",
}
OVER = "\N{LARGE GREEN CIRCLE}"
_COLOURS = {
    Severity.CRITICAL: 0xD92D20,
    Severity.ERROR: 0xF79009,
    Severity.WARNING: 0xFAC515,
    Severity.INFO: 0x2E90FA,
}
_OVER_COLOUR = 0x12B76A
_MOST = 99_999


@dataclass(frozen=True, slots=True)
class Words:
    """Hold what a channel shows of a notification: harmless text, not yet escaped.

    ``more`` is where the rest is found when not all of it fits.
    """

    mark: str
    head: str
    lines: tuple[str, ...]
    more: str


def words(notification: Notification) -> Words:
    """Take a story apart; its first line is the headline where it holds the title."""
    lines = harmless(notification.body, lines=True).split("\n")
    head = harmless(notification.title)
    # A story begins with its title and the state before it: say that once.
    if head and head in lines[0]:
        head, lines = lines[0], lines[1:]
    incident = notification.transition.incident
    shown = [line for line in lines if line.strip()]
    more = notification.link or f"aiops incidents show {harmless(incident.id)}"
    return Words(mark(notification), head or "incident", tuple(shown), more)


def over(notification: Notification) -> bool:
    """Say whether this ends the incident's story."""
    kind, incident = notification.transition.kind, notification.transition.incident
    ended = incident.state in (State.RESOLVED, State.CLOSED)
    return ended or kind in (TransitionKind.RESOLVED, TransitionKind.MERGED)


def worse(notification: Notification) -> bool:
    """Say whether somebody must look again, though they have seen the incident."""
    return notification.transition.kind in (TransitionKind.ESCALATED, TransitionKind.REOPENED)


def mark(notification: Notification) -> str:
    """Return a coloured circle: the severity, or green when it is over."""
    return OVER if over(notification) else MARKS[notification.transition.incident.severity]


def colour(notification: Notification) -> int:
    """Return the same as 0xRRGGBB."""
    if over(notification):
        return _OVER_COLOUR
    return _COLOURS[notification.transition.incident.severity]


def offered(
    notification: Notification,
    write: Callable[[str, str], str],
    room: int,
    *,
    between: str = " \N{MIDDLE DOT} ",
) -> str:
    """Return the links that let a reader act, each written as *write* (label, address) does.

    All of them or, where they take more than *room* UTF-16 units, none: the message comes first.
    """
    line = between.join(write(offer.label, offer.url) for offer in notification.offers)
    return line if units(line) <= room else ""


# --- sizes ----------------------------------------------------------------------------------


def units(text: str) -> int:
    """Count UTF-16 units: what JavaScript, and with it most chats, calls a character."""
    return len(text) + sum(char > "\uffff" for char in text)


def octets(text: str) -> int:
    """Count bytes in UTF-8."""
    return len(text.encode("utf-8", "replace"))


def same(text: str) -> str:
    """Escape nothing."""
    return text


def cut(
    text: str,
    room: int,
    *,
    escape: Callable[[str], str] = same,
    size: Callable[[str], int] = units,
) -> str:
    """Return *text* escaped, its end replaced by an ellipsis where it is larger than *room*.

    Cut before escaping: half an entity would be shown as it stands.
    """
    whole = escape(text)
    if size(whole) <= room:
        return whole
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(escape(text[:middle]) + "…") <= room:
            low = middle
        else:
            high = middle - 1
    return escape(text[:low]) + "…"


def fitting(
    told: Words,
    room: int,
    *,
    widest: int = 1000,
    escape: Callable[[str], str] = same,
    size: Callable[[str], int] = units,
) -> list[str]:
    """Return the story's lines, escaped, that fit into *room* with a newline between them.

    No line is larger than *widest*. When lines are missing, the last one counts them and says
    where they are.
    """
    shown: list[str] = []
    left = room
    for index, line in enumerate(told.lines):
        text = cut(line, widest, escape=escape, size=size)
        need = size(text) + 1
        last = index == len(told.lines) - 1
        if need > left - (0 if last else size(escape(_missing(_MOST, told.more))) + 1):
            rest = _missing(len(told.lines) - index, told.more)
            return [*shown, cut(rest, max(left, 1), escape=escape, size=size)]
        shown.append(text)
        left -= need
    return shown


def missing(count: int) -> str:
    """Say how many lines are left out."""
    return f"… +{count} more line" + "s" * (count != 1)


def _missing(count: int, where: str) -> str:
    return f"{missing(count)}: {where}"
