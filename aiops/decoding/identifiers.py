"""Find to which request, job or block a line belongs, for streams where somebody asked for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final

from aiops.model import Stream
from aiops.redaction import is_suspect, redact_bytes
from aiops.sessions import SessionRule

LONGEST: Final = 200
"""Bytes of an identifier; what is longer is cut."""

_NOBODY: Final = frozenset({b"null", b"None", b"nil", b"undefined", b"-"})

Search = Callable[[bytes], "re.Match[bytes] | None"]


class Finder:
    """Name the sessions that lines of one stream belong to."""

    __slots__ = ("_rules",)

    def __init__(self, stream: Stream, rules: tuple[SessionRule, ...]) -> None:
        self._rules = [(rule.name, _search(rule)) for rule in rules if _fits(rule, stream)]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def find(self, line: bytes) -> list[tuple[str, str]]:
        """Return (rule, identifier) of every rule that finds one."""
        found = []
        for name, search in self._rules:
            match = search(line)
            if match is not None and (named := match[match.re.groups]) and named not in _NOBODY:
                named = _harmless(named, line)
                found.append((name, named[:LONGEST].decode("utf-8", "replace")))
        return found


def _harmless(named: bytes, line: bytes) -> bytes:
    """Return an identifier as it may be kept: of a secret in this line only its hash."""
    if not is_suspect(line) or named in redact_bytes(line):
        return named
    return b"hidden-" + blake2b(named, digest_size=6).hexdigest().encode()


def _fits(rule: SessionRule, stream: Stream) -> bool:
    names = (stream.id, stream.entity, stream.entity.partition(":")[2])
    return any(fnmatchcase(name, rule.streams) for name in names)


def _search(rule: SessionRule) -> Search:
    if rule.pattern:
        return re.compile(rule.pattern.encode()).search
    name = re.escape(rule.field.encode())
    # JSON within the JSON of a container runtime has its quotes escaped.
    json = rb'\\?"%b\\?"\s*:\s*' % name
    return re.compile(rb'(?:%b|(?<![\w.])%b=)\\?"?([^\s"\\,}]+)' % (json, name)).search
