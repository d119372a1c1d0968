"""Send stories by mail, all of one incident in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from aiops.config import Duration, read_secret
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import Severity, TransitionKind
from aiops.notifiers.post import Key, RefusedAddressError, refused
from aiops.notifiers.threads import in_thread
from aiops.notifiers.wording import cut, fitting, octets, words
from aiops.redaction import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiops.model import Notification

BODY = 50_000
"""Bytes of text; servers take 10 MB and more, people do not."""

_SUBJECT = 200
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_TOO_LARGE = (523, 552, 554)
_AFTER = 1.0

Address = Annotated[str, Field(pattern=r"^[!-;=?A-~]+@[!-;=?A-~]+$", max_length=254)]


class _UnusableError(OSError):
    """Certificates that cannot be read; they may be renewed this moment."""


class _Plain(smtplib.SMTP):
    """Connect to no address that is refused, whatever a name server says."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        failed: OSError | None = None
        for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            # The connection is made to exactly this address: nothing resolves again after this.
            address = str(place[0])
            if refusal := refused(host, address):
                raise RefusedAddressError(refusal)
            try:
                return socket.create_connection((address, port), timeout)
            except OSError as e:
                failed = e
        raise failed or OSError(f"{host}: no address")


class _Encrypted(smtplib.SMTP_SSL, _Plain):
    """The same, encrypted at once; the certificate is checked against the name."""


@dataclass(kw_only=True)
class EmailNotifier:
    """Mail each notification as plain text; all of one incident refer to the same root.

    The subject stays the same over an incident's life, for some programs thread by it: what
    happened is the first line of the text.
    """

    host: Annotated[str, Field(min_length=1)]
    """The mail server."""
    sender: Address
    """The address in `From`."""
    to: Annotated[list[Address], Field(min_length=1, max_length=100)]
    """Who gets it."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` begins in the clear and refuses to go on so; `tls` is encrypted at once."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0 is the usual one: 587, for `tls` 465, for `none` 25."""
    ca_file: str | None = None
    """Certificates that the server's is checked against, instead of the system's."""
    username: str = ""
    """Empty sends without logging in."""
    password: Key | None = None
    """Belongs to `username`; `password_file` is the better place."""
    password_file: str | None = None
    """The same from a file."""
    name: str = "email"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 0.5
    """Mails a second at most: servers delay or refuse who is faster."""
    report: Callable[[str, str, int], None] = field(init=False, repr=False)
    _password: str = field(init=False, repr=False)
    _sending: asyncio.Future[None] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.email "{self.name}"'
        if refusal := refused(self.host, self.host):
            raise ConfigError([f"{where}.host = {self.host!r}: {refusal}"])
        given = read_secret(self.password, self.password_file, f"{where}.password_file")
        if self.username and not given:
            raise ConfigError([f"{where}.password: missing; set password or password_file"])
        if self.username and self.security == "none":
            raise ConfigError([f'{where}.security = "none": would show the password; use "tls"'])
        self._password = (given or "").strip()
        self._sending = None
        self.report = _unheard

    async def send(self, notification: Notification) -> None:
        if self._sending is not None and not self._sending.done():
            raise Transient(self._said("the last attempt still hangs"), reason="timeout")
        mail = message(notification, self.sender, self.to)
        taken = threading.Event()
        self._sending = in_thread(lambda: self._deliver(mail, taken), "aiops-email", (OSError,))
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(self._sending)
        except TimeoutError:
            if taken.is_set():
                return  # it only hangs at the goodbye
            raise Transient(
                self._said(f"no answer within {self.timeout:g} s"), reason="timeout"
            ) from None
        except RefusedAddressError as e:
            raise Rejected(self._said(str(e)), reason="address") from None
        except _UnusableError as e:
            raise Transient(str(e), reason="tls") from None
        except smtplib.SMTPException as e:
            raise self._judged(e) from None
        except ssl.SSLError:
            raise Transient(self._said("TLS failed"), reason="tls") from None
        except socket.gaierror:
            raise Transient(self._said("name not found"), reason="dns") from None
        except OSError as e:
            why = e.strerror or type(e).__name__
            raise Transient(self._said(f"no connection ({why})"), reason="connection") from None

    async def close(self) -> None:
        """Leave an attempt under way alone: it ends by its own timeout."""

    def _deliver(self, mail: EmailMessage, taken: threading.Event) -> None:
        trust = None if self.security == "none" else self._trusted()
        smtp = self._connected(trust)
        try:
            if self.security == "starttls":
                smtp.starttls(context=trust)
            if self.username:
                smtp.login(self.username, self._password)
            refused = smtp.send_message(mail, self.sender, self.to)
            if refused:
                self.report("receiver_failed", "recipient", len(refused))
            # Whatever goes wrong from here on must not send it again.
            taken.set()
            with contextlib.suppress(OSError):
                smtp.quit()
        finally:
            smtp.close()

    def _connected(self, trust: ssl.SSLContext | None) -> smtplib.SMTP:
        port = self.port or _PORTS[self.security]
        # Asking for our own full name may wait for a name server.
        own = socket.gethostname() or "localhost"
        # Longer than we wait: who is silent is told by us, and the thread ends soon after.
        within = self.timeout + _AFTER
        if self.security == "tls":
            return _Encrypted(self.host, port, own, timeout=within, context=trust)
        return _Plain(self.host, port, own, timeout=within)

    def _trusted(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as e:
            why = e.strerror or "no certificates in it"
            words = self._said(f"ca_file = {self.ca_file!r}: cannot be read ({why})")
            raise _UnusableError(words) from None

    def _judged(self, error: smtplib.SMTPException) -> Transient | Rejected:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            # One that may be taken later is worth another try for all.
            code, answer = min(error.recipients.values())
            return self._verdict(code, answer, "recipient")
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return self._verdict(error.smtp_code, error.smtp_error, "auth")
        if isinstance(error, smtplib.SMTPResponseException):
            reason = "too_large" if error.smtp_code in _TOO_LARGE else "rejected"
            return self._verdict(error.smtp_code, error.smtp_error, reason)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            said = f'cannot do what security = "{self.security}" or username needs'
            return Transient(self._said(said), reason="unsupported")
        return Transient(self._said("connection broke"), reason="connection")

    def _verdict(self, code: int, said: bytes | str, reason: str) -> Transient | Rejected:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        words = self._said(f"answered {code} ({harmless(text)[:200]})")
        if 500 <= code < 600:
            return Rejected(words, reason=reason)
        return Transient(words, reason="rate_limited" if code in (421, 450, 452) else "server")

    def _said(self, text: str) -> str:
        return f'notifier "{self.name}": {self.host}: {text}'


def message(notification: Notification, sender: str, to: list[str]) -> EmailMessage:
    """Return the mail; the same bytes at every try, so a server that knows its id drops it."""
    told = words(notification)
    transition = notification.transition
    domain = sender.rpartition("@")[2]
    root = f"<{_atom(transition.incident.id)}.incident@{domain}>"
    title = cut(harmless(notification.title) or told.head, _SUBJECT)
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = title if transition.kind is TransitionKind.OPENED else f"Re: {title}"
    mail["Date"] = format_datetime(datetime.fromtimestamp(max(transition.at, 0.0), UTC))
    mail["Message-ID"] = f"<{_atom(notification.key)}@{domain}>"
    # A made-up root: no first message has to be remembered.
    mail["In-Reply-To"] = root
    mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if transition.incident.severity is Severity.CRITICAL:
        mail["Importance"] = "high"
    lines = [f"{told.mark} {told.head}", "", *fitting(told, BODY, size=octets)]
    if notification.link:
        lines += ["", notification.link]
    if notification.offers:
        lines += ["", *(f"{offer.label}: {offer.url}" for offer in notification.offers)]
    mail.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return mail


def _atom(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:100].strip(".") or "none"


def _unheard(event: str, reason: str, count: int) -> None:
    """Take a report nobody asked for."""
