"""Print stories, or one JSON object a line, where the daemon was started."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TextIO

import msgspec

from aiops.config import Duration
from aiops.errors import Rejected, Transient
from aiops.model import Severity, State, TransitionKind
from aiops.notifiers.threads import in_thread
from aiops.redaction import harmless
from aiops.wire import rfc3339, to_json

if TYPE_CHECKING:
    from aiops.model import Notification

_COLOURS = {
    Severity.CRITICAL: "\x1b[1;31m",
    Severity.ERROR: "\x1b[31m",
    Severity.WARNING: "\x1b[33m",
    Severity.INFO: "\x1b[34m",
}
_OVER = "\x1b[32m"
_RESET = "\x1b[0m"


@dataclass(kw_only=True)
class StdoutNotifier:
    """Write each notification to standard output; colour only on a terminal.

    ``json`` writes the incident's JSON with ``kind``, ``at``, ``seq`` and ``key`` beside it. A
    reader that does not read holds up this channel alone.
    """

    name: str = "stdout"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    format: Literal["text", "json"] = "text"
    """`text` prints stories, `json` one object a line."""
    _writing: asyncio.Future[None] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._writing = None

    async def send(self, notification: Notification) -> None:
        if self._writing is not None and not self._writing.done():
            raise Transient(f'notifier "{self.name}": standard output is blocked', reason="timeout")
        stream = sys.stdout
        if self.format == "json":
            text = as_line(notification)
        else:
            text = as_text(notification, colour=_wants_colour(stream))
        self._writing = in_thread(
            lambda: _write(stream, text), "aiops-stdout", (OSError, ValueError)
        )
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(self._writing)
        except TimeoutError:
            msg = f'notifier "{self.name}": standard output is blocked'
            raise Transient(msg, reason="timeout") from None
        except (BrokenPipeError, ValueError):
            msg = f'notifier "{self.name}": nobody reads standard output any more'
            raise Rejected(msg, reason="gone") from None
        except OSError as e:
            msg = f'notifier "{self.name}": standard output cannot be written ({e.strerror})'
            raise Transient(msg, reason="error") from None

    async def close(self) -> None:
        """Leave standard output open: it is not ours."""


def as_text(notification: Notification, *, colour: bool) -> str:
    """Return the story and an empty line after it, its first line coloured by severity."""
    body = harmless(notification.body or notification.title, lines=True)
    if not colour:
        return f"{body}\n\n"
    kind, incident = notification.transition.kind, notification.transition.incident
    over = incident.state in (State.RESOLVED, State.CLOSED) or kind is TransitionKind.MERGED
    head, newline, rest = body.partition("\n")
    return f"{_OVER if over else _COLOURS[incident.severity]}{head}{_RESET}{newline}{rest}\n\n"


def as_line(notification: Notification) -> str:
    """Return one JSON object and a newline."""
    transition = notification.transition
    incident = transition.incident
    shape = to_json(incident) | {
        "kind": transition.kind.value,
        "at": rfc3339(transition.at),
        "seq": incident.seq,
        "key": notification.key,
    }
    return msgspec.json.encode(shape).decode() + "\n"


def _wants_colour(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _write(stream: TextIO, text: str) -> None:
    stream.flush()
    try:
        out = stream.fileno()
    except io.UnsupportedOperation:
        stream.write(text)
        stream.flush()
        return
    # Past the stream's buffer: a blocked write would hold its lock when the process ends.
    data = memoryview(text.encode(stream.encoding or "utf-8", "backslashreplace"))
    while data:
        data = data[os.write(out, data) :]
