"""``aiops incidents``: what is open, what was, and what a person decides about it."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiops.cli.decisions import assign, merge, snooze, split
from aiops.cli.feedback import cases, feedback, note_
from aiops.cli.options import config_option, emit, json_option, note, settings_of, url_option
from aiops.cli.silences import silence

if TYPE_CHECKING:
    from aiops.config import Settings
    from aiops.model import Incident

STATES = ("candidate", "open", "acknowledged", "resolved", "closed")


@click.group(
    epilog="Example: aiops incidents list --state open",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def incidents() -> None:
    """List, show, acknowledge and resolve incidents.

    Talks to the running daemon; list and show read its saved state when it is down.
    """


for _word in (feedback, note_, cases):
    incidents.add_command(_word)


@incidents.command("list", epilog="Example: aiops incidents list --state open --json")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--candidates", is_flag=True, help="Also what nobody was told of.")
@url_option
@config_option
@json_option
def list_(
    *,
    state: str | None,
    limit: int,
    candidates: bool,
    url: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """List incidents, newest first."""
    from aiops.cli.daemon_client import DaemonClient, DaemonDownError, where

    settings = settings_of(config)
    query = f"?limit={limit}" + (f"&state={state}" if state else "")
    query += "&candidates=1" if candidates else ""
    try:
        found = DaemonClient(where(settings, url)).get(f"/api/v1/incidents{query}")["incidents"]
    except DaemonDownError as e:
        if url is not None:
            raise
        found = _saved_list(settings, str(e), state, limit, candidates=candidates)
    if as_json:
        for incident in found:
            emit(incident)
        return
    click.echo(_table(found) if found else "no incidents")


@incidents.command("show", epilog="Example: aiops incidents show inc-1a2b")
@click.argument("incident", metavar="ID")
@click.option("--postmortem", is_flag=True, help="All that is known, as Markdown to finish.")
@url_option
@config_option
@json_option
def show(
    incident: str, *, postmortem: bool, url: str | None, config: Path | None, as_json: bool
) -> None:
    """Tell the story of one incident; the beginning of its ID is enough."""
    from aiops.cli.daemon_client import DaemonClient, DaemonDownError, segment, where

    settings = settings_of(config)
    try:
        client = DaemonClient(where(settings, url))
        place = segment(incident) + ("/postmortem" if postmortem else "")
        found = client.get(f"/api/v1/incidents/{place}")
    except DaemonDownError as e:
        if url is not None:
            raise
        found = _saved_one(settings, str(e), incident)
    told, markdown = found.pop("story", ""), found.pop("markdown", "")
    words = markdown if postmortem else told
    if as_json:
        emit(found | ({"markdown": markdown} if postmortem else {}))
    else:
        click.echo(words)


@incidents.command("ack", epilog="Example: aiops incidents ack inc-1a2b --by kim")
@click.argument("incident", metavar="ID")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def ack(ctx: click.Context, /, incident: str, by: str, **rest: Any) -> None:
    """Say that somebody looks after an incident."""
    _act(ctx, "ack", incident, by, **rest)


@incidents.command("resolve", epilog="Example: aiops incidents resolve inc-1a2b")
@click.argument("incident", metavar="ID")
@click.option("--fix", default="", help="What fixed it: shown when something alike happens.")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def resolve(ctx: click.Context, /, incident: str, by: str, fix: str, **rest: Any) -> None:
    """Say that an incident is over, and what fixed it."""
    _act(ctx, "resolve", incident, by, fix=fix, **rest)


for _command in (snooze, assign, merge, split, silence):
    incidents.add_command(_command)


def _act(
    ctx: click.Context,
    verb: str,
    incident: str,
    by: str,
    *,
    url: str | None,
    config: Path | None,
    as_json: bool,
    fix: str = "",
) -> None:
    from aiops.cli.daemon_client import (
        DaemonClient,
        DaemonDownError,
        DaemonRefusedError,
        segment,
        where,
    )

    client = DaemonClient(where(settings_of(config), url))
    try:
        body = {"by": by or _user()} | ({"note": fix} if fix else {})
        said = client.post(f"/api/v1/incidents/{segment(incident)}/{verb}", body)
    except (DaemonDownError, DaemonRefusedError) as e:
        note(str(e))
        ctx.exit(1)
    if as_json:
        emit(said)
    else:
        done = {"ack": "acknowledged", "resolve": "resolved"}[verb]
        click.echo(f"{said['id']} is being {done}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


# --- when the daemon is down ----------------------------------------------------------------


def _saved(settings: Settings, problem: str, states: Sequence[str], limit: int) -> list[Incident]:
    from aiops.model import State
    from aiops.storage import Store, resolve_directory

    path = resolve_directory(settings.state.directory, os.environ)
    note(f"{problem.partition(';')[0]}: this is the state saved in {path}")

    def report(event: str, reason: str, count: int = 1, **facts: object) -> None:
        shown = " ".join(f"{name}={value}" for name, value in facts.items())
        note(f"{event} ({reason}), {count} times {shown}")

    with closing(Store.read_only(path, report)) as store:
        return store.history.incidents(limit=limit, states=[State(s) for s in states])


def _saved_list(
    settings: Settings, problem: str, state: str | None, limit: int, *, candidates: bool
) -> list[dict[str, Any]]:
    from aiops.wire import to_json

    wanted = [state] if state else [s for s in STATES if candidates or s != "candidate"]
    return [to_json(incident) for incident in _saved(settings, problem, wanted, limit)]


def _saved_one(settings: Settings, problem: str, wanted: str) -> dict[str, Any]:
    from aiops.errors import StateError
    from aiops.incidents.explanation import explained, weighed
    from aiops.incidents.postmortem import postmortem
    from aiops.web.words import tell
    from aiops.wire import series_json, to_json

    found = [i for i in _saved(settings, problem, STATES, 100_000) if i.id.startswith(wanted)]
    exact = [i for i in found if i.id == wanted]
    if len(exact or found) != 1:
        many = f"{len(found)} incidents begin with" if found else "no incident"
        raise StateError(f"{many} {wanted!r}; see aiops incidents list")
    (incident,) = exact or found
    story = tell(incident, settings.topology.calls, time.time())
    evidence = [explained(anomaly) for anomaly in incident.anomalies]
    points = weighed(incident)
    more = {"series": series_json(incident), "evidence": evidence, "severity_points": points}
    more |= {"story": story}
    return to_json(incident) | more | {"markdown": postmortem(incident)}


# --- words ----------------------------------------------------------------------------------


def _table(found: list[dict[str, Any]]) -> str:
    rows = [("ID", "STATE", "SEVERITY", "OPENED", "TITLE")]
    rows += [(i["id"], i["state"], i["severity"], i["opened_at"], i["title"]) for i in found]
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]])
        for row in rows
    )
