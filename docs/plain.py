"""Fill the numbers of the code into what ``plain.md.in`` says of detection in plain words."""

from __future__ import annotations

from pathlib import Path

from aiops.correlation.gate import YOUNG
from aiops.detection.firsts import KEEP_TELLING
from aiops.detection.flows import FEWEST_LINES, PAUSE_MEMORY, SELDOM_QUIET, USUAL_QUIET
from aiops.detection.named import MAX_NAMED
from aiops.detection.rows import EVIDENCE_FLOOR, EVIDENCE_MARGIN
from aiops.incidents.ledger import LedgerSettings
from aiops.tables import Alerting
from aiops.units import duration
from detectors.bank import SeriesBank
from detectors.bank_learn import CALM_AFTER, RAMP
from detectors.bank_look import SMALLEST_HOLD, WARMUP
from detectors.calibrate import budget_threshold
from detectors.novelty import WARMUP_WINDOWS
from detectors.season import TRUSTED
from detectors.sessions import WARMUP as SESSIONS

WEEK = 604800.0
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")

TEXT = (Path(__file__).resolve().parent / "plain.md.in").read_text(encoding="utf-8")


def plain_words() -> str:
    """Return the chapter for on-call people."""
    ledger, alerting, bank = LedgerSettings(), Alerting(), SeriesBank(max_rows=1)
    series, interval = 500, 15.0
    budget = round(alerting.budget * WEEK)
    return TEXT.format(
        warmup=WARMUP,
        trusted=NUMBERS[TRUSTED],
        ramp=_time(RAMP),
        budget=NUMBERS[budget],
        series=series,
        tests=series / interval,
        threshold=budget_threshold(alerting.budget, series / interval),
        margin=f"{EVIDENCE_MARGIN:g}",
        floor=f"{EVIDENCE_FLOOR:g}",
        young=YOUNG,
        young_metric=_time(YOUNG * interval),
        windows=WARMUP_WINDOWS,
        fewest=FEWEST_LINES,
        sessions=SESSIONS,
        flag=bank.flag,
        calm=NUMBERS[CALM_AFTER],
        accept=_time(bank.accept_after),
        hold=SMALLEST_HOLD,
        memory=_time(bank.memory),
        fresh=_time(KEEP_TELLING),
        quiet=f"{USUAL_QUIET:g}",
        seldom=f"{SELDOM_QUIET:.0%}".replace("%", " %"),
        pauses=_time(PAUSE_MEMORY),
        grace=_time(ledger.grace),
        patience=_time(ledger.patience),
        resolve=_time(alerting.resolve_after),
        named=MAX_NAMED,
    ).rstrip()


def _time(seconds: float) -> str:
    return duration(seconds)
