"""Run a program for each notification: JSON on its standard input, no shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from pydantic import Field

from aiops.config import Duration
from aiops.errors import Rejected, Transient
from aiops.redaction import harmless
from aiops.wire import rfc3339, to_json

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from aiops.model import Notification

# What a program may know of us; its secrets are its own business.
_PASSED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
# EX_USAGE, EX_DATAERR, EX_NOPERM, EX_CONFIG of sysexits.h: no later try is better.
_FINAL = frozenset({64, 65, 77, 78})
_SHOWN = 300
_CHUNK = 4096


@dataclass(kw_only=True)
class ExecNotifier:
    """Start a program with fixed arguments and write one JSON object to it.

    No log text is ever an argument. Exit code 0 means taken; 64, 65, 77 and 78 (``sysexits.h``)
    mean never; anything else is tried again. What it started is killed with it when it takes
    longer than ``timeout``.
    """

    command: Annotated[list[str], Field(min_length=1)] = field(repr=False)
    """The program and its arguments, as they are: no shell reads them."""
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    """Set for the program, beside PATH, HOME, LANG and the like; no more of ours is passed on."""
    name: str = "exec"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take; after it the program is killed."""
    rate: Annotated[float, Field(gt=0)] = 5.0
    """Programs started in a second at most; never two at once."""

    async def send(self, notification: Notification) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment(),
                # A group of its own: what it starts can be ended with it.
                start_new_session=True,
            )
        except (OSError, ValueError) as e:
            why = getattr(e, "strerror", None) or "not a usable command"
            raise Transient(self._said(f"cannot be started ({why})"), reason="start") from None
        words = bytearray()
        done = False
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.gather(
                    _feed(process, payload(notification)), _listen(process, words), process.wait()
                )
                done = True
        except TimeoutError:
            if process.returncode is None:
                said = f"not done within {self.timeout:g} s, killed"
                raise Transient(self._said(said), reason="timeout") from None
        finally:
            if not done:
                await _end(process)
        self._judge(process.returncode or 0, bytes(words))

    async def close(self) -> None:
        """Keep nothing open between two notifications."""

    def _environment(self) -> dict[str, str]:
        passed = {key: os.environ[key] for key in _PASSED if key in os.environ}
        return passed | self.environment

    def _judge(self, code: int, words: bytes) -> None:
        if code == 0:
            return
        said = harmless(words.decode("utf-8", "replace").strip())[:_SHOWN]
        text = self._said(f"ended with {code}" + (f" ({said})" if said else ""))
        if code in _FINAL:
            raise Rejected(text)
        raise Transient(text, reason="exit_code")

    def _said(self, text: str) -> str:
        program = harmless(os.path.basename(self.command[0]))  # noqa: PTH119 - a name, no path
        return f'notifier "{self.name}": {program}: {text}'


def payload(notification: Notification) -> bytes:
    """Return one JSON object and a newline: the incident, and what happened to it."""
    transition = notification.transition
    incident = transition.incident
    shape = to_json(incident) | {
        "kind": transition.kind.value,
        "at": rfc3339(transition.at),
        "seq": incident.seq,
        "key": notification.key,
        "headline": harmless(notification.title),
        "story": harmless(notification.body, lines=True),
        "link": notification.link,
    }
    if notification.offers:
        shape["actions"] = {offer.verb: offer.url for offer in notification.offers}
    return msgspec.json.encode(shape) + b"\n"


async def _feed(process: Process, data: bytes) -> None:
    if process.stdin is None:
        return
    # A program need not read what it was given.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _listen(process: Process, words: bytearray) -> None:
    """Keep the first words of standard error and read on, so that it is never blocked."""
    if process.stderr is None:
        return
    while chunk := await process.stderr.read(_CHUNK):
        words += chunk[: max(_CHUNK - len(words), 0)]


async def _end(process: Process) -> None:
    """Kill the program and what it left behind, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
