"""`aiops replay`: the same engine over history."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiops.model import Incident, Transition
    from aiops.replay import History, Outcome


@click.command(
    name="replay",
    short_help="Run the engine over history and print incidents.",
    epilog="Example: aiops replay --logs '/var/log/shop/*.log' --metrics shop.csv --json",
)
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Configuration (TOML).")
@click.option("--logs", multiple=True, help="Log file or glob; service=NAME:PATH sets the entity.")
@click.option("--metrics", multiple=True, help="CSV file or glob (wide or timestamp,series,value).")
@click.option("--changes", multiple=True, help="JSON lines {at, kind, entity, title}.")
@click.option("--alerts", multiple=True, help="JSON lines {at, status, labels, annotations}.")
@click.option("--json", "as_json", is_flag=True, help="One incident a line on stdout.")
@click.option("--candidates", is_flag=True, help="Show what never became an incident, too.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="OUT.html",
    help="Write one page with everything: plots, samples, suspects, near misses.",
)
@click.option("--fail-on-incident", is_flag=True, help="Exit 1 when an incident was told.")
@click.argument("paths", nargs=-1)
def replay(
    config: Path | None,
    logs: tuple[str, ...],
    metrics: tuple[str, ...],
    changes: tuple[str, ...],
    alerts: tuple[str, ...],
    *,
    as_json: bool,
    candidates: bool,
    report: Path | None,
    fail_on_incident: bool,
    paths: tuple[str, ...],
) -> None:
    """Replay logs, metrics and changes through the engine, as fast as it goes."""
    if not (logs or metrics or paths or alerts):
        raise click.UsageError("nothing to replay; give --logs, --metrics or PATHs")
    from aiops.assembly import engine_settings
    from aiops.config import load_settings
    from aiops.engine import Engine
    from aiops.replay import History
    from aiops.replay import replay as play

    settings = load_settings(config)
    engine = Engine(engine_settings(settings))
    history = History((*logs, *paths), metrics, changes, alerts)
    outcome = play(history, engine)
    shown = sorted(outcome.incidents.values(), key=lambda i: (i.opened_at, i.id))
    if candidates:
        known = {i.id for i in shown}
        shown += [i for i in outcome.candidates if i.id not in known]
    if report is not None:
        _report(report, history, outcome, engine.ledger.passed.pictures)
    if as_json:
        _json(shown)
    else:
        _text(shown, outcome.transitions, settings.topology.calls)
    for what, n in sorted(outcome.skipped.items()):
        click.echo(f"aiops: {n} x {what}", err=True)
    if not as_json:
        still = f"; still warming up: {', '.join(w)}" if (w := engine.young()) else ""
        click.echo(
            f"{outcome.lines} lines, {outcome.points} values, {len(shown)} incidents{still}",
            err=True,
        )
    if fail_on_incident and any(i.told for i in outcome.incidents.values()):
        sys.exit(1)


def _report(path: Path, history: History, outcome: Outcome, passed: Sequence[Incident]) -> None:
    from aiops.cli.evidence import collect, wanted
    from aiops.cli.report import page
    from aiops.replay import metric_points

    told = sorted(outcome.incidents.values(), key=lambda i: (i.opened_at, i.id))
    windows = wanted(told)
    plots = collect(metric_points(history), windows) if windows else {}
    known = {i.id for i in told}
    near = {i.id: i for i in (*passed, *outcome.candidates) if i.id not in known}
    try:
        path.write_text(
            page(told, list(near.values()), plots, lines=outcome.lines, points=outcome.points),
            encoding="utf-8",
        )
    except OSError as e:
        raise click.UsageError(f"--report {path}: cannot be written ({e.strerror or e})") from e


def _json(shown: list[Incident]) -> None:
    import msgspec

    from aiops.wire import to_json

    for incident in shown:
        click.echo(msgspec.json.encode(to_json(incident)).decode())


def _text(
    shown: list[Incident], transitions: list[Transition], calls: Mapping[str, Sequence[str]]
) -> None:
    from aiops.incidents.story import story
    from aiops.model import Transition, TransitionKind

    kinds = {t.incident.id: t.kind for t in transitions}
    for incident in shown:
        kind = kinds.get(incident.id, TransitionKind.OPENED)
        told = Transition(kind, incident, incident.resolved_at or incident.updated_at)
        click.echo(story(told, calls=calls))
        click.echo()
