"""Keep one Telegram message an incident up to date through a bot."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr

from aiops.config import Duration, read_secret
from aiops.errors import ConfigError
from aiops.notifiers.post import Key, Poster, Url, said, told_to_wait, under
from aiops.notifiers.wording import cut, fitting, offered, over, units, words, worse
from aiops.redaction import harmless, unmentioned

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer

_API = SecretStr("https://api.telegram.org")

TEXT = 4096
"""UTF-16 units Telegram takes in a message; ours counts the markup too and stays below."""

_HEAD = 500
_OFFERS = 2000
_RECEIPT = re.compile(r"(-?[0-9]{1,20}|@\w{1,64})/([0-9]{1,20})", re.ASCII)
# Why an edit is hopeless; whether the chat takes anything at all is seen when it is told anew.
_LOST = (
    "chat not found",
    "forbidden",
    "message can't be edited",
    "message to edit not found",
    "message_id_invalid",
)
_UNCHANGED = "message is not modified"


@dataclass(kw_only=True)
class TelegramNotifier:
    """Send each incident as one message of a bot and edit it in place.

    An edit rings no bell: that an incident got worse or came back is said in a reply, that it is
    over in a reply that rings none. When the group moved to a new id, the message follows it.
    """

    chat: Annotated[str, Field(pattern=r"^(-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64})$")]
    """The id of the chat (`"-1001234567890"`), or `@name` of a public channel."""
    token: Key | None = None
    """The bot's token; `token_file` is the better place."""
    token_file: str | None = None
    """The same from a file."""
    name: str = "telegram"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 0.16
    """Messages a second at most: a bot may say 20 things a minute in a group, a change is two."""
    url: Url = _API
    """Where the Bot API is."""
    _base: SecretStr = field(init=False, repr=False)
    _chat: str = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.telegram "{self.name}"'
        token = (read_secret(self.token, self.token_file, f"{where}.token_file") or "").strip()
        if not re.fullmatch(r"[\w:-]+", token):
            raise ConfigError([f"{where}.token: missing or no token; set token or token_file"])
        self._base = under(self.url, f"/bot{token}")
        self._chat = self.chat
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> str | None:
        """Send, or edit and reply; return chat and id of a new message."""
        known = _RECEIPT.fullmatch(notification.receipt)
        text = message(notification)
        if known is None:
            return await self._post({"text": text})
        chat, number = known[1], int(known[2])
        answer = await self._call("editMessageText", _form(chat, text) | {"message_id": number})
        why = _why(answer).lower()
        if any(word in why for word in _LOST) or _moved(answer):
            return await self._post({"text": text})
        if _UNCHANGED not in why:
            self._judge(answer)
        if worse(notification) or over(notification):
            told = words(notification)
            reply = {"message_id": number, "allow_sending_without_reply": True}
            line = cut(f"{told.mark} {told.head}", _HEAD, escape=escaped)
            await self._post(
                {
                    "text": line,
                    "reply_parameters": reply,
                    "disable_notification": over(notification),
                }
            )
        return None

    async def close(self) -> None:
        await self._poster.close()

    async def _post(self, payload: dict[str, Any]) -> str | None:
        answer = await self._call("sendMessage", _form(self._chat, "") | payload)
        moved = _moved(answer)
        if moved:
            self._chat = moved
            answer = await self._call("sendMessage", _form(self._chat, "") | payload)
        self._judge(answer)
        result = said(answer).get("result")
        number = result.get("message_id") if isinstance(result, dict) else None
        return f"{self._chat}/{number}" if isinstance(number, int) else None

    async def _call(self, method: str, payload: dict[str, Any]) -> Answer:
        return await self._poster.post_json(under(self._base, f"/{method}"), payload)

    def _judge(self, answer: Answer) -> None:
        after = _parameters(answer).get("retry_after")
        self._poster.judge(self._base, told_to_wait(answer, after), _why(answer))


def message(notification: Notification) -> str:
    """Return headline, story and link as Telegram's HTML, within its limit."""
    told = words(notification)
    head = f"<b>{cut(f'{told.mark} {told.head}', _HEAD, escape=escaped)}</b>"
    link = ""
    if notification.link:
        link = f"\n{_linked('Open the incident', notification.link)}"
    acts = offered(notification, _linked, _OFFERS)
    link += f"\n{acts}" if acts else ""
    room = TEXT - units(head) - units(link) - len("\n<pre></pre>")
    lines = fitting(told, room, escape=escaped)
    return head + (f"\n<pre>{chr(10).join(lines)}</pre>" if lines else "") + link


def escaped(text: str) -> str:
    """Return the text with no tag, entity or mention in it."""
    return html.escape(unmentioned(text), quote=False)


def _linked(label: str, address: str) -> str:
    return f'<a href="{html.escape(address)}">{label}</a>'


def _form(chat: str, text: str) -> dict[str, Any]:
    return {
        "chat_id": chat,
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def _parameters(answer: Answer) -> dict[str, Any]:
    found = said(answer).get("parameters")
    return found if isinstance(found, dict) else {}


def _moved(answer: Answer) -> str:
    """Return the chat's new id when a group became a supergroup, else an empty text."""
    chat = _parameters(answer).get("migrate_to_chat_id")
    return str(chat) if isinstance(chat, int) else ""


def _why(answer: Answer) -> str:
    return harmless(str(said(answer).get("description", "")))[:200]
