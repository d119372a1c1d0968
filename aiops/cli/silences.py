"""``aiops incidents silence``: what nobody needs to hear of for a while."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiops.cli.options import (
    config_option,
    emit,
    json_option,
    note,
    settings_of,
    url_option,
    user_name,
)

if TYPE_CHECKING:
    from aiops.cli.daemon_client import DaemonClient

SEVERITIES = ("info", "warning", "error", "critical")


@click.group(epilog="Example: aiops incidents silence list")
def silence() -> None:
    """Add, list, change and expire silences.

    A silenced incident is tracked and shown, not sent; what is still open at the end is told once.
    """


@silence.command(
    "add",
    epilog="Example: aiops incidents silence add --entity 'cart*' --for 2h --reason 'load test'",
)
@click.option("--entity", default="", help="Glob over the entity or its bare name.")
@click.option("--text", default="", help="Part of, or glob over, a title, series or sample line.")
@click.option(
    "--severity", type=click.Choice(SEVERITIES), default="critical", help="The worst it hides."
)
@click.option("--for", "duration", help='How long, such as "2h".')
@click.option("--until", help="Or until when: RFC 3339 or epoch seconds.")
@click.option("--reason", required=True, help="Why.")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def add(ctx: click.Context, /, by: str, as_json: bool, **rest: Any) -> None:
    """Silence what fits all of the given matchers."""
    where = rest.pop("url"), rest.pop("config")
    body = {k: v for k, v in rest.items() if v is not None} | {"by": by or user_name()}
    said = _ask(ctx, *where, lambda daemon: daemon.post("/api/v1/silences", body))
    if as_json:
        emit(said)
    else:
        click.echo(f"{said['id']} is silent until {said['until']}")


@silence.command("list", epilog="Example: aiops incidents silence list --json")
@url_option
@config_option
@json_option
@click.pass_context
def list_(ctx: click.Context, /, url: str | None, config: Path | None, as_json: bool) -> None:
    """List what is silenced, maintenance included, and what was."""
    found = _ask(ctx, url, config, lambda daemon: daemon.get("/api/v1/silences"))["silences"]
    if as_json:
        for one in found:
            emit(one)
        return
    for one in found:
        state = "active" if one["active"] else "over  "
        about = " ".join(filter(None, (one["incident"], one["entity"], one["text"])))
        click.echo(f"{one['id']}  {state}  until {one['ends']}  {about}: {one['reason']}")


@silence.command("edit", epilog="Example: aiops incidents silence edit sil_7 --for 1h")
@click.argument("name", metavar="ID")
@click.option("--for", "duration", help='How long from now, such as "1h".')
@click.option("--until", help="Or until when: RFC 3339 or epoch seconds.")
@click.option("--reason", help="Why.")
@url_option
@config_option
@json_option
@click.pass_context
def edit(ctx: click.Context, /, name: str, **rest: Any) -> None:
    """Change the end or the reason of an active silence; nothing else of it changes."""
    _change(ctx, name, "", **rest)


@silence.command("expire", epilog="Example: aiops incidents silence expire sil_7")
@click.argument("name", metavar="ID")
@url_option
@config_option
@json_option
@click.pass_context
def expire(ctx: click.Context, /, name: str, **rest: Any) -> None:
    """End a silence now."""
    _change(ctx, name, "/expire", **rest)


def _change(
    ctx: click.Context,
    name: str,
    verb: str,
    *,
    url: str | None,
    config: Path | None,
    as_json: bool,
    **given: str | None,
) -> None:
    from aiops.cli.daemon_client import segment

    body = {k: v for k, v in given.items() if v is not None} | {"by": user_name()}
    path = f"/api/v1/silences/{segment(name)}{verb}"
    said = _ask(ctx, url, config, lambda daemon: daemon.post(path, body))
    if as_json:
        emit(said)
    else:
        click.echo(f"{said['id']} is being {'ended' if verb else 'changed'}")


def _ask(
    ctx: click.Context,
    url: str | None,
    config: Path | None,
    question: Callable[[DaemonClient], Any],
) -> Any:
    from aiops.cli.daemon_client import DaemonClient, DaemonDownError, DaemonRefusedError, where

    try:
        return question(DaemonClient(where(settings_of(config), url)))
    except (DaemonDownError, DaemonRefusedError) as e:
        note(str(e))
        ctx.exit(1)
