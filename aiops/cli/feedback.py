"""``aiops incidents feedback | note | cases``: what people say, and what is remembered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiops.cli.options import (
    config_option,
    emit,
    json_option,
    note,
    plural,
    settings_of,
    url_option,
    user_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

VERDICTS = ("useful", "noise", "wrong-cause", "expected-until")
_AT_ONCE = 50  # cases in one request


@click.command(
    epilog="Example: aiops incidents feedback inc_1a2b wrong-cause service:db",
)
@click.argument("incident", metavar="ID")
@click.argument("verdict", type=click.Choice(VERDICTS))
@click.argument("detail", metavar="[CAUSE|DATE]", default="")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def feedback(
    ctx: click.Context, /, incident: str, verdict: str, detail: str, by: str, **rest: Any
) -> None:
    """Judge an incident: it weighs on the next ones.

    noise silences this pattern on these entities, wrong-cause CAUSE names what it was,
    expected-until DATE keeps quiet until then, useful takes noise back.
    """
    needs = {"wrong-cause": "cause", "expected-until": "until"}.get(verdict)
    if (needs is None) == bool(detail):
        raise click.UsageError(
            f"{verdict} takes nothing more" if needs is None else f"{verdict} needs a {needs}"
        )
    body = {"verdict": verdict} | ({needs: detail} if needs else {})
    said = _post(ctx, f"incidents/{_segment(incident)}/feedback", body, by, **rest)
    _say(said, f"{said['id']}: {verdict} is noted", as_json=rest["as_json"])


@click.command("note", epilog='Example: aiops incidents note inc_1a2b "rolled back v42"')
@click.argument("incident", metavar="ID")
@click.argument("text")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def note_(ctx: click.Context, /, incident: str, text: str, by: str, **rest: Any) -> None:
    """Say what fixed an incident: shown when something alike happens."""
    said = _post(ctx, f"incidents/{_segment(incident)}/note", {"text": text}, by, **rest)
    _say(said, f"{said['id']}: noted", as_json=rest["as_json"])


@click.group(epilog="Example: aiops incidents cases export > cases.ndjson")
def cases() -> None:
    """Export, import, forget and redact what is remembered of ended incidents."""


@cases.command("export", epilog="Example: aiops incidents cases export > cases.ndjson")
@url_option
@config_option
def export(*, url: str | None, config: Path | None) -> None:
    """Write every case as one JSON object a line."""
    from aiops.cli.daemon_client import DaemonClient, where

    found = DaemonClient(where(settings_of(config), url)).get("/api/v1/cases")["cases"]
    for case in found:
        emit(case)


@cases.command("import", epilog="Example: aiops incidents cases import cases.ndjson")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def import_(ctx: click.Context, /, path: Path, by: str, **rest: Any) -> None:
    """Take in cases that were exported, here or elsewhere."""
    taken = 0
    for some in _batches(path):
        taken += int(_post(ctx, "cases", {"cases": some}, by, **rest)["cases"])
    _say({"cases": taken}, f"{plural(taken, 'case')} taken in", as_json=rest["as_json"])


@cases.command("forget", epilog="Example: aiops incidents cases forget inc_1a2b")
@click.argument("case", metavar="ID")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def forget(ctx: click.Context, /, case: str, by: str, **rest: Any) -> None:
    """Drop a case for good; the incident itself stays in the history."""
    said = _post(ctx, f"cases/{_segment(case)}/forget", {}, by, **rest)
    _say(said, f"{said['id']} is being forgotten", as_json=rest["as_json"])


@cases.command("redact", epilog="Example: aiops incidents cases redact inc_1a2b")
@click.argument("case", metavar="ID")
@click.option("--by", default="", help="Who; default: the user at this terminal.")
@url_option
@config_option
@json_option
@click.pass_context
def redact(ctx: click.Context, /, case: str, by: str, **rest: Any) -> None:
    """Take title and fix note out of a case; what was seen where stays."""
    said = _post(ctx, f"cases/{_segment(case)}/redact", {}, by, **rest)
    _say(said, f"{said['id']} is being redacted", as_json=rest["as_json"])


def _post(
    ctx: click.Context,
    path: str,
    body: dict[str, Any],
    by: str,
    *,
    url: str | None,
    config: Path | None,
    **_: Any,
) -> dict[str, Any]:
    from aiops.cli.daemon_client import DaemonClient, DaemonDownError, DaemonRefusedError, where

    client = DaemonClient(where(settings_of(config), url))
    try:
        said: dict[str, Any] = client.post(f"/api/v1/{path}", body | {"by": by or user_name()})
    except (DaemonDownError, DaemonRefusedError) as e:
        note(str(e))
        ctx.exit(1)
    return said


def _batches(path: Path) -> Iterator[list[Any]]:
    import msgspec

    some: list[Any] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                some.append(msgspec.json.decode(line))
            except msgspec.DecodeError:
                raise click.UsageError(
                    f"{path}:{number}: no JSON; give what cases export wrote"
                ) from None
            if len(some) == _AT_ONCE:
                yield some
                some = []
    if some:
        yield some


def _segment(text: str) -> str:
    from aiops.cli.daemon_client import segment

    return segment(text)


def _say(value: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        emit(value)
    else:
        click.echo(words)
