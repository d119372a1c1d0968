"""``aiops notify test``: send one harmless message through a channel."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiops.cli.options import config_option, emit, json_option, note, settings_of

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.protocols import Notifier

WITHIN = 20.0


@click.group(
    epilog="Example: aiops notify test ops -c aiops.toml",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def notify() -> None:
    """Try a notification channel."""


@notify.command("test", epilog="Example: aiops notify test ops -c aiops.toml")
@click.argument("name")
@config_option
@json_option
@click.pass_context
def test(ctx: click.Context, name: str, config: Path | None, as_json: bool) -> None:
    """Send one harmless sample incident through the channel NAME, in the words of its template.

    Exit code 1 when the channel did not take it.
    """
    from aiops.assembly import build
    from aiops.config import did_you_mean
    from aiops.errors import ConfigError

    plan = build(settings_of(config))
    channels = {n.name: n for n in plan.notifiers}
    if name not in channels:
        remedy = did_you_mean(name, list(channels))
        raise ConfigError([f"notifiers: no channel is named {name!r}; {remedy}"])
    message = plan.rendering.reworded(sample(name), _told)
    problem = asyncio.run(_send(channels[name], message))
    if as_json:
        emit({"name": name, "sent": problem is None, "problem": problem})
    if problem is not None:
        note(problem)
        ctx.exit(1)
    if not as_json:
        note(f"{name} took the message")


async def _send(notifier: Notifier, message: Notification) -> str | None:
    """Send once; return why it failed, ``None`` when it was taken."""
    from aiops.errors import AiopsError

    within = max(WITHIN, 2 * getattr(notifier, "timeout", 0.0))
    try:
        async with asyncio.timeout(within):
            await notifier.send(message)
    except TimeoutError:
        return f"{notifier.name}: no answer within {within:g} s"
    except AiopsError as e:
        return str(e)
    finally:
        close = getattr(notifier, "close", None)
        if close is not None:
            await close()
    return None


def _told(event: str, reason: str, count: int = 1, **facts: object) -> None:
    """Say on standard error what the daemon would count."""
    note(f"{event} ({reason}) {count} time: {facts.get('problem', '')}")


def sample(receiver: str) -> Notification:
    """Return a message that nobody can take for a real incident."""
    import time

    from aiops.delivery import notification_key
    from aiops.model import Incident, Notification, Severity, State, Transition, TransitionKind

    now = time.time()
    incident = Incident(
        id=f"test-{int(now)}",
        seq=1,
        state=State.OPEN,
        severity=Severity.WARNING,
        title="test message from aiops: nothing is wrong",
        opened_at=now,
        updated_at=now,
        told=True,
        entities=("service:aiops-test",),
    )
    opened = Transition(TransitionKind.OPENED, incident, now)
    body = f"{incident.title}\nSomebody ran: aiops notify test {receiver}"
    key = notification_key(incident.id, incident.seq, receiver)
    return Notification(key, receiver, opened, incident.title, body)
