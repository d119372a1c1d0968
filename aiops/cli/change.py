"""``aiops change``: tell the daemon what somebody changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aiops.cli.options import config_option, emit, json_option, note, settings_of, url_option


@click.command(epilog='Example: aiops change "cart 2.4.1" --entity service:cart')
@click.argument("title")
@click.option("--entity", required=True, help="What was changed: NAME or KIND:NAME.")
@click.option("--kind", default="deploy", show_default=True, help="deploy, config, flag, model …")
@click.option("--at", help="When, RFC 3339 or epoch seconds; default: now.")
@url_option
@config_option
@json_option
@click.pass_context
def change(
    ctx: click.Context,
    /,
    *,
    title: str,
    entity: str,
    kind: str,
    at: str | None,
    url: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Tell the running daemon of a deploy or another change.

    Exit code 1 when the daemon is not reachable or refuses.
    """
    from aiops.cli.daemon_client import DaemonClient, DaemonDownError, DaemonRefusedError, where

    body: dict[str, Any] = {"title": title, "entity": entity, "kind": kind}
    if at is not None:
        body["at"] = _checked(at)
    client = DaemonClient(where(settings_of(config), url))
    try:
        said = client.post("/api/v1/changes", body)
    except (DaemonDownError, DaemonRefusedError) as e:
        note(str(e))
        ctx.exit(1)
    if as_json:
        emit(said)
    else:
        click.echo(f"noted: {said['kind']} of {said['entity']} at {said['at']}")


def _checked(at: str) -> str:
    from aiops.moments import read_time

    if read_time(at) is None:
        raise click.BadParameter(f"{at!r} is neither RFC 3339 nor epoch seconds", param_hint="--at")
    return at
