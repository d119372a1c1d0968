"""Words and numbers for severity, as loggers write them."""

from __future__ import annotations

import re

from aiops.model import Severity

_WORDS = {
    Severity.CRITICAL: "fatal critical crit emerg emergency alert panic dpanic",
    Severity.ERROR: "error err eror severe exception",
    Severity.WARNING: "warning warn wrn",
    Severity.INFO: "info information inf notice note debug dbg trace trc verbose fine finer finest "
    "config ok success log statement",
}
LEVELS: dict[bytes, Severity] = {
    word.encode(): severity for severity, words in _WORDS.items() for word in words.split()
}

# These words are their severity's own name; a finer one (debug, notice) stays in the text, so that
# no two levels ever share a template.
PLAIN_WORDS = frozenset(
    (b"fatal", b"critical", b"crit", b"error", b"err", b"warning", b"warn", b"info")
)

_SYSLOG = (b"emerg", b"alert", b"crit", b"err", b"warning", b"notice", b"info", b"debug")

# A level stands in the head of a line: in capitals, or lower case in brackets or after level=.
_HEAD = re.compile(
    rb"(?:^|[\s\[(|:>\-])(EMERG(?:ENCY)?|ALERT|PANIC|FATAL|CRIT(?:ICAL)?|ERROR|ERR|SEVERE|WARNING|WARN"
    rb"|NOTICE|INFO|DEBUG|TRACE|VERBOSE|FINE|FINER|FINEST|CONFIG|LOG|HINT|DETAIL|STATEMENT)(?=$|[\s\])|:,\-])"
)
_FIELD = re.compile(
    rb"\b(?:level|lvl|severity|loglevel)[\"']?[=:] ?[\"']?([A-Za-z]+)", re.IGNORECASE
)
_BRACKET = re.compile(
    rb"\[(?:\w+:)?(emerg|alert|crit|error|warn|warning|notice|info|debug|trace\d?)\]", re.IGNORECASE
)
_NAME = re.compile(rb"^(?:\S+ ){0,3}?\S*?\b(CRITICAL|FATAL|ERROR|WARNING|WARN|INFO|DEBUG):")

# Without a level the words of the message have to do; one step milder than a stated level.
_BAD = re.compile(
    rb"\b(?:panic|fatal|segfault|out of memory|oom-kill\w*|core dumped|call trace|traceback)\b"
    rb"|\b(?:error|errors|exception|failed|failure|fail|refused|denied|unreachable|timed out|timeout"
    rb"|aborted|corrupt\w*|invalid|cannot|unable)\b",
    re.IGNORECASE,
)
_NOT_BAD = re.compile(
    rb"\b(?:no|without|0|zero) (?:\w+ )?(?:errors?|failures?|exceptions?)\b", re.IGNORECASE
)


def level_in_head(head: bytes) -> tuple[Severity, tuple[int, int]] | None:
    """Find a stated level in the head of a line: (severity, span of the word) or ``None``."""
    match = _HEAD.search(head, 0, 140)
    if match is not None:
        return LEVELS[match[1].lower()] if match[
            1
        ].lower() in LEVELS else Severity.INFO, match.span(1)
    match = _FIELD.search(head) or _BRACKET.search(head, 0, 140)
    if match is not None:
        word = match[1].lower().rstrip(b"0123456789")
        if word in LEVELS:
            return LEVELS[word], match.span(1)
    return None


def guess_level(message: bytes) -> Severity:
    """Guess severity from the words of a message that states no level."""
    if _BAD.search(message, 0, 400) and not _NOT_BAD.search(message, 0, 400):
        return Severity.WARNING
    return Severity.INFO


def level_word(value: object) -> bytes | None:
    """Read a level field as a word: a word, a syslog number (0-7) or a pino/bunyan one (10-60)."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word.isdigit():
            return level_word(int(word))
        raw = word.encode("utf-8", "replace")
        return raw if raw in LEVELS else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = int(value)
    if 0 <= number < len(_SYSLOG):
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


def level_and_text(word: bytes, text: bytes) -> tuple[Severity, bytes]:
    """Return the severity of *word* and the text, which keeps a word finer than its severity."""
    return LEVELS[word], text if word in PLAIN_WORDS else word + b" " + text


def http_level(status_class: bytes) -> Severity:
    """Map an HTTP status class: 5xx is an error, 4xx a warning."""
    return {b"5": Severity.ERROR, b"4": Severity.WARNING}.get(status_class[:1], Severity.INFO)
