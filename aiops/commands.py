"""Read commands that bring something in: what a person changed, what another system alerts."""

from __future__ import annotations

from collections.abc import Mapping

from aiops.entities import split_labels
from aiops.model import Alert, ChangeEvent, Command, Severity

NAMELESS = "alert"
UNKNOWN = "service:unknown"  # an alert that says of nobody what it is about
LONGEST = 200  # characters of an alert's name
_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "emergency": Severity.CRITICAL,
    "error": Severity.ERROR,
    "high": Severity.ERROR,
    "major": Severity.ERROR,
    "info": Severity.INFO,
    "information": Severity.INFO,
    "none": Severity.INFO,
    "debug": Severity.INFO,
}
# These say how bad it is or who found it, not what it is.
_NOT_NAMES = frozenset(("alertname", "severity", "prometheus", "replica", "cluster", "monitor"))


def change_of(command: Command) -> ChangeEvent:
    """Return the change that a ``change`` command tells."""
    kind, title = command.args.get("kind", "change"), command.args.get("title", "")
    return ChangeEvent(_moment(command), kind, command.target, title)


def alert_of(command: Command) -> Alert:
    """Return the alert that an ``alert`` command brings; its labels begin with ``label.``."""
    labels = {k[6:]: v for k, v in command.args.items() if k.startswith("label.")}
    firing = command.args.get("status", "firing") != "resolved"
    return alert(_moment(command), labels, firing=firing, title=command.args.get("title", ""))


def alert(at: float, labels: Mapping[str, str], *, firing: bool, title: str = "") -> Alert:
    """Return the alert with these labels: whom it is about, what it is, how bad."""
    entity, left = split_labels(labels, UNKNOWN)
    rest = ",".join(f"{k}={left[k]}" for k in sorted(left) if k not in _NOT_NAMES)
    name = labels.get("alertname") or NAMELESS
    whole = f"{name}{{{rest}}}" if rest else name
    severity = _SEVERITIES.get(labels.get("severity", "").lower(), Severity.WARNING)
    return Alert(at, entity, whole[:LONGEST], firing, severity, title)


def _moment(command: Command) -> float:
    try:
        return float(command.args.get("at", command.at))
    except ValueError:
        return command.at
