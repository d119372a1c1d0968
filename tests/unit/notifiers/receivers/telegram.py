"""Telegram's Bot API, as far as a bot that sends and edits needs it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, No, Service, units

BOT = f"/bot42:{SECRET}"
TAGS = {"b", "pre", "a"}


class _Strict(HTMLParser):
    """Take only balanced, known tags, as Telegram does."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS or (attrs and tag != "a"):
            raise ValueError(tag)
        self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            raise ValueError(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass
class Telegram(Service):
    """Know messages by chat and number; say no as JSON with the same status."""

    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    chat: str = "-100"
    moved_to: int = 0

    acts: ClassVar[re.Pattern[str]] = re.compile(r"<(?!/?(b|pre)>|a href=\"|/a>)|@\w")
    calls_allowed: ClassVar[int] = 20
    per: ClassVar[float] = 60.0
    wait: ClassVar[float | None] = 17.0

    def table(self) -> dict[str, Any]:
        return {"chat": "-100", "token": f"42:{SECRET}", "url": self.url}

    def wrong_table(self) -> dict[str, Any]:
        return self.table() | {"token": "42:old"}

    def busy(self) -> web.Response:
        return _no(429, "Too Many Requests: retry after 17", retry_after=17).answer

    def answer(self, call: Call) -> web.Response:
        said = call.said
        if not call.path.startswith(f"{BOT}/"):
            raise _no(401, "Unauthorized")
        if self.moved_to and said["chat_id"] != str(self.moved_to):
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            raise _no(400, text, migrate_to_chat_id=self.moved_to)
        if said["chat_id"] != self.chat and not self.moved_to:
            raise _no(400, "Bad Request: chat not found")
        self._judge(said)
        if call.path == f"{BOT}/sendMessage":
            number = len(self.messages) + 7
        elif call.path == f"{BOT}/editMessageText":
            number = said["message_id"]
            if number not in self.messages:
                raise _no(400, "Bad Request: message to edit not found")
            if self.messages[number]["text"] == said["text"]:
                raise _no(400, "Bad Request: message is not modified: specified new message")
        else:
            raise _no(404, "Not Found")
        self.messages[number] = said
        return web.json_response({"ok": True, "result": {"message_id": number}})

    @staticmethod
    def _judge(said: dict[str, Any]) -> None:
        parser = _Strict()
        try:
            parser.feed(said["text"])
            parser.close()
        except ValueError as e:
            raise _no(400, f"Bad Request: can't parse entities: {e}") from None
        if parser.stack or said["parse_mode"] != "HTML":
            raise _no(400, "Bad Request: can't parse entities")
        if units(html.unescape(parser.text)) > 4096:
            raise _no(400, "Bad Request: message is too long")
        if not parser.text.strip():
            raise _no(400, "Bad Request: message text is empty")
        if said["link_preview_options"] != {"is_disabled": True}:
            raise _no(400, "a link of a log line would be fetched")


def _no(code: int, text: str, **parameters: int) -> No:
    words: dict[str, Any] = {"ok": False, "error_code": code, "description": text}
    if parameters:
        words["parameters"] = parameters
    return No(web.json_response(words, status=code))
