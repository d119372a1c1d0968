"""A webhook is a signed CloudEvent, the same at every try."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from aiops.config import build_component
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import State, TransitionKind
from aiops.notifiers.webhook import WebhookNotifier

if TYPE_CHECKING:
    from pathlib import Path

RAW = b"\x01\x02hunter2\xff key of thirty-two bytes!"
WHSEC = "whsec_" + base64.b64encode(RAW).decode()


def build(**table: object) -> WebhookNotifier:
    return build_component(WebhookNotifier, table, "notifiers.webhook[0]")


def expected(key: bytes, seen: Any) -> str:
    head = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}."
    digest = hmac.new(key, head.encode() + seen.body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


async def test_the_body_is_a_cloud_event(receiver: Any, tell: Any, closing: Any) -> None:
    """The envelope follows CloudEvents 1.0, the data are the incident's JSON and its story."""
    await closing(build(url=receiver.url)).send(tell(TransitionKind.RESOLVED, seq=4))

    [seen] = receiver.seen
    event = json.loads(seen.body)
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": "INC-1-4-ops",
        "source": "/aiops",
        "type": "aiops.incident.resolved",
        "subject": "INC-1",
        "time": "2026-01-01T00:00:30Z",
        "datacontenttype": "application/json",
    }
    assert data["id"] == "INC-1"
    assert data["seq"] == 4
    assert data["suspects"][0]["reasons"] == ["first to fail"]
    assert data["title"] == "payments fail in service cart"
    assert data["link"] == ""
    assert data["story"].startswith("RESOLVED error: payments fail")
    assert seen.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert seen.headers["webhook-id"] == "INC-1-4-ops"
    assert "webhook-signature" not in seen.headers


@pytest.mark.parametrize(("secret", "key"), [(WHSEC, RAW), ("plain text", b"plain")])
async def test_the_signature_can_be_checked(
    receiver: Any, tell: Any, closing: Any, secret: str, key: bytes
) -> None:
    """The signature covers id, time of sending and the raw body; whsec_ means base64."""
    notifier = closing(build(url=receiver.url, secret=secret))
    notifier._now = lambda: 1_800_000_000.9
    await notifier.send(tell())

    [seen] = receiver.seen
    assert seen.headers["webhook-timestamp"] == "1800000000"
    assert seen.headers["webhook-signature"].split()[0] == expected(key, seen)


async def test_two_secrets_sign_side_by_side(
    receiver: Any, tell: Any, closing: Any, tmp_path: Path
) -> None:
    """While a secret is changed, both the old and the new one are accepted."""
    (tmp_path / "hook.key").write_text(f"{WHSEC}\nnew\n", encoding="utf-8")
    notifier = closing(build(url=receiver.url, secret_file=str(tmp_path / "hook.key")))
    await notifier.send(tell())

    [seen] = receiver.seen
    assert seen.headers["webhook-signature"].split() == [
        expected(RAW, seen),
        expected(b"new", seen),
    ]


async def test_a_retry_has_the_same_id_and_body(receiver: Any, tell: Any, closing: Any) -> None:
    """A receiver can drop what it has seen: id and body repeat, only the time is new."""
    receiver.answers.append(web.Response(status=503, headers={"Retry-After": "3"}))
    notifier = closing(build(url=receiver.url))

    with pytest.raises(Transient) as caught:
        await notifier.send(tell())
    await notifier.send(tell())

    first, again = receiver.seen
    assert caught.value.after == 3.0
    assert (first.headers["webhook-id"], first.body) == (again.headers["webhook-id"], again.body)


async def test_a_token_is_sent_as_bearer(receiver: Any, tell: Any, closing: Any) -> None:
    """token becomes an authorization header."""
    await closing(build(url=receiver.url, token="t0ken")).send(tell())

    assert receiver.seen[0].headers["Authorization"] == "Bearer t0ken"


async def test_a_refusal_is_final(receiver: Any, tell: Any, closing: Any) -> None:
    """400 is never tried again."""
    receiver.answers.append(web.Response(status=400))

    with pytest.raises(Rejected):
        await closing(build(url=receiver.url)).send(tell())


async def test_hostile_text_arrives_as_text(receiver: Any, tell: Any, closing: Any) -> None:
    """The JSON holds no secret, no terminal sequence and no bidirectional mark."""
    await closing(build(url=receiver.url)).send(tell(state=State.OPEN))

    text = json.dumps(json.loads(receiver.seen[0].body), ensure_ascii=False)
    assert "hunter2" not in text
    assert "password=<redacted>" in text
    assert "\\\\x1b" not in text
    assert "\u202e" not in text
    assert "owned" not in text


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64", "whsec_???"])
def test_a_broken_secret_is_said_at_the_start(secret: str) -> None:
    """A secret that is not base64 after whsec_ is a configuration error that hides it."""
    with pytest.raises(ConfigError, match="not base64 after whsec_"):
        build(url="http://x", secret=secret)


def test_an_empty_secret_is_not_no_secret() -> None:
    """An empty secret is a mistake: it must not turn signing off."""
    with pytest.raises(ConfigError, match="empty"):
        build(url="http://x", secret="")
