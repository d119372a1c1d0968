"""What verbs share: options, and lines that programs read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from aiops.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """Add ``-c FILE``; the verb gets it as ``config``, ``None`` when it is not given."""
    option = click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration file (TOML).",
    )
    return option(command)


def json_option(command: F) -> F:
    """Add ``--json``; the verb gets it as ``as_json``."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object a line, nothing else."
    )
    return option(command)


def url_option(command: F) -> F:
    """Add ``--url``; the verb gets it as ``url``, ``None`` when the configuration says."""
    option = click.option(
        "--url", metavar="URL", help="Where the daemon listens; default: web.listen."
    )
    return option(command)


def settings_of(config: Path | None) -> Settings:
    """Read the configuration; raises ``ConfigError`` with all problems."""
    from aiops.config import load_settings

    return load_settings(config)


def emit(value: object) -> None:
    """Write one JSON object as one line."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def note(line: str) -> None:
    """Say one line on standard error."""
    click.echo(f"aiops: {line}", err=True)


def user_name() -> str:
    """Return the user at this terminal, empty when nobody knows."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def plural(count: int, noun: str) -> str:
    """Return ``1 row`` or ``2 rows``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
