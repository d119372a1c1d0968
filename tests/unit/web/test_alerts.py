"""Alerts of an Alertmanager come in as commands."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.unit.web.conftest import Visit
from tests.unit.web.desk import FakeDesk

PATH = "/api/v1/alertmanager"


def message(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": "4", "groupKey": "{}", "status": "firing", "alerts": list(alerts)} | more


def firing(**labels: str) -> dict[str, Any]:
    return {"status": "firing", "labels": labels, "annotations": {"summary": "it hurts"}}


async def test_every_alert_is_a_command(visit: Visit) -> None:
    """Firing and resolved ones are committed in order, with labels and summary."""
    desk = FakeDesk()
    call = await visit(desk)
    over = firing(alertname="Slow", service="cart") | {"status": "resolved"}
    body = message(firing(alertname="Errors", service="cart"), over, notification_reason="new")

    status, shown, _ = await call.post(PATH, json=body)

    assert (status, shown) == (202, {"alerts": 2})
    assert [c.kind for c in desk.commands] == ["alert", "alert"]
    assert desk.commands[0].args == {
        "status": "firing",
        "title": "it hurts",
        "label.alertname": "Errors",
        "label.service": "cart",
    }
    assert desk.commands[1].args["status"] == "resolved"


async def test_secrets_are_not_stored(visit: Visit) -> None:
    """A label or a summary that holds a secret is committed without it."""
    desk = FakeDesk()
    call = await visit(desk)
    hostile = firing(alertname="Login", password="hunter2hunter2")
    hostile["annotations"]["summary"] = "token=abcdef0123456789 \x1b[31mred"

    await call.post(PATH, json=message(hostile))

    told = str(desk.commands[0].args)
    assert "hunter2" not in told
    assert "abcdef0123456789" not in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"alerts": [{"status": "perhaps", "labels": {}}]}, 400),
        ({"alerts": "no"}, 400),
        ({}, 400),
        ({"alerts": [{"labels": {str(n): "x" for n in range(60)}}]}, 400),
        ({"alerts": [{"labels": {"a": "b"}}] * 501}, 413),
    ],
)
async def test_what_is_wrong_is_refused_whole(visit: Visit, body: Any, status: int) -> None:
    """One clear answer, and nothing of the message is taken."""
    desk = FakeDesk()
    call = await visit(desk)

    answered, shown, _ = await call.post(PATH, json=body)

    assert answered == status
    assert shown["error"]
    assert desk.commands == []


async def test_a_token_keeps_strangers_out(visit: Visit, tmp_path: Path) -> None:
    """With a token set, it comes as a bearer token or as a basic password."""
    secret = tmp_path / "alerts.key"
    secret.write_text("s3cret\n")
    desk = FakeDesk(web={"alerts_token_file": str(secret)})
    call = await visit(desk)
    body = message(firing(alertname="Errors"))

    def basic(password: str) -> str:
        return "Basic " + base64.b64encode(f"am:{password}".encode()).decode()

    given = ["Bearer s3cret", basic("s3cret"), "Bearer other", basic("x"), "Basic ???", ""]
    found = [(await call.post(PATH, json=body, headers={"Authorization": g}))[0] for g in given]

    assert found == [202, 202, 401, 401, 401, 401]
