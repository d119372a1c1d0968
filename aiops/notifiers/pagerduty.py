"""Trigger, acknowledge and resolve PagerDuty incidents through its Events API v2."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr

from aiops.config import Duration, Secret, read_secret
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import TransitionKind
from aiops.notifiers.post import Key, Poster, Url, said, under
from aiops.notifiers.wording import cut, fitting, octets, over, words
from aiops.redaction import harmless
from aiops.wire import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiops.model import ChangeEvent, Notification
    from aiops.notifiers.post import Answer

_API = SecretStr("https://events.pagerduty.com")

SUMMARY = 1024
"""Characters of a summary."""

DEDUP_KEY = 255
"""Characters of the key by which PagerDuty knows an incident again."""

# Far below the 512,000 bytes of an event, far above what anybody reads on a phone.
_DETAILS = 20_000
_SOURCE = 255


@dataclass(kw_only=True)
class PagerdutyNotifier:
    """Send each change of an incident as an event; the incident's id is its `dedup_key`.

    What opens, changes or comes back triggers, what is acknowledged acknowledges, what ends
    resolves. With ``changes`` the changes that an incident opened with are sent as change events.
    """

    routing_key: Key | None = None
    """The integration key of the service; `routing_key_file` is the better place."""
    routing_key_file: str | None = None
    """The same from a file."""
    changes: bool = False
    """Send the changes just before an incident as change events."""
    name: str = "pagerduty"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 2.0
    """Events a second at most: PagerDuty takes 120 a minute from each key."""
    url: Url = _API
    """Where events go; `https://events.eu.pagerduty.com` in Europe."""
    report: Callable[[str, str, int], None] = field(init=False, repr=False)
    _key: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.pagerduty "{self.name}"'
        given = read_secret(self.routing_key, self.routing_key_file, f"{where}.routing_key_file")
        if not given:
            raise ConfigError([f"{where}.routing_key: missing; set it or routing_key_file"])
        self._key = SecretStr(given.strip())
        self._poster = Poster(self.name, self.timeout)
        self.report = _unheard

    async def send(self, notification: Notification) -> None:
        await self._post("/v2/enqueue", event(notification))
        if self.changes and notification.transition.kind is TransitionKind.OPENED:
            for change in notification.transition.incident.changes:
                try:
                    await self._post("/v2/change/enqueue", change_event(change, notification.link))
                except (Transient, Rejected) as e:
                    # The page is out: sending it again for this would ring nobody's bell twice,
                    # but would repeat the changes that arrived.
                    self.report("receiver_failed", e.reason, 1)

    async def close(self) -> None:
        await self._poster.close()

    async def _post(self, path: str, payload: dict[str, Any]) -> None:
        where = under(self.url, path)
        key = {"routing_key": self._key.get_secret_value()}
        answer = await self._poster.post_json(where, key | payload)
        self._poster.judge(where, answer, _why(answer))


def event(notification: Notification) -> dict[str, Any]:
    """Return the event without its routing key."""
    transition = notification.transition
    incident = transition.incident
    shown: dict[str, Any] = {"event_action": _action(notification), "dedup_key": _key(incident.id)}
    if shown["event_action"] != "trigger":
        return shown
    told = words(notification)
    entities = [harmless(entity) for entity in incident.entities]
    shown["payload"] = {
        "summary": cut(told.head, SUMMARY),
        "source": cut(entities[0] if entities else "aiops", _SOURCE),
        "severity": incident.severity.label,
        "timestamp": rfc3339(incident.opened_at),
        "custom_details": {
            "story": "\n".join(fitting(told, _DETAILS, size=octets)),
            "entities": entities[:50],
            "state": incident.state.value,
        },
    }
    shown["client"] = "aiops"
    links = {"Open the incident": notification.link} if notification.link else {}
    links |= {offer.label: offer.url for offer in notification.offers}
    if notification.link:
        shown["client_url"] = notification.link
    if links:
        shown["links"] = [{"href": url, "text": text} for text, url in links.items()]
    return shown


def change_event(change: ChangeEvent, link: str) -> dict[str, Any]:
    """Return the change event without its routing key."""
    shown: dict[str, Any] = {
        "payload": {
            "summary": cut(harmless(f"{change.kind}: {change.title}"), SUMMARY),
            "timestamp": rfc3339(change.at),
            "source": cut(harmless(change.entity) or "aiops", _SOURCE),
        }
    }
    if link:
        shown["links"] = [{"href": link, "text": "Open the incident"}]
    return shown


def _action(notification: Notification) -> str:
    if over(notification):
        return "resolve"
    acknowledged = notification.transition.kind is TransitionKind.ACKNOWLEDGED
    return "acknowledge" if acknowledged else "trigger"


def _key(incident_id: str) -> str:
    return harmless(incident_id)[:DEDUP_KEY]


def _why(answer: Answer) -> str:
    found = said(answer)
    errors = found.get("errors")
    listed = errors if isinstance(errors, list) else []
    return harmless(", ".join(str(one) for one in [found.get("message", ""), *listed] if one))[:200]


def _unheard(event: str, reason: str, count: int) -> None:
    """Take a report nobody asked for."""
