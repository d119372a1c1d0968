"""The few contracts between the shelves and the rim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiops.model import Item, Notification, Stream


class Intake(Protocol):
    """What the daemon (or a test) hands a source to deliver into."""

    def now(self) -> float:
        """Return the wall clock in epoch seconds; a source reads no other clock."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a test's intake returns at once and moves its clock."""
        ...

    def resume(self, stream_id: str) -> str | None:
        """Return the cursor saved for a stream at the last cut, ``None`` when it is new."""
        ...

    def resumable(self, prefix: str) -> Sequence[str]:
        """Return the ids of all streams with a saved cursor whose id starts with *prefix*."""
        ...

    def stops(self, stream_id: str) -> Sequence[str]:
        """Return saved cursors at which a block must end when it is read again."""
        ...

    async def put(self, item: Item) -> None:
        """Hand one item over; waits while the engine's queue is full (that is backpressure)."""
        ...

    def forget(self, stream: Stream) -> None:
        """Say that a stream is gone for good: its cursor may be dropped at the next cut."""
        ...

    def report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        """Tell telemetry that something was dropped, cut, skipped or lost, and how often."""
        ...


class Source(Protocol):
    """Read one kind of input for ever; its constructor's fields are its configuration.

    The daemon calls ``run`` once, in a task, and again after a pause when it raises
    ``SourceGone`` or ``OSError``. Cancellation ends it. A source that ends by itself (stdin at
    end of input) returns.
    """

    async def run(self, intake: Intake) -> None: ...


class Notifier(Protocol):
    """Send one notification to one place; its constructor's fields are its configuration.

    The dispatcher calls ``send`` one at a time and in order, with a deadline around it. Raise
    ``Transient`` to be called again, ``Rejected`` to give up; anything else is a defect.
    """

    @property
    def name(self) -> str: ...

    async def send(self, notification: Notification) -> str | None:
        """Deliver; return the receiver's own name of the message where it can be changed later.

        The next message of the same incident to this receiver brings it as ``receipt``.
        """
        ...
