"""Post stories to a Slack channel through an incoming webhook."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aiops.config import Duration, Secret, read_secret
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import Severity, State, TransitionKind
from aiops.notifiers.post import Poster, Url, checked_url
from aiops.redaction import harmless, unmentioned

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer

SECTION = 3000
"""Characters Slack takes in the text of one section."""

TOTAL = 12_000
"""Characters in all: Slack refuses messages from about 13,200 on, whatever their sections."""

_FENCE = "```"
_MARKS = {
    Severity.CRITICAL: "\N{LARGE RED CIRCLE}",
    Severity.ERROR: "\N{LARGE ORANGE CIRCLE}",
    Severity.WARNING: "\N{LARGE YELLOW CIRCLE}",
    Severity.INFO: "\N{LARGE BLUE CIRCLE}",
}
_OVER = "\N{LARGE GREEN CIRCLE}"
# What Slack says when it does not like the blocks, though it would take plain text.
_FORM = ("invalid_payload", "invalid_blocks", "msg_blocks_too_long", "invalid_blocks_format")


@dataclass(kw_only=True)
class SlackNotifier:
    """Post each notification as one message: a headline and the story, literally.

    Nothing in a story is read as markup or as a mention. A message whose blocks Slack refuses
    is sent once more as plain text.
    """

    url: Url | None = None
    """The incoming webhook; it is a secret, so `url_file` is the better place."""
    url_file: str | None = None
    """A file that holds the URL."""
    name: str = "slack"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    _url: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.slack "{self.name}"'
        given = read_secret(self.url, self.url_file, f"{where}.url_file")
        if given is None:
            raise ConfigError([f"{where}.url: missing; set url or url_file"])
        self._url = checked_url(given, f"{where}.url_file")
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        full = message(notification)
        answer = await self._post(full)
        if _word(answer) in _FORM:
            answer = await self._post({key: full[key] for key in full if key != "blocks"})
        self._judge(answer)

    async def close(self) -> None:
        await self._poster.close()

    async def _post(self, payload: dict[str, Any]) -> Answer:
        body = msgspec.json.encode(payload)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return await self._poster.post(self._url, body, headers)

    def _judge(self, answer: Answer) -> None:
        word = _word(answer)
        self._poster.judge(self._url, answer, word)
        if word in ("", "ok"):
            return
        # 200 and an error word is how parts of Slack, and what imitates it, say no.
        words = f'notifier "{self.name}": the receiver answered 200 but said {word}'
        if word in ("ratelimited", "rate_limited"):
            raise Transient(words, after=answer.after, reason="rate_limited")
        if word in ("internal_error", "fatal_error", "service_unavailable", "rollup_error"):
            raise Transient(words, after=answer.after, reason="server")
        raise Rejected(words)


def message(notification: Notification) -> dict[str, Any]:
    """Return the payload: blocks within Slack's limits, and a text for what shows no blocks."""
    title, lines = _parts(notification)
    head = _line(f"{_mark(notification)} {title}", SECTION - 2)
    sections = [f"*{head}*", *_fenced(lines, TOTAL - len(head))]
    return {
        "text": "\n".join([head, *_fenced(lines, SECTION)[:1]]),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
            for text in sections
        ],
        # A link in a log line must not be visited because somebody was told of it.
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _parts(notification: Notification) -> tuple[str, list[str]]:
    lines = harmless(notification.body, lines=True).split("\n")
    title = harmless(notification.title)
    # A story begins with its title and the state before it: say that once.
    if title and title in lines[0]:
        title, lines = lines[0], lines[1:]
    for markup, instead in (("*", "\u2217"), ("`", "'"), ("~", "\u223c")):
        title = title.replace(markup, instead)
    return title or "incident", lines


def _mark(notification: Notification) -> str:
    kind, incident = notification.transition.kind, notification.transition.incident
    over = incident.state in (State.RESOLVED, State.CLOSED) or kind is TransitionKind.MERGED
    return _OVER if over else _MARKS[incident.severity]


def _fenced(lines: list[str], room: int) -> list[str]:
    """Pack lines into preformatted sections; what does not fit is counted."""
    frame = len(f"{_FENCE}\n\n{_FENCE}")
    more = len("\n… +99999 more lines")
    sections: list[str] = []
    packed: list[str] = []
    size = frame
    for index, line in enumerate(lines):
        text = _line(line.replace(_FENCE, "'''"), SECTION // 2)
        if len(text) + 1 + more > room - frame:
            packed.append(f"… +{len(lines) - index} more lines")
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


def _line(text: str, width: int) -> str:
    text = unmentioned(text)
    escaped = _escaped(text)
    while len(escaped) > width:
        # Cut before escaping: half an entity would be shown as it stands.
        text = text[: max(0, len(text) - max(1, (len(escaped) - width) // 5) - 1)]
        escaped = _escaped(text) + "…"
    return escaped


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _word(answer: Answer) -> str:
    """Return Slack's one-word verdict, empty when it said nothing we know the form of."""
    text = answer.body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            said = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return ""
        if said.get("ok", said.get("success", True)) is not False:
            return "ok"
        text = str(said.get("error", "error"))
    if text.startswith("<"):
        return "html_page"
    found = re.fullmatch(r"[a-z][a-z_]{1,60}", text)
    return text if found else ""
