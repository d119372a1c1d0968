"""A real Alertmanager receives, shows, replaces and resolves our alerts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aiops.config import build_component
from aiops.model import Incident, Notification, Severity, State, Transition, TransitionKind
from aiops.notifiers.alertmanager import AlertmanagerNotifier
from tests.real import servers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


async def _end(_: float) -> None:
    raise asyncio.CancelledError


async def test_alertmanager_follows_an_incident(tmp_path: Path) -> None:
    """Opened, escalated, kept and resolved: each time it shows exactly what is true."""
    with servers.alertmanager(tmp_path) as server:
        now = time.time()
        opened = Incident(
            id="INC-1",
            seq=1,
            state=State.OPEN,
            severity=Severity.ERROR,
            title="payments fail",
            opened_at=now - 60,
            updated_at=now,
            entities=("service:cart",),
        )
        worse = replace(opened, seq=2, severity=Severity.CRITICAL)
        over = replace(worse, seq=3, state=State.RESOLVED, resolved_at=now - 5)
        notifier = build_component(AlertmanagerNotifier, {"url": server.url}, "x")

        async def tell(kind: TransitionKind, incident: Incident) -> None:
            transition = Transition(kind, incident, now)
            await notifier.send(Notification("k", "x", transition, incident.title, "the story"))

        def shown() -> list[tuple[str, str]]:
            alerts: list[dict[str, Any]] = server.get_json("/api/v2/alerts")
            return sorted((a["labels"]["alertname"], a["labels"]["severity"]) for a in alerts)

        await tell(TransitionKind.OPENED, opened)
        assert shown() == [("AiopsIncident", "error")]

        await tell(TransitionKind.ESCALATED, worse)
        assert shown() == [("AiopsIncident", "critical")]

        with pytest.raises(asyncio.CancelledError):
            await notifier.keep(_end)
        assert shown() == [("AiopsIncident", "critical"), ("AiopsWatchdog", "none")]

        await tell(TransitionKind.RESOLVED, over)
        assert shown() == [("AiopsWatchdog", "none")]
        await notifier.close()
