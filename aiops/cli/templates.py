"""``aiops templates``: what kinds of lines files hold, and how many of each."""

from __future__ import annotations

import contextlib
import math
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from aiops.cli.options import config_option, emit, json_option, note, plural, settings_of

if TYPE_CHECKING:
    from aiops.cli.mining import Mining, Tally, Text

FACTOR: Final = 2.0
SURE: Final = 4.0
"""A template's share changed when it at least doubled or halved, by four standard errors."""


@click.command(epilog="Example: aiops templates /var/log/app.log --assign ids.txt --json")
@click.argument("paths", nargs=-1, metavar="PATH…")
@click.option("--content", is_flag=True, help="Lines have no header and are never joined.")
@click.option("--assign", metavar="OUT", help="Write the template id of every line, in order.")
@click.option("--diff", nargs=2, metavar="OLD NEW", help="Say what NEW holds otherwise than OLD.")
@config_option
@json_option
def templates(
    *,
    paths: tuple[str, ...],
    content: bool,
    assign: str | None,
    diff: tuple[str, str] | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Find the templates of log files (plain or gzip; "-" is stdin).

    Variable parts are shown as <*>. Counts add up to the lines read: a continuation (a stack
    trace's second line) counts for the line it hangs on.

    OLD and NEW of --diff may each be a glob or a directory, such as a failed run against all good
    ones. Of several old runs, what most of them held and NEW does not is gone.
    """
    from aiops.cli.mining import Mining

    if config is not None:
        settings_of(config)
    if (diff is None) == (not paths):
        raise click.UsageError("give one or more PATHs, or --diff OLD NEW")
    if diff is not None and assign is not None:
        raise click.UsageError("--assign goes with PATHs, not with --diff")
    mining = Mining(content=content)
    with ExitStack() as stack:
        if diff is not None:
            old, new = ([_text(path, stack) for path in _runs(side)] for side in diff)
            _compare(mining, old, new, as_json=as_json)
            return
        texts = [_text(path, stack) for path in _expanded(paths)]
        out = None if assign is None else stack.enter_context(_writing(assign))
        lengths = [mining.learn(text) for text in texts]
        found: dict[str, Tally] = {}
        for text, length in zip(texts, lengths, strict=True):
            _merge(found, _count(mining, text, length, out))
    _tell(mining, found, sum(lengths), as_json=as_json)


def _expanded(paths: tuple[str, ...]) -> list[str]:
    """Return the files that were named, globs filled in; what is named twice is read twice."""
    import glob

    found: list[str] = []
    for path in paths:
        matched = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207 - a Path cannot hold an absolute pattern
        found += matched or [path]
    return found


def _runs(side: str) -> list[str]:
    """Return the files of one side of a difference: a file, a glob or a directory of them."""
    from aiops.cli.inputs import InputError

    if not Path(side).is_dir():
        return _expanded((side,))
    found = sorted(str(path) for path in Path(side).iterdir() if path.is_file())
    if not found:
        raise InputError(f"{side}: holds no files; give a file, a glob or a directory of files")
    return found


def _text(name: str, stack: ExitStack) -> Text:
    from aiops.cli.inputs import kept_file
    from aiops.cli.mining import Text

    return Text.of(stack.enter_context(kept_file(name)), name)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[IO[str]]:
    from aiops.cli.inputs import InputError

    if path == "-":
        yield sys.stdout
        return
    try:
        with Path(path).open("w", encoding="ascii") as out:
            yield out
    except OSError as e:
        raise InputError(f"--assign = {path!r}: cannot be written ({e.strerror})") from e


def _count(mining: Mining, text: Text, length: int, out: IO[str] | None) -> dict[str, Tally]:
    from aiops.cli.mining import tally

    found: dict[str, Tally] = {}
    for block in mining.assign(text, length):
        tally(block, found)
        if out is not None and block.ids:
            out.write("\n".join(block.ids) + "\n")
    return found


def _merge(into: dict[str, Tally], more: dict[str, Tally]) -> None:
    for template, counted in more.items():
        if template in into:
            into[template].add(counted)
        else:
            into[template] = counted


def _tell(mining: Mining, found: dict[str, Tally], lines: int, *, as_json: bool) -> None:
    from aiops.redaction import harmless
    from aiops.wire import rfc3339

    known = mining.templates()
    for template, counted in sorted(found.items(), key=lambda item: (-item[1].count, item[0])):
        severity, shown = known[template]
        text = harmless(shown.text)
        if not as_json:
            click.echo(f"{counted.count:>9}  {severity:<8}  {template}  {text}")
            continue
        emit(
            {
                "id": template,
                "severity": severity,
                "template": text,
                "count": counted.count,
                "sample": harmless(counted.sample.decode("utf-8", "replace")),
                "first_seen": None if counted.first is None else rfc3339(counted.first),
                "last_seen": None if counted.last is None else rfc3339(counted.last),
            }
        )
    note(f"{plural(len(found), 'template')} in {plural(lines, 'line')}")


# --- two sides -----------------------------------------------------------------------------


def _compare(mining: Mining, old: list[Text], new: list[Text], *, as_json: bool) -> None:
    """Learn all as one workload, so that what is alike has one id; print what differs."""
    from dataclasses import replace

    from aiops.redaction import harmless

    runs = [[replace(text, workload=new[0].workload) for text in side] for side in (old, new)]
    each = [[mining.learn(text) for text in side] for side in runs]
    lengths = [sum(side) for side in each]
    counts: list[dict[str, Tally]] = [{}, {}]
    held: Counter[str] = Counter()
    for n, side in enumerate(runs):
        for text, length in zip(side, each[n], strict=True):
            found = _count(mining, text, length, None)
            _merge(counts[n], found)
            held.update(found.keys() if n == 0 else ())
    known = mining.templates()
    rows: list[tuple[tuple[int, int, str], dict[str, Any]]] = []
    for template in counts[0].keys() | counts[1].keys():
        sides = [side.get(template) for side in counts]
        before, after = (0 if side is None else side.count for side in sides)
        change = changed(before, lengths[0], after, lengths[1])
        if change is None or (change == "gone" and 2 * held[template] <= len(old)):
            continue
        sample = sides[1] or sides[0]
        severity, shown = known[template]
        row = {
            "change": change,
            "id": template,
            "severity": severity,
            "template": harmless(shown.text),
            "old": before,
            "new": after,
            "sample": harmless((sample.sample if sample else b"").decode("utf-8", "replace")),
        }
        rank = ("new", "gone", "more", "less").index(change)
        rows.append(((rank, -max(before, after), template), row))
    for _, row in sorted(rows, key=lambda item: item[0]):
        if as_json:
            emit(row)
        else:
            click.echo(
                f"{row['change']:<5}{row['old']:>9} → {row['new']:<9}{row['severity']:<8}  "
                f"{row['id']}  {row['template']}"
            )
    note(f"{plural(len(rows), 'template')} of {len(known)} changed")


def changed(before: int, of_before: int, after: int, of_after: int) -> str | None:
    """Return how a template's share of the lines changed, ``None`` when it did not."""
    if not before:
        return "new"
    if not after:
        return "gone"
    shares = before / of_before, after / of_after
    both = (before + after) / (of_before + of_after)
    error = math.sqrt(both * (1 - both) * (1 / of_before + 1 / of_after)) or math.inf
    if abs(shares[1] - shares[0]) < SURE * error:
        return None
    if shares[1] >= FACTOR * shares[0]:
        return "more"
    return "less" if shares[0] >= FACTOR * shares[1] else None
