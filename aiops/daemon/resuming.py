"""Go on from the last cut: models, positions, and what came after it."""

from __future__ import annotations

from aiops.engine import Engine
from aiops.model import Command, Incident, State
from aiops.pump import Pump
from aiops.storage import JournalEntry, Report, Store

DOWNTIME = 900.0  # after a pause this long the backlog is learned first, then told
_PAGE = 1000


def resume(
    engine: Engine, pump: Pump, store: Store, *, now: float, news_from: str, report: Report
) -> list[str]:
    """Load the last cut into an engine and its pump; return the names of what starts cold.

    Runs on the writer thread, before the pump is started.
    """
    cut = store.cuts.load()
    saved = now
    if cut is None:
        cold = ["everything"]
    else:
        cold = engine.restore(cut.sections)
        for part in cold:
            report("state.cold", part)
        pump.cursors = dict(cut.cursors)
        pump.command_seq, pump.journal_seq = cut.command_seq, cut.journal_seq
        newest = store.cuts.saved_at()
        saved = 0.0 if newest is None else newest
    old = cut is None or now - saved > DOWNTIME or not engine.caught_up
    if old and news_from == "start":
        # What is old may take as long to come by as one stream is waited for.
        engine.late_news(now + engine.settings.hold)
    engine.expect(told_and_open(store))
    pump.remember(_journal(store, pump.journal_seq), _commands(store, pump.command_seq))
    return cold


def told_and_open(store: Store) -> list[Incident]:
    """Return the incidents that people were told of and that have not ended for them."""
    states = (State.OPEN, State.ACKNOWLEDGED)
    return [i for i in store.history.incidents(states=states, limit=1000) if i.told]


def _journal(store: Store, seq: int) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    while page := store.inputs.journal_after(found[-1].seq if found else seq, _PAGE):
        found += page
    return found


def _commands(store: Store, seq: int) -> list[Command]:
    found: list[Command] = []
    while page := store.inputs.commands_after(found[-1].seq if found else seq, _PAGE):
        found += page
    return found
