"""The service manager hears us when there is one, and nobody minds when there is none."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from aiops.systemd import notify, watchdog_interval


def test_a_message_arrives_as_one_datagram(tmp_path: Path) -> None:
    """What is notified is what the socket receives."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        assert notify("READY=1\nSTATUS=ok", {"NOTIFY_SOCKET": path})
        assert listener.recv(100) == b"READY=1\nSTATUS=ok"


def test_an_abstract_socket_works() -> None:
    """A name that begins with @ lives outside the file system."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")
        name = listener.getsockname()[1:].decode()
        assert notify("STOPPING=1", {"NOTIFY_SOCKET": "@" + name})
        assert listener.recv(100) == b"STOPPING=1"


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a socket, or with a dead one, nothing happens."""
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})


@pytest.mark.parametrize(
    ("value", "expected"), [("2000000", 1.0), ("0", None), ("", None), ("soon", None)]
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(value: str, expected: float | None) -> None:
    """Half the interval leaves room for one late beat."""
    assert watchdog_interval({"WATCHDOG_USEC": value}) == expected
    assert watchdog_interval({}) is None
