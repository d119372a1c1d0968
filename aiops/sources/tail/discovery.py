"""Find the files that patterns mean, and say why others are left alone."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiops.sources.tail.siblings import COMPRESSED, rotated

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

_LOGINS: Final = frozenset(("wtmp", "btmp", "utmp", "lastlog", "faillog", "tallylog"))
_MAGIC: Final = (
    b"LPKSHHRH",  # journal
    b"\x1f\x8b",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"BZh",
    b"PK\x03\x04",
    b"\x04\x22\x4d\x18",
    b"\x7fELF",
    b"SQLite format 3\x00",
    b"\x89PNG",
    b"%PDF",
)
_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One file that a pattern means; ``archive`` is a gzip file to be read once."""

    path: str
    mtime: float
    archive: bool = False


@dataclass(slots=True)
class Scan:
    """What one look at the directories found, and what it left alone: path → reason."""

    files: list[Candidate] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    overflow: int = 0


def scan(
    patterns: Sequence[str],
    exclude: Sequence[str],
    *,
    limit: int,
    known: Container[str] = frozenset(),
) -> Scan:
    """Look for files; a directory that cannot be read is a reason, never an error.

    At most *limit* names are looked at; ``overflow`` says that there were more. *known* paths
    are passed over: they were judged before.
    """
    found = Scan()
    seen: set[str] = set()
    for pattern in patterns:
        whole = absolute(pattern)
        for path in _matches(whole, found):
            if path in seen:
                continue
            if len(seen) >= limit:
                found.overflow += 1
                break
            seen.add(path)
            if path not in known:
                _judge(path, whole, exclude, found)
    return found


def absolute(pattern: str) -> str:
    """Return a pattern with its home directory filled in, from the root."""
    return os.path.normpath(Path(pattern).expanduser().absolute())


def means(pattern: str, path: str) -> bool:
    """Tell whether *pattern* would match *path* if it existed; ``**`` spans directories."""
    whole = absolute(pattern)
    if path == whole or (not has_magic(whole) and str(Path(path).parent) == whole):
        return True
    regex = ""
    for part in whole.split("/")[1:]:
        regex += r"(?:/[^/]+)*" if part == "**" else "/" + _translated(part)
    return re.fullmatch(regex, path) is not None


def _translated(part: str) -> str:
    # fnmatch wraps its expression as (?s:...)\\Z; within a path a star stays in its directory.
    return fnmatch.translate(part)[4:-3].replace(".*", "[^/]*")


def binary(head: bytes, name: str) -> bool:
    """Tell by its first bytes that a file is no text (login records, journals, archives)."""
    if name.partition(".")[0] in _LOGINS or head.startswith(_MAGIC):
        return True
    if head.startswith(_BOMS):
        return False
    text = head.lstrip(b"\0")
    return bool(head) and (not text or text.count(b"\0") * 10 > len(text))


def _matches(whole: str, found: Scan) -> Iterator[str]:
    if has_magic(whole):
        yield from _expand("/", whole.split("/")[1:], found)
        return
    where = Path(whole)
    if where.is_dir():
        yield from _expand(whole, ["*"], found)
    elif os.path.lexists(whole):
        yield whole
    else:
        found.skipped[whole] = "missing"


def _expand(base: str, parts: Sequence[str], found: Scan) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    if not has_magic(part):
        path = os.path.join(base, part)  # noqa: PTH118  a Path per name costs ten times as much
        if rest:
            yield from _expand(path, rest, found)
        elif os.path.lexists(path):
            yield path
        return
    deep = part == "**"
    if deep:
        if not rest:
            rest = ["*"]
        yield from _expand(base, rest, found)
    for name, path, directory in _listed(base, found):
        if name.startswith(".") and not part.startswith("."):
            continue
        if deep:
            if directory:
                yield from _expand(path, parts, found)
        elif fnmatch.fnmatchcase(name, part):
            if not rest:
                yield path
            elif directory or Path(path).is_dir():
                yield from _expand(path, rest, found)


def _listed(directory: str, found: Scan) -> list[tuple[str, str, bool]]:
    try:
        with os.scandir(directory) as entries:
            return sorted((e.name, e.path, e.is_dir(follow_symlinks=False)) for e in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        found.skipped[directory] = "permission_denied"
        return []


def _judge(path: str, pattern: str, exclude: Sequence[str], found: Scan) -> None:
    name = Path(path).name
    if any(means(e, path) or fnmatch.fnmatch(name, e) for e in exclude):
        found.skipped[path] = "excluded"
        return
    archive = path.endswith(".gz") and pattern.endswith(".gz")
    if path.endswith(COMPRESSED) and not archive:
        found.skipped[path] = "compressed"
        return
    if not archive and path != pattern and rotated(path):
        found.skipped[path] = "rotated"
        return
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        found.skipped[path] = "missing"
        return
    except OSError:
        found.skipped[path] = "permission_denied"
        return
    if stat.S_ISREG(status.st_mode):
        found.files.append(Candidate(path, status.st_mtime, archive))
    elif not stat.S_ISDIR(status.st_mode):
        found.skipped[path] = "not_regular"
