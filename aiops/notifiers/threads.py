"""Run what blocks in a thread that the end of the process does not wait for."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(
    work: Callable[[], None], name: str, catch: tuple[type[Exception], ...]
) -> asyncio.Future[None]:
    """Start *work* and return its future; only what is in *catch* reaches whoever waits."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
            done.exception()  # somebody may have stopped waiting: it counts as seen

    def run() -> None:
        error: Exception | None = None
        try:
            work()
        except catch as e:
            error = e
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return done
