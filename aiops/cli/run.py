"""`aiops run`: the daemon."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiops.assembly import Plan
    from aiops.daemon import Daemon
    from aiops.telemetry import Telemetry

MOST_SHOWN = 8


@click.command(
    name="run",
    short_help="Watch logs and metrics until stopped.",
    epilog="Example: aiops run /var/log/shop/*.log   or: journalctl -f | aiops run -",
)
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Configuration (TOML).")
@click.argument("paths", nargs=-1)
def run(config: Path | None, paths: tuple[str, ...]) -> None:
    """Watch PATHs, standard input (-), what the configuration names, or this host."""
    import asyncio

    from aiops.assembly import build
    from aiops.config import load_settings
    from aiops.storage import resolve_directory
    from aiops.telemetry import Telemetry, configure_logging

    os.umask(0o077)
    files = [p for p in paths if p != "-"]
    stdin = "-" in paths

    def make() -> Plan:
        return build(load_settings(config), paths=files, stdin=stdin)

    plan = make()
    configure_logging(plan.settings.logging.level, plan.settings.logging.format)
    # What is given on the command line is looked at once; its state is nobody's to keep.
    ephemeral = bool(paths) and not plan.settings.state.directory
    directory = None if ephemeral else resolve_directory(plan.settings.state.directory, os.environ)
    asyncio.run(_run(plan, directory, Telemetry(), make, until_exhausted=stdin))


async def _run(
    plan: Plan,
    directory: Path | None,
    telemetry: Telemetry,
    make: Callable[[], Plan],
    *,
    until_exhausted: bool,
) -> None:
    import asyncio
    import signal

    from aiops.daemon import Daemon
    from aiops.web.app import serve

    daemon = Daemon(
        plan, directory, telemetry, reload=make, news_from=plan.settings.alerting.news_from
    )
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)

    def reload() -> None:
        task = loop.create_task(daemon.reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    screen(plan, directory)
    if until_exhausted:
        ended = loop.create_task(_stop_at_end(daemon))
        tasks.add(ended)
    await daemon.run(serve)


async def _stop_at_end(daemon: Daemon) -> None:
    await daemon.wait_exhausted()
    await daemon.drain()
    daemon.stop()


def screen(plan: Plan, directory: Path | None) -> None:
    """Say on stderr, in one screen, what is watched, what is not and why, and what comes when."""

    def say(text: str) -> None:
        click.echo(text, err=True)

    say(f"aiops watches {len(plan.sources)} sources:")
    for named in plan.sources:
        describe = getattr(named.source, "describe", None)
        told = [] if describe is None else describe()
        watched = [what for what, why in told if why == "watched"]
        skipped = [(what, why) for what, why in told if why != "watched"]
        say(f"  {named.name}: {_listed(watched) if told else 'watched'}")
        for why in sorted({why for _, why in skipped}):
            say(f"    not: {_listed([w for w, y in skipped if y == why])} ({why})")
    budget = plan.settings.alerting.budget * 604800.0
    say(f"tells {', '.join(n.name for n in plan.notifiers)}; budget {budget:g} false alerts a week")
    say(f"state: {directory or 'in memory only'}; page: http://{plan.settings.web.listen or '-'}/")
    window = plan.settings.detection.window
    say(
        f"learning: new lines are weighed after {30 * window / 60:.0f} min of each service's logs, "
        "metrics after 12 samples (fully after 1 h), daily rhythm after 2 days"
    )


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "") or "nothing"
