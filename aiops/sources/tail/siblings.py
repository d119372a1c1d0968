"""Find the other files of a rotation: the same name with a number, a date or an ending."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiops.sources.tail.identity import FileId

COMPRESSED: Final = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".Z", ".zip")

_NUMBER = re.compile(r"[.-](\d{1,4})$")
_DATE = re.compile(
    r"[._-](\d{4}-?\d{2}-?\d{2}(?:[T._-]?\d{2,6})?(?:[:-]?\d{2}){0,2}(?:[.-]\d{1,10})?|\d{10})$"
)
_BACKUP = re.compile(r"(?:[.-](?:old|bak|prev|previous|save|orig|tmp|swp|dpkg-\w+|rotated)|~)$")
_INFIX = re.compile(r"^(.+?)[._-](\d{4}-?\d{2}-?\d{2}(?:[T._-]?\d{2,6})?|\d{1,4})(\.[A-Za-z]+)$")


@dataclass(frozen=True, slots=True)
class Sibling:
    """One file beside another; ``rank`` orders those named by one style, larger is newer."""

    path: str
    id: FileId
    size: int
    mtime_ns: int
    related: bool
    style: str
    rank: tuple[int, ...]

    @property
    def compressed(self) -> bool:
        return self.path.endswith(COMPRESSED)


def rotated(path: str) -> bool:
    """Tell whether a file's name says that it is an older part of another log.

    ``cart-20260101.log`` is one only while ``cart.log`` lies beside it: some programs name
    their current file by the day.
    """
    name = path
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if _BACKUP.search(name) or _NUMBER.search(name):
        return True
    where = PurePath(name)
    if (date := _DATE.search(where.name)) and date.start() > 0:
        return "." in where.name[: date.start()] or os.path.lexists(name[: -len(date[0])])
    infix = _INFIX.match(where.name)
    return infix is not None and os.path.lexists(where.with_name(infix[1] + infix[3]))


def base_of(path: str) -> str:
    """Return the path without the endings of rotation and compression."""
    while True:
        shorter = path
        for ending in COMPRESSED:
            shorter = shorter.removesuffix(ending)
        for pattern in (_BACKUP, _NUMBER, _DATE):
            shorter = pattern.sub("", shorter)
        if shorter == path or not PurePath(shorter).name:
            return path
        path = shorter


def siblings(path: str) -> list[Sibling]:
    """Return the other regular files of the directory of *path* (and of its target).

    ``related`` ones share its name; the others matter only by their inode (a link that was
    pointed elsewhere). A directory that cannot be read has none.
    """
    found: dict[str, Sibling] = {}
    for here in dict.fromkeys((path, os.path.realpath(path))):
        for sibling in _beside(PurePath(here)):
            known = found.get(sibling.path)
            if known is None or not known.related:
                found[sibling.path] = sibling
    return sorted(found.values(), key=lambda s: (s.mtime_ns, s.path))


def newer_than(old: Sibling, around: list[Sibling]) -> list[Sibling]:
    """Return the related siblings that came after *old*, oldest first."""
    if old.style:
        after = [s for s in around if s.related and s.style == old.style and s.rank > old.rank]
        return sorted(after, key=lambda s: s.rank)
    return changed_after(old.mtime_ns, [s for s in around if s.id != old.id])


def changed_after(mtime_ns: int, around: list[Sibling]) -> list[Sibling]:
    """Return the related siblings last written after *mtime_ns*, oldest first."""
    after = [s for s in around if s.related and s.mtime_ns > mtime_ns]
    return sorted(after, key=lambda s: (s.mtime_ns, s.rank))


def _beside(path: PurePath) -> Iterator[Sibling]:
    base, stem, ending = path.name, path.stem, path.suffix
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                name = entry.name
                if name == base:
                    continue
                try:
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                suffix = _suffix(name, base, stem, ending)
                style, rank = _style(suffix)
                yield Sibling(
                    path=entry.path,
                    id=(status.st_dev, status.st_ino),
                    size=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    related=bool(style) or _BACKUP.fullmatch(suffix) is not None,
                    style=style,
                    rank=rank,
                )
    except OSError:
        return


def _suffix(name: str, base: str, stem: str, ending: str) -> str:
    if name.startswith(base) and name[len(base)] in ".-_~":
        return name[len(base) :]
    infix = _INFIX.match(name)
    if infix and ending and infix[1] == stem and infix[3] == ending:
        return name[len(stem) : -len(ending)]
    return ""


def _style(suffix: str) -> tuple[str, tuple[int, ...]]:
    for ending in COMPRESSED:
        suffix = suffix.removesuffix(ending)
    if match := _NUMBER.fullmatch(suffix):
        return "number", (-int(match[1]),)
    if match := _DATE.fullmatch(suffix):
        return "date", tuple(int(part) for part in re.findall(r"\d+", match[1]))
    return "", ()
