"""Know from a line alone whether it continues the one before."""

from __future__ import annotations

import re

# Leading blanks, stack traces, closing braces, an exception's own last line, an empty line.
_CONTINUES = re.compile(
    rb"[ \t]|$|Caused by: |Suppressed: |Traceback |\.\.\. ?\d* ?(?:more|$)|[})\]]+[,;]?$"
    rb"|at [\w$.<>]+\(|goroutine \d+ \[|During handling of|The above exception was|\^+$"
    rb"|(?:[\w$]+\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit)(?:: |$)"
)


# How most lines begin: no name of an exception does, and nothing else that continues.
_NEVER = frozenset(b"{[<0123456789")


def is_continuation(line: bytes) -> bool:
    """Return whether *line* hangs on the line before it (DESIGN: never joined, only counted)."""
    return not line or (line[0] not in _NEVER and _CONTINUES.match(line) is not None)
