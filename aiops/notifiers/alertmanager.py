"""Keep Alertmanager's picture of the open incidents, and prove that the daemon is alive."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from pydantic import BeforeValidator, Field, SecretStr

from aiops.config import Duration, read_secret
from aiops.errors import Rejected, Transient
from aiops.model import State, TransitionKind
from aiops.notifiers.post import Key, Poster, Url, hidden
from aiops.redaction import harmless, unmentioned
from aiops.wire import rfc3339

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiops.model import Incident, Notification

PATH = "/api/v2/alerts"
WATCHDOG = "AiopsWatchdog"
INCIDENT = "AiopsIncident"
BATCH = 100
# A receiver that hears nothing for so many rounds may take the daemon for dead.
_MISSED = 4
_ANNOTATION = 8000
# A merged incident goes on under another id.
_LAST = (TransitionKind.RESOLVED, TransitionKind.MERGED)


def _several(value: object) -> object:
    return [hidden(one) for one in value] if isinstance(value, list | tuple) else [hidden(value)]


Urls = Annotated[tuple[Url, ...], BeforeValidator(_several), Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as Alertmanager takes it; over when ``ends`` is not in its future."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: float
    ends: float

    def shape(self) -> dict[str, Any]:
        return {
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": rfc3339(self.starts),
            "endsAt": rfc3339(self.ends),
        }


@dataclass(kw_only=True)
class AlertmanagerNotifier:
    """Send each incident as one alert to one or several Alertmanagers; one must take it.

    ``url`` is a base URL or a list of them (the members of a cluster). Open incidents, and the
    alert ``AiopsWatchdog`` that always fires, are sent again every ``resend`` by ``keep``: an
    alert that is no longer sent ends by itself, so a dead daemon is seen by the watchdog's end.
    What changes over an incident's life is in annotations; when its severity does, the alert
    of the old severity is ended, for Alertmanager takes other labels for another alert.

    ``report`` is where the daemon hears of what a failing member or a bound cost.
    """

    url: Urls
    """Base URL, or a list of them: the members of one cluster."""
    name: str = "alertmanager"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    token: Key | None = None
    """Sent as `Authorization: Bearer`."""
    token_file: str | None = None
    """The same from a file."""
    labels: dict[str, str] = field(default_factory=dict)
    """Added to every alert, for Alertmanager's routes."""
    resend: Annotated[Duration, Field(ge=1)] = 60.0
    """How often open incidents and the watchdog are sent again."""
    max_open: Annotated[int, Field(ge=1)] = 1000
    """Open incidents kept alive; more are sent once and counted."""
    report: Callable[[str, str, int], None] = field(init=False, repr=False)
    _open: dict[str, Alert] = field(init=False, repr=False)
    _targets: tuple[SecretStr, ...] = field(init=False, repr=False)
    _headers: dict[str, str] = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)
    _turn: asyncio.Lock = field(init=False, repr=False)
    _now: Callable[[], float] = field(init=False, repr=False)
    _started: float | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.alertmanager "{self.name}"'
        token = read_secret(self.token, self.token_file, f"{where}.token_file")
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token.strip()}"
        self._targets = tuple(_endpoint(url) for url in self.url)
        self._poster = Poster(self.name, self.timeout)
        self._open = {}
        # A round that began before an end must not arrive after it and open it again.
        self._turn = asyncio.Lock()
        self._now = time.time
        self._started = None
        self.report = _unheard

    async def send(self, notification: Notification) -> None:
        transition = notification.transition
        incident = transition.incident
        over = _over(incident) or transition.kind in _LAST
        async with self._turn:
            previous = self._open.pop(incident.id, None)
            known = {} if previous is None else previous.labels
            words = (notification.title, notification.body)
            alert = self._alert(incident, *words, known=known, over=over)
            alerts = [alert]
            if previous is not None and previous.labels != alert.labels:
                # Never before its start, which Alertmanager would refuse.
                alerts.append(replace(previous, ends=max(previous.starts, self._now())))
            if not over:
                self._hold(incident.id, alert)
            await self._post(alerts)

    def adopt(
        self,
        incidents: Sequence[Incident],
        describe: Callable[[Incident], str] | None = None,
    ) -> None:
        """Keep sending incidents that were told before this start; *describe* gives the body."""
        for incident in incidents:
            if not _over(incident) and incident.id not in self._open:
                body = "" if describe is None else describe(incident)
                self._hold(incident.id, self._alert(incident, incident.title, body, known={}))

    async def keep(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Send the watchdog and every open incident again, every ``resend``, until cancelled.

        Failures are reported, never raised: the next round is the retry.
        """
        while True:
            await self._renew()
            await sleep(self.resend)

    async def close(self) -> None:
        await self._poster.close()

    # --- rounds -----------------------------------------------------------------------------

    async def _renew(self) -> None:
        ids = list(self._open)
        first: list[Alert] = [self._watchdog()]
        for start in range(0, max(len(ids), 1), BATCH):
            async with self._turn:
                # What ended while an earlier batch was under way is no longer open.
                batch = ids[start : start + BATCH]
                alerts = [self._open[one] for one in batch if one in self._open]
                until = self._until()
                fresh = first + [replace(alert, ends=until) for alert in alerts]
                first = []
                try:
                    await self._post(fresh)
                except (Transient, Rejected) as e:
                    self.report("alert_resend_failed", e.reason, len(fresh))

    def _hold(self, incident_id: str, alert: Alert) -> None:
        self._open[incident_id] = alert
        while len(self._open) > self.max_open:
            del self._open[next(iter(self._open))]
            self.report("alert_not_kept", "max_open", 1)

    # --- alerts -----------------------------------------------------------------------------

    def _alert(
        self,
        incident: Incident,
        title: str,
        body: str,
        *,
        known: Mapping[str, str],
        over: bool = False,
    ) -> Alert:
        now = self._now()
        starts = min(incident.opened_at, now)
        ends = self._until()
        if over:
            ended = now if incident.resolved_at is None else incident.resolved_at
            ends = max(starts, min(ended, now))
        annotations = {
            "summary": _text(title or incident.title),
            "description": _text(body or title or incident.title),
        }
        # An entity that turns out to have begun earlier must not make another alert.
        labels = {**(known or self._labels(incident)), "severity": incident.severity.label}
        return Alert(labels, annotations, starts, ends)

    def _labels(self, incident: Incident) -> dict[str, str]:
        labels = dict(self.labels)
        if incident.entities:
            entity = harmless(incident.entities[0])
            kind, _, name = entity.partition(":")
            if name and re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", kind):
                labels[kind] = name
            labels["entity"] = entity
        labels["alertname"] = INCIDENT
        labels["severity"] = incident.severity.label
        labels["incident"] = incident.id
        return labels

    def _watchdog(self) -> Alert:
        if self._started is None:
            self._started = self._now()
        labels = {**self.labels, "alertname": WATCHDOG, "severity": "none"}
        annotations = {
            "summary": "aiops is alive",
            "description": "Fires always. When it ends, nobody watches: look for the daemon.",
        }
        return Alert(labels, annotations, self._started, self._until())

    def _until(self) -> float:
        return self._now() + _MISSED * self.resend

    # --- posting ----------------------------------------------------------------------------

    async def _post(self, alerts: Sequence[Alert]) -> None:
        body = msgspec.json.encode([alert.shape() for alert in alerts])
        failed = [
            error
            for error in await asyncio.gather(*(self._try(url, body) for url in self._targets))
            if error is not None
        ]
        if len(failed) < len(self._targets):
            for error in failed:
                self.report("receiver_failed", error.reason, 1)
            return
        message = "; ".join(str(error) for error in failed)
        passing = [error for error in failed if isinstance(error, Transient)]
        if not passing:
            raise Rejected(message, reason=failed[0].reason)
        waits = [error.after for error in passing]
        known = [wait for wait in waits if wait is not None]
        # One member that names no time may be asked as soon as we like.
        after = min(known) if len(known) == len(waits) else None
        raise Transient(message, after=after, reason=passing[0].reason)

    async def _try(self, url: SecretStr, body: bytes) -> Transient | Rejected | None:
        try:
            answer = await self._poster.post(url, body, self._headers)
            said = harmless(answer.body[:200].decode("utf-8", "replace"))
            self._poster.judge(url, answer, said)
        except (Transient, Rejected) as e:
            return e
        return None


def _endpoint(url: SecretStr) -> SecretStr:
    base = url.get_secret_value().rstrip("/")
    return SecretStr(base if base.endswith(PATH) else base + PATH)


def _over(incident: Incident) -> bool:
    return incident.state in (State.RESOLVED, State.CLOSED)


def _text(text: str) -> str:
    # Alertmanager's own chat templates pass annotations on as they are.
    text = unmentioned(harmless(text, lines=True))
    return text if len(text) <= _ANNOTATION else text[: _ANNOTATION - 1] + "…"


def _unheard(event: str, reason: str, count: int) -> None:
    """Take a report nobody asked for."""
