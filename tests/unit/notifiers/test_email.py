"""Mail is threaded, encrypted when it was asked to be, and sent once."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aiops.config import build_component
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import State, TransitionKind
from aiops.notifiers.email import EmailNotifier, message
from tests.unit.notifiers.receivers.email import Email
from tests.unit.notifiers.receivers.stories import life, tell, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OPENED = told(TransitionKind.OPENED)


@asynccontextmanager
async def speaking(folder: Path, **more: Any) -> AsyncIterator[tuple[Email, EmailNotifier]]:
    keys = {key: more.pop(key) for key in ("timeout", "security", "ca_file") if key in more}
    one = Email(folder, **more)
    async with one.running():
        yield one, build_component(EmailNotifier, one.table() | keys, "notifiers.email[0]")


async def test_an_incident_is_one_thread(tmp_path: Path) -> None:
    """Every mail refers to the same root and has an id of its own, and the subject stays."""
    async with speaking(tmp_path) as (one, notifier):
        await tell(notifier, life())
        mails = one.parsed()

    assert len({mail["References"] for mail in mails}) == 1
    assert len({mail["Message-ID"] for mail in mails}) == 3
    assert len({mail["Subject"].removeprefix("Re: ") for mail in mails}) == 1
    assert [mail.get_content().split()[1] for mail in mails] == ["OPENED", "UPDATED", "RESOLVED"]


async def test_another_incident_is_another_thread(tmp_path: Path) -> None:
    """Incidents with the same title do not share a thread."""
    async with speaking(tmp_path) as (one, notifier):
        await tell(notifier, [OPENED, told(TransitionKind.OPENED, id="inc_2")])

        assert len({mail["References"] for mail in one.parsed()}) == 2


def test_the_same_message_is_the_same_mail() -> None:
    """A retry has the same id and the same bytes, so that a server may know it again."""
    first, again = (message(OPENED, "a@b.example", ["c@d.example"]) for _ in range(2))

    assert first.as_bytes() == again.as_bytes()


async def test_a_login_goes_through_starttls(tmp_path: Path) -> None:
    """With a name and a password the connection is encrypted first and its certificate checked."""
    async with speaking(tmp_path, certified=True) as (one, notifier):
        await notifier.send(OPENED)
        verbs = [line.split()[0].upper() for line in one.said]

    assert verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]
    assert len(one.mails) == 1


async def test_a_stranger_s_certificate_is_not_trusted(tmp_path: Path) -> None:
    """A server that cannot prove its name hears neither password nor mail."""
    async with speaking(tmp_path, certified=True, ca_file=None) as (one, notifier):
        with pytest.raises(Transient) as caught:
            await notifier.send(OPENED)

    assert caught.value.reason == "tls"
    assert "AUTH" not in " ".join(one.said)


async def test_nothing_is_sent_in_the_clear(tmp_path: Path) -> None:
    """A server that does not offer STARTTLS, or somebody who hides it, gets no mail."""
    async with speaking(tmp_path, security="starttls") as (one, notifier):
        with pytest.raises(Transient) as caught:
            await notifier.send(OPENED)

    assert caught.value.reason == "unsupported"
    assert one.mails == []
    assert "MAIL" not in " ".join(one.said)


async def test_a_server_that_speaks_no_tls_is_said_so(tmp_path: Path) -> None:
    """Where TLS was asked for from the start a greeting in the clear is no greeting."""
    async with speaking(tmp_path, security="tls") as (one, notifier):
        with pytest.raises(Transient, match="TLS failed") as caught:
            await notifier.send(OPENED)

    assert caught.value.reason == "tls"
    assert one.mails == []


async def test_an_unknown_host_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not found may be found later."""

    def nowhere(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    async with speaking(tmp_path) as (_, notifier):
        monkeypatch.setattr(socket, "getaddrinfo", nowhere)
        with pytest.raises(Transient, match="name not found") as caught:
            await notifier.send(OPENED)

    assert caught.value.reason == "dns"


async def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A ca_file that cannot be read is said with its name, and tried again."""
    missing = str(tmp_path / "absent.pem")
    async with speaking(tmp_path, security="tls", ca_file=missing) as (_, notifier):
        with pytest.raises(Transient, match=r"absent\.pem.*No such file"):
            await notifier.send(OPENED)


async def test_a_wrong_password_is_final_and_not_shown(tmp_path: Path) -> None:
    """A refused login gives the message up; the answer, which may quote it, is made harmless."""
    async with speaking(tmp_path, certified=True) as (one, _):
        table = one.table() | {"password": "old-secret"}
        with pytest.raises(Rejected) as caught:
            await build_component(EmailNotifier, table, "x").send(OPENED)

    assert caught.value.reason == "auth"
    assert "old-secret" not in str(caught.value)


async def test_one_refused_recipient_does_not_stop_the_others(tmp_path: Path) -> None:
    """Whoever can be reached is; whoever cannot is counted, and nothing is sent twice."""
    refuses = {"second@shop.example": "550 no such user"}
    heard: list[tuple[str, str, int]] = []
    async with speaking(tmp_path, refuses=refuses) as (one, notifier):
        notifier.report = lambda *told: heard.append(told)
        await notifier.send(OPENED)

    assert len(one.mails) == 1
    assert heard == [("receiver_failed", "recipient", 1)]


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ("450 greylisted", "550 no such user", Transient),
        ("550 no such user", "450 greylisted", Transient),
        ("550 no such user", "551 moved", Rejected),
    ],
)
async def test_all_recipients_refused_is_final_only_when_all_are_final(
    first: str, second: str, error: type[Exception], tmp_path: Path
) -> None:
    """Greylisting of one is a reason to come back."""
    refuses = {"oncall@shop.example": first, "second@shop.example": second}
    async with speaking(tmp_path, refuses=refuses) as (_, notifier):
        with pytest.raises(error):
            await notifier.send(OPENED)


async def test_a_server_stuck_at_the_goodbye_took_the_mail(tmp_path: Path) -> None:
    """What goes wrong after the mail was taken does not send it again."""
    async with speaking(tmp_path, mood="stuck", timeout="0.2s") as (one, notifier):
        await notifier.send(OPENED)

        assert len(one.mails) == 1


async def test_an_attempt_that_hangs_is_not_doubled(tmp_path: Path) -> None:
    """While the last attempt still waits in its thread no second one begins."""
    async with speaking(tmp_path) as (one, notifier):
        notifier._sending = asyncio.get_running_loop().create_future()
        with pytest.raises(Transient, match="the last attempt still hangs") as caught:
            await notifier.send(OPENED)
        notifier._sending.set_result(None)
        assert one.said == []
        await notifier.send(OPENED)

    assert caught.value.reason == "timeout"
    assert len(one.mails) == 1


async def test_a_closed_port_is_tried_again(tmp_path: Path) -> None:
    """Nobody listening is a connection error that names the host."""
    one = Email(tmp_path)
    async with one.running():
        table = one.table()
    with pytest.raises(Transient, match="localhost: no connection") as caught:
        await build_component(EmailNotifier, table, "x").send(OPENED)

    assert caught.value.reason == "connection"


def test_a_title_cannot_add_headers() -> None:
    """Newlines in what becomes a header are shown, not obeyed; ids are made of safe characters."""
    picture = {"title": "a\r\nBcc: evil@x.example", "id": "inc> \r\nBcc: evil@x.example"}
    notification = replace(told(TransitionKind.OPENED, **picture), key="k\r\nBcc: x")
    mail = message(notification, "a@b.example", ["c@d.example"])

    assert mail["Bcc"] is None
    assert "\\r\\nBcc" in mail["Subject"]
    assert mail["References"] == "<inc____Bcc__evil_x.example.incident@b.example>"


def test_a_title_of_many_scripts_survives() -> None:
    """A subject that is not ASCII is encoded, not refused."""
    mail = message(told(TransitionKind.OPENED, title="Ошибка 🔥"), "a@b.example", ["c@d.example"])

    assert b"=?utf-8?" in mail.as_bytes()


def test_the_end_of_an_incident_is_not_marked_urgent() -> None:
    """Only what is critical asks to be seen first."""
    resolved = told(TransitionKind.RESOLVED, state=State.RESOLVED)

    assert message(resolved, "a@b.example", ["c@d.example"])["Importance"] is None


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"username": "u"}, "password: missing; set password or password_file"),
        ({"username": "u", "password": "p", "security": "none"}, "would show the password"),
        ({"sender": "aiops"}, "sender = 'aiops'"),
        ({"to": []}, "to"),
        ({"to": ["a@b.example\nBcc: x@y.example"]}, "to"),
    ],
)
def test_what_cannot_work_is_a_problem_of_the_configuration(
    keys: dict[str, Any], problem: str
) -> None:
    """Half a login, a password in the clear and what is no address are refused at once."""
    table = {"host": "mail.example", "sender": "a@b.example", "to": ["c@d.example"]}
    with pytest.raises(ConfigError, match=problem):
        build_component(EmailNotifier, table | keys, "notifiers.email[0]")


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize(
    ("address", "why"), [("169.254.169.254", "never called"), ("127.0.0.1", "write localhost")]
)
async def test_a_name_that_leads_where_it_must_not_is_given_up(
    monkeypatch: pytest.MonkeyPatch, security: str, address: str, why: str
) -> None:
    """What a name server says is judged before anything is sent there."""
    tried: list[Any] = []
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 25))]
    monkeypatch.setattr("aiops.notifiers.email.socket.getaddrinfo", lambda *_, **__: answer)
    monkeypatch.setattr("aiops.notifiers.email.socket.create_connection", tried.append)
    table = {"host": "mail.example", "sender": "a@b.example", "to": ["c@d.example"]}
    notifier = build_component(EmailNotifier, table | {"security": security}, "email")

    with pytest.raises(Rejected, match=why) as caught:
        await notifier.send(OPENED)

    assert caught.value.reason == "address"
    assert tried == []


async def test_every_address_of_a_name_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first address does not answer, the next one does."""
    async with speaking(tmp_path) as (one, notifier):
        real = socket.getaddrinfo

        def two(host: str, *rest: Any, **more: Any) -> list[Any]:
            found = real(host, *rest, **more)
            # Nobody listens there, and it is this machine as well.
            other = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", one.port))
            return [other, *found] if host == "localhost" else found

        monkeypatch.setattr("aiops.notifiers.email.socket.getaddrinfo", two)
        await notifier.send(OPENED)

        assert len(one.mails) == 1
