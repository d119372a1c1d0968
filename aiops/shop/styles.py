"""How each kind of service writes a line: layout, level words and stamps of real log formats."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aiops.shop.draws import DRAWS, NUMERIC, Draw, Sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_CLOCK = tuple(f"{s // 60:02d}:{s % 60:02d}" for s in range(3600))
_MILLI = tuple(f"{n:03d}" for n in range(1000))
_PAIR = re.compile(r'([\w.-]+)=("[^"]*"|\S+)')
_HOLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a catalogue: how often, how bad, what; ``{name}`` marks variable parts.

    ``weight`` is its share of the traffic; ``daily`` is how often a day it comes by itself;
    ``every`` and ``offset`` place it on a timetable in seconds of the day. ``extra`` is the
    logger, the program or the structured fields, as its style wants it.
    """

    level: str
    extra: str
    text: str
    weight: float = 0.0
    daily: float = 0.0
    every: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Template:
    """A message laid out for one instance: a ``%`` format and the draws that fill it.

    ``places`` says which draw fills which hole: a name used twice in a text means one value.
    """

    message: Message
    format: str
    draws: tuple[Draw, ...]
    places: tuple[int, ...]

    def render(self, sheet: Sheet, lines: NDArray[np.intp]) -> list[str]:
        """Return the text of these lines of the sheet, each ending in a newline."""
        drawn = [draw(sheet, lines) for draw in self.draws]
        columns = [drawn[i] for i in self.places]
        return list(map(self.format.__mod__, zip(*columns, strict=True)))


def parse(table: str) -> tuple[Message, ...]:
    """Read a catalogue: ``WHEN LEVEL ~ EXTRA ~ TEXT``, an indented line continues the one before.

    WHEN is a weight (``40``), a daily count (``3/d``) or a timetable (``@300+20``).
    """
    joined: list[str] = []
    for line in table.strip("\n").split("\n"):
        if line.startswith(" ") and joined:
            joined[-1] = f"{joined[-1]} {line.strip()}".replace(" \\n", "\\n")
        elif line.strip():
            joined.append(line.strip())
    found = []
    for line in joined:
        head, extra, text = (part.strip() for part in line.split(" ~ ", 2))
        when, level = head.split()
        if when.endswith("/d"):
            found.append(Message(level, extra, text, daily=float(when[:-2])))
        elif when.startswith("@"):
            every, offset = when[1:].split("+")
            found.append(Message(level, extra, text, every=float(every), offset=float(offset)))
        else:
            found.append(Message(level, extra, text, weight=float(when)))
    return tuple(found)


def fill(text: str, words: dict[str, str]) -> str:
    """Replace fixed words such as ``{host}`` and keep what is drawn line by line."""
    return _HOLE.sub(lambda m: words.get(m[1], m[0]), text)


def lay_out(style: Style, message: Message, words: dict[str, str]) -> Template:
    """Return *message* as the style writes it, with fixed *words* put in."""
    text = fill(style.write(message), words) + "\n"
    pieces = _HOLE.split(text)
    form = "".join("%s" if i % 2 else piece.replace("%", "%%") for i, piece in enumerate(pieces))
    names = list(dict.fromkeys(pieces[1::2]))
    places = tuple(names.index(name) for name in pieces[1::2])
    return Template(message, form, tuple(DRAWS[name] for name in names), places)


# --- layouts ----------------------------------------------------------------------------------

_PINO = {"debug": 20, "info": 30, "warning": 40, "error": 50, "critical": 60}
_GO = {"warning": "warn", "critical": "fatal"}


def _lines(message: Message) -> str:
    return message.text.replace("\\n", "\n").replace("\\t", "\t")


def _access(message: Message) -> str:
    return "{ip} - - [{stamp}] " + message.text


def _nginx_error(message: Message) -> str:
    level = {"warning": "warn", "critical": "crit", "info": "notice"}.get(
        message.level, message.level
    )
    number = "" if message.extra == "main" else " *{conn}"
    return f"{{stamp}} [{level}] 31#31:{number} {message.text}"


def _logback(message: Message) -> str:
    level = {"warning": "WARN", "critical": "ERROR"}.get(message.level, message.level.upper())
    logger = message.extra
    thread = "main" if logger.startswith(("o.s.", "c.s.boot", "o.a.c")) else "{thread}"
    if "hikari" in logger or "scheduling" in logger:
        thread = "scheduling-1"
    if thread != "{thread}":
        thread = f"{thread:>15}"
    return f"{{stamp}} {level:>5} 1 --- [{thread}] {logger:<40} : {_lines(message)}"


def _python(message: Message) -> str:
    return f"{{stamp}} {message.level.upper():<8} [{message.extra}] {_lines(message)}"


def _logfmt(message: Message) -> str:
    level = _GO.get(message.level, message.level)
    return f'ts={{stamp}} level={level} msg="{message.text}" {message.extra}'.rstrip(" -")


def _klog(message: Message) -> str:
    letter = {"warning": "W", "error": "E", "critical": "F"}.get(message.level, "I")
    pairs = " ".join(
        f"{k}={v}" if v.startswith('"') or v.strip("{}") in NUMERIC else f'{k}="{v}"'
        for k, v in _PAIR.findall(message.extra)
    )
    place = f"{(len(message.text) * 7) % 400 + 31}"
    return f'{letter}{{stamp}}       1 shipping.go:{place}] "{message.text}" {pairs}'.rstrip()


def _nested(pairs: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, raw in _PAIR.findall(pairs):
        *path, leaf = name.split(".")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        if raw.startswith('"'):
            node[leaf] = raw[1:-1].replace("\\n", "\n")
        elif raw.isdigit():
            node[leaf] = int(raw)
        else:
            node[leaf] = raw
    return tree


def _json(tree: dict[str, Any]) -> str:
    text = json.dumps(tree, separators=(",", ":"))
    return re.sub(
        r'"\{(\w+)\}"', lambda m: f"{{{m[1]}}}" if m[1] in NUMERIC or m[1] == "now" else m[0], text
    ).replace("{now}", "{stamp}")


def _pino(message: Message) -> str:
    head = {"level": _PINO[message.level], "time": "{now}", "pid": 1, "hostname": "{host}"}
    return _json({**head, **_nested(message.extra), "msg": message.text})


def _bunyan(message: Message) -> str:
    head = {"name": "{service}", "hostname": "{host}", "pid": 17, "level": _PINO[message.level]}
    tail = {"msg": message.text, "time": "{stamp}", "v": 0}
    return _json({**head, **_nested(message.extra), **tail})


def _zap(message: Message) -> str:
    level = _GO.get(message.level, message.level)
    head = {"level": level, "ts": "{now}", "logger": "{service}", "msg": message.text}
    return _json({**head, **_nested(message.extra)})


def _postgres(message: Message) -> str:
    level = {"info": "LOG", "critical": "FATAL"}.get(message.level, message.level.upper())
    who = f" {message.extra}" if message.extra != "-" else ""
    head = f"{{stamp}} UTC [{{pid}}]{who} "
    return head + f"{level}:  " + _lines(message).replace("\n", "\n" + head)


def _redis(message: Message) -> str:
    mark = {"debug": ".", "info": "*"}.get(message.level, "#")
    return f"{message.extra if message.extra != '-' else '1:M'} {{stamp}} {mark} {message.text}"


def _syslog(message: Message) -> str:
    return f"{{stamp}} {{host}} {message.extra}: {message.text}"


# --- stamps -----------------------------------------------------------------------------------


def _day(t: time.struct_time, sep: str) -> str:
    return f"{t.tm_year}{sep}{t.tm_mon:02d}{sep}{t.tm_mday:02d}"


@dataclass(frozen=True, slots=True)
class Style:
    """One log format: how a message is written and how its stamp looks.

    ``head`` writes date and hour once an hour; ``mark`` stands before the fraction, ``None``
    is a format of whole seconds; ``digits`` counts fraction digits; ``tail`` ends the stamp.
    ``epoch`` formats (numbers) use no head.
    """

    write: Callable[[Message], str]
    head: Callable[[time.struct_time], str]
    mark: str | None = None
    digits: int = 3
    tail: str = ""
    epoch: bool = False

    def stamps(self, hour: int, at: NDArray[np.float64]) -> list[str]:
        """Return the stamp of each time, given as seconds after the start of the *hour*."""
        micros = (at * 1e6).astype(np.int64)
        seconds = (micros // 1_000_000).tolist()
        parts = (micros % 1_000_000 // 1000).tolist()
        mark, tail = self.mark, self.tail
        if self.epoch:
            return [f"{hour + s}{mark}{_MILLI[f]}" for s, f in zip(seconds, parts, strict=True)]
        head = self.head(time.gmtime(hour))
        if mark is None:
            return [f"{head}{_CLOCK[s]}{tail}" for s in seconds]
        if self.digits == 6:
            rest = (micros % 1000).tolist()
            return [
                f"{head}{_CLOCK[s]}{mark}{_MILLI[f]}{_MILLI[r]}{tail}"
                for s, f, r in zip(seconds, parts, rest, strict=True)
            ]
        return [
            f"{head}{_CLOCK[s]}{mark}{_MILLI[f]}{tail}" for s, f in zip(seconds, parts, strict=True)
        ]


def _iso(t: time.struct_time) -> str:
    return f"{_day(t, '-')}T{t.tm_hour:02d}:"


def _spaced(t: time.struct_time) -> str:
    return f"{_day(t, '-')} {t.tm_hour:02d}:"


def _slashed(t: time.struct_time) -> str:
    return f"{_day(t, '/')} {t.tm_hour:02d}:"


def _clf(t: time.struct_time) -> str:
    return f"{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02d}:"


def _dated(t: time.struct_time) -> str:
    return f"{t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year} {t.tm_hour:02d}:"


def _bsd(t: time.struct_time) -> str:
    return f"{_MONTHS[t.tm_mon - 1]} {t.tm_mday:>2} {t.tm_hour:02d}:"


def _short(t: time.struct_time) -> str:
    return f"{t.tm_mon:02d}{t.tm_mday:02d} {t.tm_hour:02d}:"


STYLES: dict[str, Style] = {
    "access": Style(_access, _clf, tail=" +0000"),
    "nginx-error": Style(_nginx_error, _slashed),
    "logback": Style(_logback, _spaced, "."),
    "python": Style(_python, _spaced, ","),
    "logfmt": Style(_logfmt, _iso, ".", tail="Z"),
    "klog": Style(_klog, _short, ".", digits=6),
    "pino": Style(_pino, _iso, "", epoch=True),
    "bunyan": Style(_bunyan, _iso, ".", tail="Z"),
    "zap": Style(_zap, _iso, ".", epoch=True),
    "postgres": Style(_postgres, _spaced, "."),
    "redis": Style(_redis, _dated, "."),
    "syslog": Style(_syslog, _bsd),
}
"""Every log format the shop writes."""
