"""``aiops doctor``: how the running daemon is, source by source."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from aiops.cli.options import config_option, emit, json_option, note, settings_of, url_option

# Events that nobody needs to look at.
HARMLESS = (
    "cut_saved/",
    "settings_reloaded/",
    "stream_forgotten/",
    "commands_applied/",
    "incident/",
    "delivery.sent/",
    "engine/spans_beyond_bound",
)


@click.command(epilog="Example: aiops doctor --wait 5")
@click.option(
    "--wait",
    type=click.FloatRange(0.0, 60.0),
    default=1.0,
    show_default=True,
    help="Seconds over which rates are measured.",
)
@url_option
@config_option
@json_option
@click.pass_context
def doctor(
    ctx: click.Context, wait: float, url: str | None, config: Path | None, as_json: bool
) -> None:
    """Ask the running daemon how it is: rate, lag, last seen, warm-up left, drops.

    Exit code 1 when it is down, not ready, or a source has failed.
    """
    from aiops.cli.daemon_client import DaemonClient, DaemonDownError, DaemonRefusedError, where

    client = DaemonClient(where(settings_of(config), url))
    try:
        before = client.get("/api/v1/status")
        if wait:
            time.sleep(wait)
        status = client.get("/api/v1/status") if wait else before
    except (DaemonDownError, DaemonRefusedError) as e:
        if as_json:
            emit({"up": False, "problem": str(e)})
        note(str(e))
        ctx.exit(1)
    facts = {"up": True, **status, "sources": rates(before, status)}
    facts["findings"] = findings(facts)
    if as_json:
        emit(facts)
    else:
        for line in told(facts):
            click.echo(line)
    ctx.exit(1 if facts["findings"] else 0)


def rates(before: dict[str, Any], now: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sources with what they brought per second between two looks."""
    elapsed = now["uptime"] - before["uptime"]
    earlier = {source["name"]: source for source in before["sources"]}
    found = []
    for source in now["sources"]:
        old = earlier.get(source["name"])
        if old is not None and elapsed > 0:
            more = sum(source[what] - old[what] for what in ("lines", "points"))
            source = source | {"per_second": round(max(more, 0) / elapsed, 3)}  # noqa: PLW2901 - the same source, measured
        found.append(source)
    return found


def findings(facts: dict[str, Any]) -> list[str]:
    """Return what somebody should look at."""
    found = []
    if not facts["alive"]:
        found.append("the engine has died; see the log and restart")
    elif not facts["ready"]:
        found.append("not ready yet")
    found += [
        f"source {source['name']} {source['state']}"
        for source in facts["sources"]
        if source["state"].startswith("failed")
    ]
    return found


def told(facts: dict[str, Any]) -> list[str]:
    """Return the lines a person reads."""
    figures = facts["figures"]
    lines = [f"aiops {facts['version']}, up {facts['uptime']:.0f} s since {facts['started_at']}"]
    rows = [("SOURCE", "STATE", "RATE", "LAG", "LAST SEEN")]
    rows += [
        (
            source["name"],
            source["state"],
            f"{source['per_second']:g}/s",
            "-" if source["lag"] is None else f"{source['lag']:.1f} s",
            source["last_seen"] or "never",
        )
        for source in facts["sources"]
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    left = facts["warm_up_left"]
    lines.append(f"warm-up: {f'{left / 60:.0f} min left' if facts['warming_up'] else 'done'}")
    if facts["cold"]:
        lines.append(f"started cold: {', '.join(facts['cold'])}")
    lines.append(
        f"{figures['streams']} streams, {figures['templates']} templates, "
        f"{figures['series']} series, {figures['calls']} learned calls; "
        f"threshold {figures['threshold']:g}"
    )
    drops = {k: n for k, n in facts["dropped"].items() if n}
    lines.append(f"drops: {', '.join(f'{k} {n}' for k, n in sorted(drops.items())) or 'none'}")
    events = {k: n for k, n in facts["events"].items() if not k.startswith(HARMLESS)}
    if events:
        told_events = ", ".join(f"{k} {n}" for k, n in sorted(events.items()))
        lines.append(f"events: {told_events}")
    lines += [f"look at: {finding}" for finding in facts["findings"]]
    return lines
