"""The face: one file a verb, imported only when that verb is used."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from aiops import __version__
from aiops.errors import AiopsError

# Verb: where its command lives, and what the overview says of it without importing it.
VERBS = {
    "run": ("aiops.cli.run:run", "Watch logs and metrics, tell incidents."),
    "demo": ("aiops.cli.demo:demo", "Watch a simulated shop break, within seconds."),
    "replay": ("aiops.cli.replay:replay", "Find the incidents of the past in files."),
    "check": ("aiops.cli.check:check", "Check a configuration and say what it would do."),
    "doctor": ("aiops.cli.doctor:doctor", "Ask the running daemon how it is."),
    "incidents": (
        "aiops.cli.incidents:incidents",
        "List, show, decide, silence.",
    ),
    "change": ("aiops.cli.change:change", "Tell the daemon of a deploy or another change."),
    "audit": ("aiops.cli.audit:audit", "Check that nobody changed what was done and told."),
    "notify": ("aiops.cli.notify:notify", "Try a notification channel."),
    "templates": ("aiops.cli.templates:templates", "Find the templates of log files."),
    "score": ("aiops.cli.score:score", "Score a metric, or sessions of events, online."),
    "version": ("aiops.cli.version:version", "Say which versions are at work."),
}

INTERRUPTED = 130

# Newer versions of click raise this for a group without a verb; older ones print and end.
_ONLY_HELP: tuple[type[click.UsageError], ...] = tuple(
    filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)])
)


class Face(click.Group):
    """A group of verbs that are imported when used, and whose errors are lines, not traces."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, short) for verb, (_, short) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verb = args[0]
        if verb not in VERBS and not verb.startswith("-"):
            import difflib

            near = difflib.get_close_matches(verb, VERBS, n=1)
            remedy = f'did you mean "{near[0]}"?' if near else "see aiops --help"
            ctx.fail(f"no such command {verb!r}; {remedy}")
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a verb; in standalone mode end the process with its exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        sys.exit(self._guarded(args, prog_name, complete_var, extra))

    def _guarded(
        self,
        args: Sequence[str] | None,
        prog_name: str | None,
        complete_var: str | None,
        extra: dict[str, Any],
    ) -> int:
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except click.UsageError as e:
            if isinstance(e, _ONLY_HELP):
                _say(e.format_message())
                return e.exit_code
            where = e.ctx.command_path if e.ctx is not None else "aiops"
            _say(f"{where}: {_one_line(e.format_message())} (see {where} --help)")
            return e.exit_code
        except click.ClickException as e:
            _say(f"aiops: {_one_line(e.format_message())}")
            return 2
        except (click.Abort, KeyboardInterrupt):
            return INTERRUPTED
        except AiopsError as e:
            for line in str(e).splitlines() or [type(e).__name__]:
                _say(f"aiops: {line}")
            return 2
        except BrokenPipeError:
            _leave_stdout()
            return 1
        except OSError as e:
            if e.errno == errno.EPIPE:
                _leave_stdout()
                return 1
            named = f"{e.filename}: " if e.filename else ""
            _say(f"aiops: {named}{e.strerror or e}")
            return 2
        return code if isinstance(code, int) else 0


def _say(line: str) -> None:
    click.echo(line, err=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _leave_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush says nothing."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open


@click.group(
    cls=Face,
    name="aiops",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: aiops run /var/log/nginx/*.log",
)
@click.version_option(__version__, prog_name="aiops", message="%(prog)s %(version)s")
def face() -> None:
    """Watch logs and metrics, learn what is normal, tell one story per incident."""
