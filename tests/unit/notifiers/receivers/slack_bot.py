"""Slack's Web API, as far as a bot that posts and edits needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, No, Service

CHANNEL = "C0AIOPS"


@dataclass
class SlackBot(Service):
    """Say no with 200 and ``ok: false``; know messages by channel and stamp."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    replies: list[dict[str, Any]] = field(default_factory=list)

    acts: ClassVar[re.Pattern[str]] = re.compile(r"<(?!https?://)|@\w|&(?!amp;|lt;|gt;)")

    def table(self) -> dict[str, Any]:
        return {"channel": "#ops", "token": f"xoxb-{SECRET}", "url": f"{self.url}/api"}

    def wrong_table(self) -> dict[str, Any]:
        return self.table() | {"token": "xoxb-old"}

    def busy(self) -> web.Response:
        words = {"ok": False, "error": "ratelimited"}
        return web.json_response(words, status=429, headers={"Retry-After": "30"})

    def answer(self, call: Call) -> web.Response:
        said = call.said
        if call.headers.get("Authorization") != f"Bearer xoxb-{SECRET}":
            raise _no("invalid_auth")
        self._judge(said)
        if call.path == "/api/chat.update":
            if said["channel"] != CHANNEL or said["ts"] not in self.messages:
                raise _no("message_not_found")
            self.messages[said["ts"]] = said
            stamp = said["ts"]
        elif call.path == "/api/chat.postMessage":
            if said["channel"] not in ("#ops", CHANNEL):
                raise _no("channel_not_found")
            stamp = f"1767225600.{len(self.messages) + len(self.replies) + 1:06d}"
            if "thread_ts" not in said:
                self.messages[stamp] = said
            elif said["thread_ts"] in self.messages:
                self.replies.append(said)
            else:
                raise _no("thread_not_found")
        else:
            raise _no("unknown_method")
        return web.json_response({"ok": True, "channel": CHANNEL, "ts": stamp})

    def crowded(self, call: Call) -> bool:
        if call.path == "/api/chat.update":
            return self.too_many("edit", 50, 60.0)
        return self.too_many("post", 1, 1.0)

    def _judge(self, said: dict[str, Any]) -> None:
        blocks = said.get("blocks", [])
        texts = [block["text"]["text"] for block in blocks]
        if not said.get("text"):
            raise _no("no_text")
        if len(said["text"]) > 40_000:
            raise _no("msg_too_long")
        if len(blocks) > 50 or any(not 0 < len(text) <= 3000 for text in texts):
            raise _no("invalid_blocks")
        if sum(map(len, texts)) > 13_200:
            raise _no("msg_blocks_too_long")


def _no(error: str) -> No:
    return No(web.json_response({"ok": False, "error": error}))
