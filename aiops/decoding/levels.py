"""Words and numbers for severity, as loggers write them."""

from __future__ import annotations

import re

from aiops.model import Severity

# Severity → name → other words for the same. The first name of a severity is the severity's own
# and vanishes from the text; a finer one (DEBUG, NOTICE, ALERT) stays in front of it, so that no
# two levels ever share a template. They are in capitals and few: the template miner asks for more
# different words of that look than there are here before it takes them for a variable.
_NAMES: dict[Severity, dict[str, str]] = {
    Severity.CRITICAL: {
        "CRITICAL": "critical crit",
        "FATAL": "fatal",
        "ALERT": "alert",
        "EMERG": "emerg emergency",
        "PANIC": "panic dpanic",
    },
    Severity.ERROR: {"ERROR": "error err eror", "SEVERE": "severe", "EXCEPTION": "exception"},
    Severity.WARNING: {"WARNING": "warning warn wrn"},
    Severity.INFO: {
        "INFO": "info information informational inf",
        "NOTICE": "notice note",
        "DEBUG": "debug dbg fine",
        "TRACE": "trace trc finer finest",
        "VERBOSE": "verbose",
        "CONFIG": "config",
        "SUCCESS": "success ok",
        "LOG": "log statement hint detail",
    },
}
LEVELS: dict[bytes, Severity] = {}
_SHOWN: dict[bytes, bytes] = {}
for _severity, _names in _NAMES.items():
    for _rank, (_name, _words) in enumerate(_names.items()):
        for _word in _words.encode().split():
            LEVELS[_word] = _severity
            _SHOWN[_word] = b"" if _rank == 0 else _name.encode() + b" "

_SYSLOG = (b"emerg", b"alert", b"crit", b"err", b"warning", b"notice", b"info", b"debug")

# A level stands in the head of a line: in capitals, or lower case in brackets or after level=.
# The words come first in the pattern: so the search skips all that is not in capitals.
_WORD = re.compile(
    rb"(EMERG(?:ENCY)?|ALERT|PANIC|FATAL|CRIT(?:ICAL)?|ERROR|ERR|SEVERE|WARNING|WARN"
    rb"|NOTICE|INFO|DEBUG|TRACE|VERBOSE|FINE|FINER|FINEST|CONFIG|LOG|HINT|DETAIL|STATEMENT)(?=$|[\s\])|:,\-])"
)
_BEFORE = b" \t\n\r\f\v[(|:>-"
_REACH = 140
_FIELD = re.compile(
    rb"\b(?:level|lvl|severity|loglevel)[\"']?[=:] ?[\"']?([A-Za-z]+)[\"']?", re.IGNORECASE
)
_BRACKET = re.compile(
    rb"\[(?:(\w+):)?(emerg|alert|crit|error|warn|warning|notice|info|debug|trace\d?)\]",
    re.IGNORECASE,
)

# Without a level the words of the message have to do; one step milder than a stated level.
_BAD = re.compile(
    rb"\b(?:panic|fatal|segfault|out of memory|oom-kill\w*|core dumped|call trace|traceback)\b"
    rb"|\b(?:error|errors|exception|failed|failure|fail|refused|denied|unreachable|timed out"
    rb"|timeout|aborted|corrupt\w*|invalid|cannot|unable)\b",
    re.IGNORECASE,
)
_NOT_BAD = re.compile(
    rb"\b(?:no|without|0|zero) (?:\w+ )?(?:errors?|failures?|exceptions?)\b", re.IGNORECASE
)
# Every match of ``_BAD`` has a word that holds one of these, in small letters.
_BAD_PART = re.compile(
    rb"\b(?:aborted|c(?:orrupt\w*|annot)|d(?:umped|enied)|e(?:rrors?|xception)"
    rb"|fa(?:tal|il(?:ed|ure)?)|invalid|memory|oom-kill\w*|panic|refused|segfault"
    rb"|t(?:race(?:back)?|imed|imeout)|un(?:reachable|able))\b"
)
_EDGE = b" []|-:"


def _find_word(text: bytes) -> re.Match[bytes] | None:
    at = 0
    while (match := _WORD.search(text, at, _REACH)) is not None:
        start = match.start()
        if not start or text[start - 1] in _BEFORE:
            return match
        at = match.end()
    return None


def _find_field(text: bytes) -> re.Match[bytes] | None:
    low = text.lower()
    return _FIELD.search(text) if b"lvl" in low or b"level" in low or b"severity" in low else None


def states_none(text: bytes) -> bool:
    """Return whether it is plain at once that *text* states no level, as of most words it is."""
    return text[:_REACH].islower() and not (b"=" in text or b":" in text or b"[" in text)


def stated_level(text: bytes) -> tuple[bytes, bytes] | None:
    """Find a stated level in the head of *text*: (word, text without it), ``None`` when none is.

    A word in capitals after other words stays where readers expect it; the text is then whole.
    """
    # Small letters alone, no field and no bracket: that is known for next to nothing.
    match = None if text[:_REACH].islower() else _find_word(text)
    if match is not None:
        word = match[1].lower()
        before = text[: match.start(1)]
        if before.strip(_EDGE):
            return word, text
        return word, text[match.end() :].lstrip(b"]")
    match = _find_field(text) if b"=" in text or b":" in text else None
    if match is not None and match[1].lower() in LEVELS:
        return match[1].lower(), text[: match.start()] + text[match.end() :].lstrip()
    match = _BRACKET.search(text, 0, _REACH) if b"[" in text else None
    if match is not None:
        module = b"" if match[1] is None else b"[" + match[1] + b"]"
        word = match[2].lower().rstrip(b"0123456789")
        return word, text[: match.start()] + module + text[match.end() :].lstrip()
    return None


def level_in_head(head: bytes) -> tuple[Severity, tuple[int, int]] | None:
    """Find a stated level in the head of a line: (severity, span of the word) or ``None``."""
    match = _find_word(head)
    if match is not None:
        return LEVELS[match[1].lower()], match.span(1)
    match = _find_field(head)
    if match is not None and match[1].lower() in LEVELS:
        return LEVELS[match[1].lower()], match.span(1)
    match = _BRACKET.search(head, 0, _REACH)
    if match is not None:
        return LEVELS[match[2].lower().rstrip(b"0123456789")], match.span(2)
    return None


def named(word: bytes, text: bytes) -> bytes:
    """Return *text* behind the name of a level that is finer than its severity."""
    return _SHOWN[word] + text


def may_sound_bad(word: bytes) -> bool:
    """Return whether ``guess_level`` may find a line with this word worse than information."""
    return _BAD_PART.search(word.lower()) is not None


def guess_level(message: bytes) -> Severity:
    """Guess severity from the words of a message that states no level."""
    if _BAD.search(message, 0, 400) and not _NOT_BAD.search(message, 0, 400):
        return Severity.WARNING
    return Severity.INFO


def level_word(value: object) -> bytes | None:
    """Read a level field as a word: a word, a syslog number (0-7) or a pino/bunyan one (10-60)."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word.isdecimal() and word.isascii():
            return level_word(int(word[:9]))
        raw = word.encode("utf-8", "replace")
        return raw if raw in LEVELS else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    number = int(value)
    if number < len(_SYSLOG):
        return _SYSLOG[number]
    for floor, name in (
        (60, b"fatal"),
        (50, b"error"),
        (40, b"warn"),
        (30, b"info"),
        (20, b"debug"),
    ):
        if number >= floor:
            return name
    return b"trace"


def http_level(status_class: bytes) -> Severity:
    """Map an HTTP status class: 5xx is an error, 4xx a warning."""
    return {b"5": Severity.ERROR, b"4": Severity.WARNING}.get(status_class[:1], Severity.INFO)
