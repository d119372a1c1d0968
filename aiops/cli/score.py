"""``aiops score``: how surprising each row of a metric, or each session of events, is."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from aiops.cli.options import config_option, emit, json_option, note, plural, settings_of

if TYPE_CHECKING:
    from detectors.base import Score

HEADER: Final = ("timestamp", "value", "expected", "low", "high", "surprise", "anomaly")


class Row(NamedTuple):
    """One row of a metric file: its cells as they stood there, and what they mean."""

    number: int
    timestamp: str
    value: str
    at: float
    measured: float | None
    problem: str = ""


@click.command(
    epilog="Example: aiops score cpu.csv --plot cpu.svg"
    "    aiops score --log hdfs.log --session 'blk_-?\\d+'"
)
@click.argument("file", required=False)
@click.option(
    "--alpha",
    type=float,
    help="Surprise from which a row is an anomaly; default: 3, for sessions 2.5.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw OUT.svg or OUT.html.")
@click.option("--log", "log", metavar="FILE", help="Score sessions of a log file.")
@click.option("--session", metavar="REGEX", help="What names a session in a line of --log.")
@click.option("--sequences", metavar="FILE", help="Score rows of a CSV with a column event_ids.")
@click.option("--anomalies", is_flag=True, help="Print only odd sessions, the oddest first.")
@config_option
@json_option
def score(
    *,
    file: str | None,
    alpha: float | None,
    plot: Path | None,
    log: str | None,
    session: str | None,
    sequences: str | None,
    anomalies: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Score a metric file (CSV with timestamp,value; "-" is stdin), row by row, online.

    Prints one row for every row read, in order: timestamp, value, expected, low, high, surprise
    (-log10 of the tail probability; empty while warming up) and anomaly (1 where surprise
    reaches alpha and the incident was not told before). An empty value is a gap.

    With --log and --session, or --sequences: one row for every session, judged when it ended by
    those that ended before: its surprise and, for an anomaly, what is odd about it. Exit code 0
    says that all was read, whatever was found.
    """
    if config is not None:
        settings_of(config)
    if alpha is not None and not (math.isfinite(alpha) and alpha > 0):
        raise click.BadParameter(
            f"{alpha} is no surprise; give a positive number", param_hint="--alpha"
        )
    if sum(given is not None for given in (file, log, sequences)) != 1:
        raise click.UsageError("give one of FILE.csv, --log FILE and --sequences FILE.csv")
    if (log is None) != (session is None):
        raise click.UsageError("--log and --session belong together")
    if plot is not None and (file is None or plot.suffix not in (".svg", ".html")):
        raise click.BadParameter(
            f"{plot}: draws a metric file as .svg or .html", param_hint="--plot"
        )
    if anomalies and file is not None:
        raise click.UsageError("--anomalies is for sessions: give --log or --sequences")
    if file is not None:
        _score_metric(file, alpha, plot, as_json=as_json)
        return
    from aiops.cli.sessions import score_log, score_sequences

    if log is not None and session is not None:
        score_log(log, session, alpha, only=anomalies, as_json=as_json)
    elif sequences is not None:
        score_sequences(sequences, alpha, only=anomalies, as_json=as_json)


def _score_metric(file: str, alpha: float | None, plot: Path | None, *, as_json: bool) -> None:
    from aiops.cli.inputs import STDIN, text_lines
    from aiops.cli.plot import Drawing
    from detectors.series import ALPHA, score_rows

    drawing = Drawing() if plot is not None else None
    problems: list[str] = []
    bad = count = 0
    waiting: list[Row] = []

    def fed(rows: Iterator[Row]) -> Iterator[tuple[float, float | None]]:
        for row in rows:
            waiting.append(row)
            yield row.at, row.measured

    with text_lines(file) as lines:
        if not as_json:
            sys.stdout.write(",".join(HEADER) + "\n")
        for result, anomaly in score_rows(
            fed(_rows(lines, file)), alpha=ALPHA if alpha is None else alpha
        ):
            row = waiting.pop()
            count += 1
            if row.problem:
                bad += 1
                problems = problems or [f"line {row.number}: {row.problem}"]
            _print(row, result, anomaly=anomaly, as_json=as_json)
            if file == STDIN:
                sys.stdout.flush()
            if drawing is not None:
                drawing.add(row.at, row.measured, result, anomaly=anomaly)
    if bad:
        note(f"{file}: {plural(bad, 'row')} of {count} kept as a gap ({problems[0]})")
    if plot is not None and drawing is not None:
        _save(plot, drawing)


def _save(plot: Path, drawing: object) -> None:
    from aiops.cli.inputs import InputError
    from aiops.cli.plot import Drawing, render_plot

    assert isinstance(drawing, Drawing)
    try:
        plot.write_text(render_plot(drawing.rows(), plot.suffix[1:]), encoding="utf-8")
    except OSError as e:
        raise InputError(f"--plot = {str(plot)!r}: cannot be written ({e.strerror})") from e


def _rows(lines: Iterator[str], file: str) -> Iterator[Row]:
    """Yield every row, readable or not; a first line of names says which column is which."""
    from aiops.cli.inputs import InputError, cells

    first = next(lines, None)
    if first is None:
        return
    names = [cell.strip().lower() for cell in cells(first)]
    when, what = 0, 1
    if "timestamp" in names and "value" in names:
        when, what = names.index("timestamp"), names.index("value")
    elif _row(1, cells(first), 0, 1).problem:
        raise InputError(f"{file}: first line {first[:80]!r}; name the columns timestamp,value")
    else:
        yield _row(1, cells(first), 0, 1)
    for number, line in enumerate(lines, start=2):
        # An empty line is no row; one that holds a comma is.
        if line.strip():
            yield _row(number, cells(line), when, what)


def _row(number: int, parts: list[str], when: int, what: int) -> Row:
    from aiops.moments import read_time

    timestamp = parts[when].strip() if when < len(parts) else ""
    value = parts[what].strip() if what < len(parts) else ""
    at = read_time(timestamp)
    if at is None:
        return Row(number, timestamp, value, math.nan, None, f"timestamp {timestamp[:40]!r}")
    if not value:
        problem = "" if what < len(parts) else "no value column"
        return Row(number, timestamp, value, at, None, problem)
    try:
        measured = float(value)
    except ValueError:
        return Row(number, timestamp, value, at, None, f"value {value[:40]!r}")
    if math.isnan(measured):
        return Row(number, timestamp, value, at, None)
    if not abs(measured) <= 1e100:
        return Row(number, timestamp, value, at, None, f"value {value[:40]!r} is not finite")
    return Row(number, timestamp, value, at, measured)


def _print(row: Row, result: Score, *, anomaly: bool, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "timestamp": row.timestamp,
                "value": row.measured,
                "expected": result.expected,
                "low": result.low,
                "high": result.high,
                "surprise": result.value,
                "anomaly": int(anomaly),
            }
        )
        return
    numbers = (result.expected, result.low, result.high)
    sys.stdout.write(
        f"{quoted(row.timestamp)},{quoted(row.value)},"
        f"{','.join('' if n is None else f'{n:.10g}' for n in numbers)},"
        f"{surprise_text(result.value)},{int(anomaly)}\n"
    )


def surprise_text(value: float | None) -> str:
    """Return a surprise as a cell: empty when it is not known."""
    return "" if value is None else f"{value:.6f}"


def quoted(cell: str) -> str:
    """Return a cell as CSV wants it."""
    if any(mark in cell for mark in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
