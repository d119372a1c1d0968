"""Tell services that have no channel of their own, through the library apprise (an extra)."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from aiops.config import Duration, read_secret
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import Severity
from aiops.notifiers.markdown import disarmed
from aiops.notifiers.post import Key, refused
from aiops.notifiers.threads import in_thread
from aiops.notifiers.wording import cut, fitting, octets, offered, over, words

if TYPE_CHECKING:
    from aiops.model import Notification

PACKAGE = "apprise"
BODY = 4000
"""Bytes of text, or fewer where the service takes fewer."""

_HEAD = 250
_LEAST = 100  # a service that takes less than this and its title shows no story
_OFFERS = 2000
_AFTER = 1.0
_TYPES = {
    Severity.CRITICAL: "failure",
    Severity.ERROR: "failure",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


@dataclass(kw_only=True)
class AppriseNotifier:
    """Hand each notification to services that apprise knows, by the URLs it gives them.

    Needs the extra: `pip install 'aiopsd[apprise]'`. Apprise says yes or no and nothing more: a
    wrong key is tried for a day like a service that is down, `Retry-After` is not seen (tries are
    1 s apart at first and up to 5 min later), and a name that leads to this machine is not noticed.
    What a service took is not sent to it again while another one is tried.
    """

    urls: list[Key] = field(default_factory=list)
    """Where to send, as apprise writes it; they are secrets, so `urls_file` is the better place."""
    urls_file: str | None = None
    """A file with one URL a line."""
    updates: bool = False
    """Also send how an incident goes on; most services show each of them as a new message."""
    name: str = "apprise"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 15.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 0.2
    """Messages a second at most."""
    _urls: tuple[str, ...] = field(init=False, repr=False)
    _services: list[Any] = field(init=False, repr=False)
    _took: set[int] = field(init=False, repr=False)
    _key: str = field(init=False, repr=False)
    _sending: asyncio.Future[None] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.apprise "{self.name}"'
        given = read_secret(None, self.urls_file, f"{where}.urls_file") or ""
        written = [line.strip() for line in given.splitlines() if not line.startswith("#")]
        self._urls = (*(url.get_secret_value() for url in self.urls), *filter(None, written))
        if not self._urls:
            raise ConfigError([f"{where}.urls: missing; set urls or urls_file"])
        problems = [
            f"{where}.urls[{n}]: {refusal}"
            for n, url in enumerate(self._urls)
            if (refusal := _refusal(url))
        ]
        if importlib.util.find_spec(PACKAGE) is None:
            remedy = "pip install 'aiopsd[apprise]'"
            problems.append(f"{where}: needs the package apprise, which is missing; {remedy}")
        if problems:
            raise ConfigError(problems)
        self._services = []
        self._took, self._key, self._sending = set(), "", None

    async def send(self, notification: Notification) -> None:
        if self._sending is not None and not self._sending.done():
            raise Transient(self._said("the last attempt still hangs"), reason="timeout")
        if notification.key != self._key:
            self._key, self._took = notification.key, set()
        # A plugin is somebody else's: whatever it raises is its service's failure.
        self._sending = in_thread(
            lambda: self._deliver(notification), "aiops-apprise", (Exception,)
        )
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(self._sending)
        except TimeoutError:
            text = self._said(f"no answer within {self.timeout:g} s")
            raise Transient(text, reason="timeout") from None
        except (Transient, Rejected):
            raise
        except Exception as e:  # noqa: BLE001 - see above; its words may hold the URL
            raise Transient(self._said(f"failed ({type(e).__name__})"), reason="plugin") from None

    async def close(self) -> None:
        """Leave an attempt under way alone: it ends by its own timeout."""

    def _deliver(self, notification: Notification) -> None:
        """Tell every service that was not told yet (in a thread: apprise blocks)."""
        if not self._services:
            self._services = self._loaded()
        severity = notification.transition.incident.severity
        kind = "success" if over(notification) else _TYPES[severity]
        refusing = []
        for number, service in enumerate(self._services):
            if number in self._took:
                continue
            room = min(int(service[0].body_maxlen or BODY), BODY)
            head, body = message(notification, room)
            if service.notify(body=body, title=head, notify_type=kind, body_format="text"):
                self._took.add(number)
            else:
                refusing.append(service[0].service_name)
        if refusing:
            names = ", ".join(str(name) for name in refusing)
            raise Transient(self._said(f"not taken by {names}"), reason="not_taken")

    def _loaded(self) -> list[Any]:
        """Import apprise, which takes half a second, and make a service of each URL."""
        library = importlib.import_module(PACKAGE)
        # What it logs of a failure we say ourselves, without what it may quote.
        logger = logging.getLogger(PACKAGE)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        asset = library.AppriseAsset(
            app_id="aiops", async_mode=False, secure_logging=True, http_redirects=0
        )
        services = []
        for number, url in enumerate(self._urls):
            service = library.Apprise(asset=asset)
            if not service.add(url):
                text = f"urls[{number}] is nothing that apprise knows; see its list of services"
                raise Rejected(self._said(text), reason="address")
            plugin = service[0]
            plugin.socket_connect_timeout = plugin.socket_read_timeout = self.timeout + _AFTER
            # The pace is kept before it is called, by `rate`.
            plugin.request_rate_per_sec = 0
            services.append(service)
        return services

    def _said(self, text: str) -> str:
        return f'notifier "{self.name}": {text}'


def message(notification: Notification, room: int) -> tuple[str, str]:
    """Return title and text for a service whose format nobody here knows.

    *room* is what it takes, in bytes, of both: many put the title before the text.
    """
    told = words(notification)
    head = cut(f"{told.mark} {told.head}", min(_HEAD, room), escape=disarmed, size=octets)
    links = [notification.link] if notification.link else []
    acts = offered(notification, lambda label, url: f"{label}: {url}", _OFFERS, between="\n")
    links += [acts] if acts else []
    left = room - octets(head) - octets("\n".join(links)) - 4
    if left < _LEAST:
        # Rather the story, at whose end it is said where the rest is.
        links, left = [], room - octets(head) - 4
    lines = fitting(told, left, escape=disarmed, size=octets) if left >= _LEAST else []
    return head, "\n".join([*lines, *links]) or head


def _refusal(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return "write a URL like mailgun://user@domain/key"
    return refused(host, host)
