"""``aiops check``: every problem of a configuration, and what it would do."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiops.cli.options import config_option, emit, json_option, plural

if TYPE_CHECKING:
    from aiops.assembly import Plan

SHOWN = 20


@click.command(epilog="Example: aiops check -c /etc/aiops/aiops.toml")
@config_option
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_context
def check(ctx: click.Context, config: Path | None, file: Path | None, as_json: bool) -> None:
    """Check a configuration; print what it would do, or every problem at once.

    Exit code 0 when it would start, 2 when it has a problem. Nothing is started or sent.
    """
    plan, problems = examine(config or file)
    if plan is None or problems:
        for problem in problems:
            if as_json:
                emit({"ok": False, "problem": problem})
            click.echo(f"aiops: {problem}", err=True)
        ctx.exit(2)
    facts = intent(plan)
    if as_json:
        emit({"ok": True, **facts})
        return
    for line in told(facts):
        click.echo(line)


def examine(path: Path | None) -> tuple[Plan | None, list[str]]:
    """Return the plan of a configuration and every problem found on the way to it."""
    from aiops.assembly import build
    from aiops.config import Settings, load_settings
    from aiops.errors import ConfigError

    problems: list[str] = []
    try:
        settings = load_settings(path)
    except ConfigError as e:
        problems += e.problems
        # What is right by itself is judged further all the same: one run shows everything.
        settings = Settings.model_construct(**_sound(path))
    plan: Plan | None = None
    try:
        plan = build(settings)
    except ConfigError as e:
        problems += e.problems
    if plan is not None:
        problems += _unreadable(plan)
    return plan, problems + _no_directory(settings.state.directory)


def intent(plan: Plan) -> dict[str, Any]:
    """Return what a daemon with this plan would watch, tell and keep."""
    from aiops.storage import resolve_directory

    settings = plan.settings
    return {
        "sources": [
            {"name": s.name, "kind": s.kind, "watches": _described(s.source)} for s in plan.sources
        ],
        "notifiers": [
            {"name": route.name, "min_severity": route.min_severity.label, "second": route.second}
            for route in plan.routes
        ],
        "templates": sorted(plan.rendering.templates),
        "budget_per_week": round(settings.alerting.budget * 604800.0, 3),
        "maintenance": _planned(plan),
        "dry_run": settings.alerting.dry_run,
        "listen": settings.web.listen,
        "state_directory": str(resolve_directory(settings.state.directory, os.environ)),
    }


def told(facts: dict[str, Any]) -> list[str]:
    """Return the lines that say ``intent`` to a person."""
    lines = []
    for source in facts["sources"]:
        watched = [what for what, verdict in source["watches"] if _is_watched(verdict)]
        left = [(what, verdict) for what, verdict in source["watches"] if not _is_watched(verdict)]
        lines.append(f"source {source['name']}: {plural(len(watched), 'thing')} watched")
        lines += [f"  {what}" for what in watched[:SHOWN]]
        lines += [f"  … and {len(watched) - SHOWN} more"] * (len(watched) > SHOWN)
        lines += [f"  not {what}: {verdict}" for what, verdict in left[:SHOWN]]
        lines += [f"  … and {len(left) - SHOWN} more left alone"] * (len(left) > SHOWN)
    for notifier in facts["notifiers"]:
        late = ", when nobody acknowledges in time" if notifier["second"] else ""
        lines.append(f"channel {notifier['name']}: from {notifier['min_severity']} on{late}")
    if facts["templates"]:
        lines.append(f"templates of your own: {', '.join(facts['templates'])}")
    lines += [
        f"maintenance of {window['match']}: next at {window['next']}, for {window['duration']}"
        for window in facts["maintenance"]
    ]
    dry = "; dry run: nothing is sent" if facts["dry_run"] else ""
    lines.append(f"budget: {facts['budget_per_week']:g} false notifications a week{dry}")
    lines.append(f"listens on: {facts['listen'] or 'nothing (web.listen is empty)'}")
    lines.append(f"state: {facts['state_directory']}")
    return [*lines, "the configuration is good"]


def _planned(plan: Plan) -> list[dict[str, Any]]:
    """Return every maintenance window with when it begins next."""
    from aiops.units import duration
    from aiops.wire import rfc3339

    now = time.time()
    found = []
    for window in plan.engine.ledger.maintenance:
        begins = window.next_start(now)
        shown = None if begins is None else rfc3339(begins)
        found.append({"match": window.match, "next": shown, "duration": duration(window.duration)})
    return found


def _is_watched(verdict: str) -> bool:
    return verdict in ("watched", "read once", "measured", "scraped")


def _described(source: object) -> list[tuple[str, str]]:
    describe = getattr(source, "describe", None)
    return [] if describe is None else list(describe())


def _sound(path: Path | None) -> dict[str, Any]:
    """Return the tables that are valid alone, as ``Settings`` holds them."""
    from pydantic import TypeAdapter, ValidationError

    from aiops.config import Settings, anchored

    raw: dict[str, Any] = {}
    if path is not None:
        with contextlib.suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            raw = anchored(tomllib.loads(path.read_text(encoding="utf-8")), path.absolute().parent)
    found = {}
    for name, field in Settings.model_fields.items():
        checked = TypeAdapter[Any](field.rebuild_annotation())
        found[name] = field.get_default(call_default_factory=True)
        with contextlib.suppress(ValidationError):
            found[name] = checked.validate_python(raw.get(name, found[name]))
    return found


def _unreadable(plan: Plan) -> list[str]:
    """Try every file that a part names and reads only when it works (``*_file``)."""
    problems = []
    for named in plan.sources:
        part: Any = named.source
        for field in dataclasses.fields(part):
            value = getattr(part, field.name, None)
            if not field.name.endswith("_file") or not isinstance(value, str):
                continue
            where = f"sources.{named.name}.{field.name} = {value!r}"
            try:
                Path(os.path.expandvars(value)).expanduser().read_bytes()
            except OSError as e:
                problems.append(f"{where}: cannot be read ({e.strerror}); check it")
    return problems


def _no_directory(configured: str) -> list[str]:
    """Say why the state could not be kept where the configuration wants it."""
    from aiops.storage import resolve_directory

    path = resolve_directory(configured, os.environ)
    if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
        return [f"state.directory = {str(path)!r}: not writable for this user; change its rights"]
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        return [f"state.directory = {str(path)!r}: {existing} is no directory; set another place"]
    if not path.exists() and not os.access(existing, os.W_OK | os.X_OK):
        return [f"state.directory = {str(path)!r}: cannot be made in {existing}; set another place"]
    return []
