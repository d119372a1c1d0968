"""One stand-in for each channel; the contract tests walk both shelves together."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

RECEIVERS = {
    "alertmanager": "Alertmanager",
    "apprise": "Apprise",
    "discord": "Discord",
    "email": "Email",
    "exec": "Exec",
    "googlechat": "Googlechat",
    "mattermost": "Mattermost",
    "ntfy": "Ntfy",
    "pagerduty": "Pagerduty",
    "rocketchat": "Rocketchat",
    "slack": "Slack",
    "slack_bot": "SlackBot",
    "teams": "Teams",
    "telegram": "Telegram",
    "webhook": "Webhook",
}


def receiver(kind: str, folder: Path, **mood: Any) -> Any:
    """Return the stand-in for one kind of channel, not yet running."""
    module = import_module(f"tests.unit.notifiers.receivers.{kind}")
    return getattr(module, RECEIVERS[kind])(folder, **mood)
