"""``aiops incidents snooze | assign | merge | split``: what a person decides about an incident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


@click.command(epilog="Example: aiops incidents snooze inc_1a2b 1h")
@click.argument("incident", metavar="ID")
@click.argument("duration")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def snooze(
    ctx: click.Context,
    /,
    incident: str,
    duration: str,
    **rest: Any,
) -> None:
    """Hear nothing of an incident for DURATION, unless it gets worse."""
    words = f"is quiet for {duration}"
    decide(ctx, incident, "snooze", {"duration": duration}, words, **rest)


@click.command(epilog="Example: aiops incidents assign inc_1a2b lee")
@click.argument("incident", metavar="ID")
@click.argument("name")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def assign(
    ctx: click.Context,
    /,
    incident: str,
    name: str,
    **rest: Any,
) -> None:
    """Give an incident to NAME; an empty one takes it back."""
    words = f"is being assigned to {name or 'nobody'}"
    decide(ctx, incident, "assign", {"to": name}, words, **rest)


@click.command(epilog="Example: aiops incidents merge inc_1a2b inc_3c4d")
@click.argument("incident", metavar="ID")
@click.argument("into", metavar="INTO")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def merge(
    ctx: click.Context,
    /,
    incident: str,
    into: str,
    **rest: Any,
) -> None:
    """Let an incident go on in another one."""
    words = f"is being merged into {into}"
    decide(ctx, incident, "merge", {"into": into}, words, **rest)


@click.command(epilog="Example: aiops incidents split inc_1a2b service:mail")
@click.argument("incident", metavar="ID")
@click.argument("entity")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def split(
    ctx: click.Context,
    /,
    incident: str,
    entity: str,
    **rest: Any,
) -> None:
    """Make what ENTITY shows an incident of its own."""
    words = f"is being split from {entity}"
    decide(ctx, incident, "split", {"entity": entity}, words, **rest)


def decide(
    ctx: click.Context,
    incident: str,
    verb: str,
    body: dict[str, str],
    words: str,
    *,
    by: str,
    url: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Ask the daemon; end with exit code 1 when it is down or says no."""
    from aiops.cli.daemon_client import (
        DaemonClient,
        DaemonDownError,
        DaemonRefusedError,
        segment,
        where,
    )

    body["by"] = by or user_name()
    client = DaemonClient(where(settings_of(config), url))
    try:
        said = client.post(f"/api/v1/incidents/{segment(incident)}/{verb}", body)
    except (DaemonDownError, DaemonRefusedError) as e:
        note(str(e))
        ctx.exit(1)
    if as_json:
        emit(said)
    else:
        click.echo(f"{said['id']} {words}")
