"""Choose which waiting message is tried next: in order, but one bad message stops only itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiops.storage import Waiting


@dataclass(frozen=True, slots=True)
class Choice:
    """Name the message to try now, or until when there is none.

    ``around`` is the message this one overtakes, as a probe: it keeps failing, and only another
    one that passes can tell a bad message from a dead receiver. ``until`` is ``None`` when
    nothing waits at all.
    """

    item: Waiting | None
    around: Waiting | None = None
    until: float | None = None


@dataclass(slots=True)
class Order:
    """Keep the order of one receiver.

    Messages go strictly one after the other. When one failed *patience* times, one message of
    another incident is tried between its retries; if that passes, the failing incident steps
    aside until it passes itself. While the receiver is down nothing overtakes anything.
    """

    patience: int = 5
    _aside: set[str] = field(default_factory=set)
    _probed: tuple[str, int] | None = None

    def pick(self, items: Sequence[Waiting], now: float) -> Choice:
        """Choose from all *items* that wait, oldest first."""
        until: float | None = None
        stuck: Waiting | None = None
        others: list[Waiting] = []
        for item in _first_of_each_incident(items):
            if _incident(item) in self._aside:
                if item.next_at <= now and stuck is None:
                    return Choice(item)
                until = _sooner(until, item)
                continue
            if stuck is not None:
                if item.next_at <= now:
                    others.append(item)
                continue
            if item.next_at <= now:
                return Choice(item)
            until = _sooner(until, item)
            if item.attempts < self.patience or self._probed == (_key(item), item.attempts):
                break
            stuck = item
        if others:
            # The least tried one: two bad messages must not keep a third from being heard.
            return Choice(min(others, key=lambda item: item.attempts), around=stuck)
        return Choice(None, until=until)

    def passed(self, choice: Choice) -> bool:
        """Note that the receiver answered; return whether an incident stepped aside by it."""
        if choice.item is not None:
            self._aside.discard(_incident(choice.item))
        if choice.around is None:
            return False
        self._aside.add(_incident(choice.around))
        return True

    def failed(self, choice: Choice) -> None:
        """Note that the receiver did not answer: a probe is not repeated before the next retry."""
        if choice.around is not None:
            self._probed = (_key(choice.around), choice.around.attempts)

    def forget_others(self, items: Sequence[Waiting]) -> None:
        """Drop what is remembered of incidents for which nothing waits any more."""
        self._aside &= {_incident(item) for item in items}


def _first_of_each_incident(items: Sequence[Waiting]) -> Iterator[Waiting]:
    seen: set[str] = set()
    for item in items:
        incident = _incident(item)
        if incident not in seen:
            seen.add(incident)
            yield item


def _incident(item: Waiting) -> str:
    return item.notification.transition.incident.id


def _key(item: Waiting) -> str:
    return item.notification.key


def _sooner(until: float | None, item: Waiting) -> float:
    return item.next_at if until is None else min(until, item.next_at)
