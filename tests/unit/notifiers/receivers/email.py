"""A mail server: it may offer TLS, want a login, refuse recipients, or stop in mid-sentence."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.unit.notifiers.receivers.service import ALWAYS, SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage
    from pathlib import Path

LOGIN = base64.b64encode(f"\0aiops\0{SECRET}".encode())


@dataclass
class Email:
    """Speak SMTP on the loopback; ``mood`` is as for every receiver.

    With ``certified`` it offers STARTTLS under a certificate of its own and wants a login after
    it. ``refuses`` maps recipients to the answers they get.
    """

    folder: Path
    mood: str = "well"
    at: float = 0.0
    strict: bool = False
    certified: bool = False
    refuses: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    talks: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    port: int = 0
    wait: ClassVar[float | None] = None

    def table(self) -> dict[str, Any]:
        table: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "sender": "aiops@shop.example",
            "to": ["oncall@shop.example", "second@shop.example"],
            "security": "none",
        }
        if self.certified:
            table |= {"security": "starttls", "ca_file": str(self.folder / "cert.pem")}
            table |= {"username": "aiops", "password": SECRET}
        return table

    def wrong_table(self) -> dict[str, Any]:
        self.refuses = {"nobody@shop.example": "550 5.1.1 no such user"}
        return self.table() | {"to": ["nobody@shop.example"]}

    def acting(self) -> list[str]:
        return [text for text in self.texts() if ALWAYS.search(text)]

    def texts(self) -> list[str]:
        found = [(mail["Subject"], mail.get_content()) for mail in self.parsed()]
        return [text.replace("\r\n", "\n") for mail in found for text in mail]

    def parsed(self) -> list[EmailMessage]:
        found: Any = [message_from_bytes(mail, policy=policy.default) for mail in self.mails]
        return list(found)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if self.certified:
            self._certify()
        server = await asyncio.start_server(self._serve, "localhost", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            self.over.set()
            server.close()
            for writer in self.talks.values():
                writer.close()
            await asyncio.gather(*self.talks)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        if talk is not None:
            self.talks[talk] = writer
        try:
            if self.mood == "silent":
                await self.over.wait()
            elif self.mood != "broken":
                await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        while line := await reader.readline():
            self.said.append(line.decode("utf-8", "replace").strip())
            verb = (line.split() or [b""])[0].upper()
            if verb == b"STARTTLS":
                writer.write(b"220 go on\r\n")
                await writer.start_tls(self._context())
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                mail = await reader.readuntil(b"\r\n.\r\n")
                if self.mood == "half":
                    await self.over.wait()
                self.mails.append(mail.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."))
                writer.write(b"250 taken\r\n")
            elif verb == b"QUIT" and self.mood == "stuck":
                await self.over.wait()
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(self._reply(verb, line))
            await writer.drain()

    def _reply(self, verb: bytes, line: bytes) -> bytes:
        if verb == b"EHLO":
            offers = b"250-STARTTLS\r\n250-AUTH PLAIN\r\n" if self.certified else b""
            return b"250-mail.example\r\n" + offers + b"250 SIZE 1000000\r\n"
        if verb == b"AUTH":
            known = line.split()[-1] == LOGIN
            return b"235 welcome\r\n" if known else b"535 5.7.8 wrong hunter2\r\n"
        if verb == b"MAIL" and self.mood in ("busy", "down"):
            return b"450 4.7.1 slow down\r\n" if self.mood == "busy" else b"451 later\r\n"
        if verb == b"RCPT":
            who = line.decode().partition("<")[2].partition(">")[0]
            return self.refuses.get(who, "250 fine").encode() + b"\r\n"
        return b"250 fine\r\n"

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        return context

    def _certify(self) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl: not installed here")
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
            " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
            " -keyout key.pem -out cert.pem"
        )
        subprocess.run(
            command.split(),
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
