"""`aiops run`: the daemon."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from aiops.assembly import Plan
    from aiops.daemon import Daemon
    from aiops.web.app import Server

    Serve = Callable[[Daemon], Awaitable[Server]]

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
    from aiops.daemon import Daemon
    from aiops.errors import ConfigError
    from aiops.pump import EngineDiedError
    from aiops.storage import resolve_directory
    from aiops.telemetry import Telemetry, configure_logging
    from aiops.web.app import Server
    from aiops.web.app import serve as listen

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
    # What is piped in has no "before the start": all of it is news.
    news_from = "beginning" if stdin and not files else plan.settings.alerting.news_from
    passing = ephemeral and config is None

    async def serve(daemon: Daemon) -> Server:
        try:
            server = await listen(daemon)
        except ConfigError as e:
            if not passing:
                raise
            # Beside a service that has the port, looking at a file needs no page.
            click.echo(f"aiops: no page: {e}", err=True)
            server = Server()
        screen(plan, directory, server.url)
        return server

    async def live() -> None:
        daemon = Daemon(plan, directory, Telemetry(), reload=make, news_from=news_from)
        await _run(daemon, serve, until_exhausted=stdin)

    try:
        asyncio.run(live())
    except EngineDiedError as e:
        click.echo(f"aiops: {e}", err=True)
        raise click.exceptions.Exit(1) from None


async def _run(daemon: Daemon, serve: Serve, *, until_exhausted: bool) -> None:
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def begin(work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: begin(daemon.reload()))
    if until_exhausted:
        begin(_stop_at_end(daemon))
    try:
        await daemon.run(serve)
    finally:
        for task in list(tasks):
            task.cancel()


async def _stop_at_end(daemon: Daemon) -> None:
    await daemon.wait_exhausted()
    await daemon.drain()
    daemon.stop()


def screen(plan: Plan, directory: Path | None, url: str) -> None:
    """Say on stderr, in one screen, what is watched, what is not and why, and what comes when."""
    from aiops.daemon.telling import learning

    def say(text: str) -> None:
        click.echo(text, err=True)

    count = len(plan.sources)
    say(f"aiops watches {count} source{'s' * (count != 1)}:")
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
    say(f"state: {directory or 'in memory only'}; page: {url or 'none'}")
    say(learning(plan.settings.detection.window))


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "") or "nothing"
