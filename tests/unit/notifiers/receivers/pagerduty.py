"""PagerDuty's Events API v2."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, Service, refuse

ACTIONS = {"trigger", "acknowledge", "resolve"}
KEY = f"R0{SECRET}"


@dataclass
class Pagerduty(Service):
    """Know incidents by their key, and what was last done to them."""

    incidents: dict[str, list[str]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    changes_down: bool = False

    calls_allowed: ClassVar[int] = 120
    per: ClassVar[float] = 60.0

    def table(self) -> dict[str, Any]:
        return {"routing_key": KEY, "url": self.url}

    def wrong_table(self) -> dict[str, Any]:
        return {"routing_key": "old", "url": self.url}

    def texts(self) -> list[str]:
        return [text.replace(KEY, "") for text in super().texts()]

    def answer(self, call: Call) -> web.Response:
        said = call.said
        if len(call.body) > 512_000:
            raise refuse(413, status="invalid event", message="too large")
        if said["routing_key"] != KEY:
            raise _no("Invalid routing key")
        if call.path == "/v2/change/enqueue":
            if self.changes_down:
                raise refuse(500, status="error")
            self._payload(said["payload"], {"summary", "source", "timestamp"})
            self.changes.append(said["payload"])
        elif call.path == "/v2/enqueue":
            self._event(said)
        else:
            raise refuse(404, status="not found")
        return web.json_response({"status": "success"}, status=202)

    def _event(self, said: dict[str, Any]) -> None:
        action, key = said["event_action"], said["dedup_key"]
        if action not in ACTIONS:
            raise _no("event_action is invalid")
        if not 0 < len(key) <= 255:
            raise _no("dedup_key is invalid")
        if action == "trigger":
            self._payload(said["payload"], {"summary", "source", "severity"})
            if said["payload"]["severity"] not in ("critical", "error", "warning", "info"):
                raise _no("severity is invalid")
        self.incidents.setdefault(key, []).append(action)

    @staticmethod
    def _payload(payload: dict[str, Any], needed: set[str]) -> None:
        missing = [key for key in sorted(needed) if not payload.get(key)]
        if missing:
            raise _no(f"{missing[0]} is missing or blank")
        if len(payload["summary"]) > 1024:
            raise _no("Length of 'payload.summary' cannot exceed 1024")


def _no(why: str) -> Exception:
    return refuse(400, status="invalid event", message="Event object is invalid", errors=[why])
