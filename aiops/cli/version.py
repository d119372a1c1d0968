"""``aiops version``: what is at work here."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

import click

from aiops import __version__
from aiops.cli.options import config_option, emit, json_option, settings_of

LIBRARIES = ("river", "numpy", "scipy", "aiohttp", "msgspec", "pydantic")


@click.command(epilog="Example: aiops version --json")
@config_option
@json_option
def version(config: Path | None, as_json: bool) -> None:
    """Say which versions are at work, for a bug report."""
    if config is not None:
        settings_of(config)
    facts = {"aiops": __version__, "python": platform.python_version()}
    facts |= {name: _installed(name) for name in LIBRARIES}
    facts |= {"sqlite": sqlite3.sqlite_version, "platform": platform.platform()}
    if as_json:
        emit(facts)
        return
    for name, value in facts.items():
        click.echo(f"{name:<10}{value}")


def _installed(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        return "missing"
