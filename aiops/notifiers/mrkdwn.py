"""Write a story as Slack reads it, and understand what Slack says; no channel of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from aiops.errors import Rejected, Transient
from aiops.notifiers.wording import Words, cut, missing, offered, words
from aiops.redaction import unmentioned

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer

SECTION = 3000
"""Characters Slack takes in the text of one section."""

TOTAL = 12_000
"""Characters in all: Slack refuses messages from about 13,200 on, whatever their sections."""

FORM = frozenset(
    {"invalid_payload", "invalid_blocks", "msg_blocks_too_long", "invalid_blocks_format"}
)
"""What Slack says when it does not like the blocks, though it would take plain text."""

_FENCE = "```"
_LIMITED = ("ratelimited", "rate_limited")
_PASSING = frozenset(
    {
        "fatal_error",
        "internal_error",
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",
    }
)
_REASONS = {
    "account_inactive": "auth",
    "channel_not_found": "gone",
    "invalid_auth": "auth",
    "is_archived": "gone",
    "missing_scope": "auth",
    "not_authed": "auth",
    "not_in_channel": "gone",
    "token_expired": "auth",
    "token_revoked": "auth",
}


def message(notification: Notification) -> dict[str, Any]:
    """Return the payload: blocks within Slack's limits, and a text for what shows no blocks."""
    told = words(notification)
    head = headline(told, SECTION - 2)
    link = _linked("Open the incident", notification.link) if notification.link else ""
    offers = offered(notification, _linked, SECTION)
    room = TOTAL - len(head) - len(link) - len(offers)
    sections = [f"*{head}*", *_fenced(told, room), link, offers]
    return {
        "text": "\n".join([head, *_fenced(told, SECTION)[:1]]),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
            for text in sections
            if text
        ],
        # A link in a log line must not be visited because somebody was told of it.
        "unfurl_links": False,
        "unfurl_media": False,
    }


def headline(told: Words, room: int) -> str:
    """Return mark and headline on one line, in which nothing is markup."""
    text = f"{told.mark} {told.head}"
    for markup, instead in (("*", "\u2217"), ("`", "'"), ("~", "\u223c")):
        text = text.replace(markup, instead)
    return cut(text, room, escape=escaped)


def escaped(text: str) -> str:
    """Return the text with no mention, link or entity in it."""
    text = unmentioned(text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def verdict(answer: Answer) -> str:
    """Return Slack's one-word verdict, empty when it said nothing we know the form of."""
    text = answer.body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            found = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return ""
        if found.get("ok", found.get("success", True)) is not False:
            return "ok"
        text = str(found.get("error", "error"))
    if text.startswith("<"):
        return "html_page"
    return text if re.fullmatch(r"[a-z][a-z_]{1,60}", text) else ""


def heed(name: str, answer: Answer) -> None:
    """Raise what the verdict of a 200 asks for; a no in its body is a no."""
    word = verdict(answer)
    if word in ("", "ok"):
        return
    text = f'notifier "{name}": the receiver answered 200 but said {word}'
    if word in _LIMITED:
        raise Transient(text, after=answer.after, reason="rate_limited")
    if word in _PASSING:
        raise Transient(text, after=answer.after, reason="server")
    raise Rejected(text, reason=_REASONS.get(word, "rejected"))


def _linked(label: str, link: str) -> str:
    address = link.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E")
    return f"<{address.replace('|', '%7C')}|{label}>"


def _fenced(told: Words, room: int) -> list[str]:
    """Pack lines into preformatted sections; what does not fit is counted."""
    frame = len(f"{_FENCE}\n\n{_FENCE}")
    more = len("\n") + len(missing(99_999))
    sections: list[str] = []
    packed: list[str] = []
    size = frame
    for index, line in enumerate(told.lines):
        text = cut(line.replace(_FENCE, "'''"), SECTION // 2, escape=escaped)
        if len(text) + 1 + more > room - frame:
            packed.append(missing(len(told.lines) - index))
            break
        if size + len(text) + 1 + more > SECTION:
            sections.append("\n".join(packed))
            packed, size = [], frame
            room -= frame
        packed.append(text)
        size += len(text) + 1
        room -= len(text) + 1
    sections.append("\n".join(packed))
    return [f"{_FENCE}\n{text}\n{_FENCE}" for text in sections if text.strip()]
