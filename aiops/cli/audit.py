"""``aiops audit``: who decided, did and was told what, and whether anybody changed that since."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import click

from aiops.cli.options import config_option, emit, json_option, note, plural, settings_of


@click.group(
    epilog="Example: aiops audit verify",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def audit() -> None:
    """Check the chain of everything that was decided, done and told.

    Reads the state directory, also beside a running daemon.
    """


@audit.command("verify", epilog="Example: aiops audit verify -c /etc/aiops/aiops.toml")
@config_option
@json_option
@click.pass_context
def verify(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Say whether every row is as it was written.

    Exit code 0 when it is, 1 when a row was altered or taken out, 2 when there is no state.
    """
    from aiops.storage import Store, StoreError, resolve_directory

    path = resolve_directory(settings_of(config).state.directory, os.environ)
    with closing(Store.read_only(path, _report)) as store:
        try:
            broken, count = store.history.audit_broken_at(), store.history.audit_count()
        except StoreError as e:
            note(f"audit: cannot be read to its end: {e}")
            ctx.exit(1)
    if as_json:
        emit({"ok": broken is None, "rows": count, "broken_at": broken})
    elif broken is None:
        click.echo(f"{plural(count, 'row')}, each as it was written")
    else:
        click.echo(f"row {broken} was altered or taken out; what comes after it proves nothing")
    ctx.exit(0 if broken is None else 1)


def _report(event: str, reason: str, count: int = 1, **_: object) -> None:
    note(f"{event} ({reason}), {count} times")
