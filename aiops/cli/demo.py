"""`aiops demo`: a working day of a simulated shop, at an accelerated clock."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click


@click.command(
    name="demo",
    short_help="Show one simulated fault from first sign to explained incident.",
    epilog="Example: aiops demo --seed 7",
)
@click.option("--seed", default=1, show_default=True, help="Same seed, same bytes on stdout.")
@click.option("--json", "as_json", is_flag=True, help="One incident a line on stdout.")
@click.option("--write", type=click.Path(path_type=Path), help="Write it as files and stop.")
def demo(seed: int, *, as_json: bool, write: Path | None) -> None:
    """Simulate a shop of 14 services for a working day; its last hour brings a bad deploy."""
    import msgspec

    from aiops.decoding.windows import WindowSettings
    from aiops.engine import Engine, EngineSettings
    from aiops.incidents.story import story
    from aiops.model import Block, ChangeEvent, Incident, Points, Transition
    from aiops.shop import demo as day
    from aiops.wire import rfc3339, to_json

    shop = day(seed)
    if write is not None:
        shop.write(write)
        click.echo(f"wrote logs, metrics and changes to {write}", err=True)
        return
    began = time.monotonic()
    # Accelerated time needs no ten-second windows; everything else is the daemon's default.
    window = WindowSettings(width=shop.step)
    engine = Engine(EngineSettings(calls=shop.calls, window=window))
    lines = values = 0
    last: dict[str, Incident] = {}

    def say(transitions: list[Transition]) -> None:
        for t in transitions:
            if not t.tell:
                continue
            last[t.incident.id] = t.incident
            if not as_json:
                click.echo(story(t, calls=shop.calls))
                click.echo()

    hour = -1
    for item in shop.inputs():
        if isinstance(item, Block):
            lines += item.data.count(b"\n")
        elif isinstance(item, Points):
            values += len(item.values)
        elif isinstance(item, ChangeEvent) and not as_json:
            click.echo(f"-- {rfc3339(item.at)} {item.title}")
        say(engine.feed(item))
        now = int((engine.clock - shop.start) // 3600) if engine.clock > 0 else -1
        if now > hour and sys.stderr.isatty():
            hour = now
            click.echo(f"\r{lines} lines, hour {hour} ", nl=False, err=True)
    say(engine.finish())
    if as_json:
        for incident in last.values():
            click.echo(msgspec.json.encode(to_json(incident)).decode())
    took = time.monotonic() - began
    click.echo(
        f"{lines} lines and {values} values of {len(shop.streams)} streams "
        f"in {took:.1f} s; {len(last)} incidents told",
        err=True,
    )
