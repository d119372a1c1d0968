"""Say what names a session: a request, a job, a block to which lines of several places belong."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionRule:
    """Say what names a session in lines of some streams, and when one is over.

    ``pattern`` has at most one group; *field* stands for a pattern that finds a JSON or logfmt
    field. ``idle`` is in seconds of event time.
    """

    name: str
    pattern: str = ""
    field: str = ""
    streams: str = "*"
    idle: float = 60.0
    max_open: int = 10_000

    def problem(self) -> str:
        """Return what is wrong with the rule and what to do, empty when it is sound."""
        if bool(self.pattern) == bool(self.field):
            return "give either pattern or field"
        try:
            groups = re.compile(self.pattern).groups
        except re.error as e:
            return f"pattern = {self.pattern!r}: no regular expression ({e})"
        if groups > 1:
            return f"pattern = {self.pattern!r}: has {groups} groups; write the others as (?:...)"
        return ""
