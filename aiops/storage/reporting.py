"""The one way the state and the delivery tell telemetry what happened."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Take one named fact; the signature is ``Intake.report``'s.

    Called from whatever thread found the fact, as often as it happens; it must not block.
    """

    def __call__(self, event: str, reason: str, count: int = 1, **facts: object) -> None: ...
