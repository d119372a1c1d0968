"""Write a story for chats that read Markdown, so that nothing in it acts; no channel of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiops.notifiers.wording import Words, colour, cut, fitting, offered, units, words
from aiops.redaction import unmentioned

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiops.model import Notification

HEAD = 250
"""Longest headline, in UTF-16 units: Discord takes 256."""

LINE = 600
"""Longest line of a story, in UTF-16 units."""

_OFFERS = 2000
_FENCE = "```"
_ALIKE = (("*", "\u2217"), ("`", "'"), ("~", "\u223c"), ("|", "\u2223"))
# Links, images and addresses that a chat would fetch a preview of; an invisible space breaks them.
_ACTS = re.compile(r"(<(?=[^\s\u200b])|\](?=[(\[])|:(?=//))")


def disarmed(text: str) -> str:
    """Return the text with no mention, link or emphasis in it, for where no fence can stand."""
    for markup, instead in _ALIKE:
        text = text.replace(markup, instead)
    return _ACTS.sub("\\1\u200b", unmentioned(text))


def literal(text: str) -> str:
    """Return the text as it may stand between two fences."""
    return unmentioned(text.replace(_FENCE, "'''"))


def headline(told: Words) -> str:
    """Return mark and headline on one line, in which nothing is markup."""
    return cut(f"{told.mark} {told.head}", HEAD, escape=disarmed)


def fenced(told: Words, room: int, escape: Callable[[str], str] = literal) -> str:
    """Return the story between two fences within *room* UTF-16 units, empty when there is none."""
    lines = fitting(told, room - len(f"{_FENCE}\n\n{_FENCE}"), widest=LINE, escape=escape)
    return "\n".join([_FENCE, *lines, _FENCE]) if lines else ""


def offers(notification: Notification) -> str:
    """Return a line of links that let a reader act, with the break before it; empty when none."""
    line = offered(notification, _linked, _OFFERS)
    return f"\n{line}" if line else ""


def attached(notification: Notification, room: int) -> dict[str, Any]:
    """Return the payload that Mattermost and Rocket.Chat share, *room* units long at most."""
    told = words(notification)
    head, acts = headline(told), offers(notification)
    attachment: dict[str, Any] = {
        "color": f"#{colour(notification):06X}",
        "text": fenced(told, room - len(head) - len(notification.link) - units(acts)) + acts,
    }
    if notification.link:
        attachment |= {"title": "Open the incident", "title_link": notification.link}
    return {"text": head, "attachments": [attachment]}


def _linked(label: str, address: str) -> str:
    return f"[{label}]({address.replace('(', '%28').replace(')', '%29')})"
