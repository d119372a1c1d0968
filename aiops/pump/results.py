"""What comes back from the engine thread."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from aiops.errors import AiopsError
from aiops.model import Block, Changes, Cut, Incident, Points, Transition

ITEM_BYTES = 200  # what anything but a block or points weighs in the queue


class EngineDiedError(AiopsError):
    """Restart: the engine met a defect; what was saved before it is whole."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine thread hands back: transitions, or a cut; neither says that it ended."""

    transitions: tuple[Transition, ...] = ()
    cut: Cut | None = None
    pause: float = 0.0
    wanted_by: asyncio.Future[None] | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A picture of the engine for those who ask, renewed about once a second."""

    incidents: tuple[Incident, ...] = ()
    templates: int = 0
    series: int = 0
    streams: int = 0
    open_windows: int = 0
    waiting: int = 0
    clock: float = -math.inf
    threshold: float = 0.0
    tests_per_second: float = 0.0
    calls: tuple[tuple[str, str, float], ...] = ()  # learned: caller, callee, how many were seen


def resolve(done: asyncio.Future[Any], answer: object) -> None:
    if not done.done():
        done.set_result(answer)


def weight_of(item: Any) -> int:
    if isinstance(item, Block):
        return len(item.data) + ITEM_BYTES
    if isinstance(item, Points):
        return item.values.nbytes + ITEM_BYTES
    if isinstance(item, Changes):
        return (len(item.events) + 1) * ITEM_BYTES
    return ITEM_BYTES
