"""Speak to the service manager: ready, status, stopping, watchdog (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


def notify(message: str, env: Mapping[str, str] = os.environ) -> bool:
    """Send one datagram to ``$NOTIFY_SOCKET``; returns whether somebody listens."""
    path = env.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(message.encode(), address)
        return True
    return False


def watchdog_interval(env: Mapping[str, str] = os.environ) -> float | None:
    """Return how often to say ``WATCHDOG=1`` in seconds, ``None`` when nobody asked."""
    value = env.get("WATCHDOG_USEC", "")
    return int(value) / 2e6 if value.isdigit() and int(value) > 0 else None
