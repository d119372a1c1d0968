"""Grow a log corpus: the same lines again and again, with new values where values were.

A slot is a place that varied between lines of one form; what is drawn for it keeps its class and
its length: digits, hex, base64-like ids, words and names (a word slot is one in which many words
were seen). Stamps move on by the span of the corpus at every repetition, so time never turns back.
"""

from __future__ import annotations

import collections
import csv
import datetime as dt
import gzip
import io
import itertools
import json
import os
import random
import re
import string
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

SHARED = Path(os.environ.get("AIOPS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LOGS = SHARED / "data" / "logs"

_RUN = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
_PIECE = re.compile(r"[0-9]+|[A-Za-z]+")
_HEX = frozenset("0123456789abcdef")
_BASE = string.ascii_letters + string.digits
MANY_WORDS = 4
"""A slot in which fewer words were seen is an enumeration: its words stay."""

Form = tuple[str, ...]
Part = str | Callable[[], str]


class Draws:
    """Draw values of a class, quickly and with a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        letters = string.ascii_lowercase
        made = [
            "".join(self._rng.choices(letters, k=self._rng.randint(3, 10))) for _ in range(20_000)
        ]
        self.words = made[:15_000]
        self.names = [name.capitalize() for name in made[15_000:]]

    def digits(self, length: int) -> str:
        if length == 3:
            return str(self._rng.randrange(100, 256))  # an octet as well as any number
        low = 10 ** (length - 1) if length > 1 else 0
        return str(self._rng.randrange(low, 10**length))

    def hex(self, length: int) -> str:
        return f"{self._rng.getrandbits(4 * length):0{length}x}"

    def base(self, length: int) -> str:
        return "".join(self._rng.choices(_BASE, k=length))

    def word(self) -> str:
        return self._rng.choice(self.words)

    def name(self) -> str:
        return self._rng.choice(self.names)


def drawer(value: str, draws: Draws, *, words: bool) -> list[Part]:
    """Return the parts of one slot's value: text that stays, or what draws a new one.

    *words* lets a bare word be drawn too; names of code (dotted, called) are never values.
    """
    bare = value.strip("\"'[](){},;:")
    if words and len(bare) >= 3 and bare.isalpha():
        head, _, tail = value.partition(bare)
        return [head, draws.name if bare[0].isupper() else draws.word, tail]
    parts: list[Part] = []
    end = 0
    for match in _RUN.finditer(value):
        parts.append(value[end : match.start()])
        end = match.end()
        for piece in _id_pieces(match[0]):
            parts += _piece(piece, draws)
    parts.append(value[end:])
    return [p for p in parts if p != ""]


def _id_pieces(run: str) -> list[str]:
    """Split at dashes and underscores, unless the whole is one base64-like id."""
    return [run] if _is_base(run) else [p for p in re.split(r"([-_])", run) if p]


def _is_base(run: str) -> bool:
    turns = sum(a != b for a, b in itertools.pairwise(map(_class, run)))
    return len(run) >= 16 and turns > 0.45 * len(run) and any(c.isupper() for c in run)


def _class(char: str) -> int:
    return 0 if char.isdigit() else 1 if char.islower() else 2


def _piece(run: str, draws: Draws) -> list[Part]:
    n = len(run)
    if run.isdigit():
        return [lambda: draws.digits(n)]
    if n >= 4 and _HEX.issuperset(run) and any(c.isdigit() for c in run):
        return [lambda: draws.hex(n)]
    if _is_base(run):
        return [lambda: draws.base(n)]
    parts: list[Part] = []
    for match in _PIECE.finditer(run):
        piece = match[0]
        parts.append(partial(draws.digits, len(piece)) if piece.isdigit() else piece)
    return parts or [run]


class Mould:
    """Remember which places of which forms vary; turn a line into parts to draw again."""

    def __init__(self, lines: list[str], seed: int) -> None:
        self.draws = Draws(seed)
        groups: dict[Form, list[collections.Counter[str]]] = {}
        for line in lines:
            tokens = line.split(" ")
            seen = groups.setdefault(_form(tokens), [])
            if not seen:
                seen.extend(collections.Counter() for _ in tokens)
            for place, token in zip(seen, tokens, strict=True):
                if len(place) < 64:
                    place[token] += 1
        self._slots = {
            form: [(len(place) > 1, _many_words(place)) for place in places]
            for form, places in groups.items()
        }

    def parts(self, line: str) -> list[Part]:
        tokens = line.split(" ")
        parts: list[Part] = []
        for token, (varies, words) in zip(tokens, self._slots[_form(tokens)], strict=True):
            if parts:
                parts.append(" ")
            parts += drawer(token, self.draws, words=words) if varies else [token]
        return fused(parts)


def fused(parts: list[Part]) -> list[Part]:
    """Join texts that lie side by side."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def _form(tokens: list[str]) -> Form:
    """Group lines for the comparison: how many tokens, and the first plain ones."""
    plain = (t for t in tokens if t and not any(c.isdigit() for c in t) and len(t) < 60)
    return (str(len(tokens)), *itertools.islice(plain, 4))


def _many_words(place: collections.Counter[str]) -> bool:
    bare = {token.strip("\"'[](){},;:") for token in place}
    return sum(word.isalpha() for word in bare) >= MANY_WORDS


def pour(parts: list[Part]) -> str:
    return "".join([p if isinstance(p, str) else p() for p in parts])


# --- the three corpora ----------------------------------------------------------------------


def _unpack(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def hdfs() -> Iterator[tuple[str, list[str]]]:
    """Yield (file name, lines): the corpus as it is."""
    yield "hdfs.log", _unpack(LOGS / "hdfs/hdfs_events.log.gz").split("\n")[:-1]


def lo2() -> Iterator[tuple[str, list[str]]]:
    """Yield one plain file a service, the normal runs one after the other."""
    services: dict[str, list[str]] = {}
    for run in sorted((LOGS / "lo2").glob("correct_*.tsv.gz")):
        for service, lines in _services(run).items():
            services.setdefault(service, []).extend(lines)
    for service, lines in services.items():
        yield f"{service}.log", lines


def nezha() -> Iterator[tuple[str, list[str]]]:
    path = LOGS / "nezha_trainticket/2023-01-29.logs.jsonl.gz"
    yield "nezha.jsonl", _unpack(path).split("\n")[:-1]


def hdfs_grown(least: int, seed: int) -> Iterator[tuple[str, Iterator[str]]]:
    """Draw new values for the slots of the labelled templates; other lines by comparison."""
    lines = next(hdfs())[1]
    draws, forms = Draws(seed), _labelled("HDFS")
    found = []
    span = dt.timedelta(0)
    first = dt.datetime.strptime(lines[0][:13], "%y%m%d %H%M%S").replace(tzinfo=dt.UTC)
    for line in lines:
        at = dt.datetime.strptime(line[:13], "%y%m%d %H%M%S").replace(tzinfo=dt.UTC)
        span = max(span, at - first)
        head, _, content = line[13:].partition(": ")
        parts: list[Part] = [
            *drawer(head[:5], draws, words=False),
            head[5:] + ": ",
        ]
        match = next((m for form in forms if (m := form.fullmatch(content))), None)
        if match is None:
            parts.append(content)
        else:
            end = 0
            for i in range(1, match.re.groups + 1):
                parts.append(content[end : match.start(i)])
                # Paths hold names of users and jobs; blk_ and part- are the product's own words.
                has_name = match[i].startswith(("/user/", "/mnt/"))
                parts += _path(match[i], draws) if has_name else _plain(match[i], draws)
                end = match.end(i)
            parts.append(content[end:])
        found.append((at, fused(parts)))
    step = span + dt.timedelta(seconds=10)

    def again() -> Iterator[str]:
        for n in range(-(-least // len(found))):
            for at, parts in found:
                yield f"{at + n * step:%y%m%d %H%M%S}{pour(parts)}"

    yield "hdfs.log", again()


_OWN = frozenset({"hadoop", "dfs", "data", "current"})


def _plain(value: str, draws: Draws) -> list[Part]:
    return drawer(value, draws, words=False)


def _path(value: str, draws: Draws) -> list[Part]:
    parts: list[Part] = []
    for n, text in enumerate(value.split("/")):
        parts.append("/" if n else "")
        drawn = n > 1 and text.isalpha() and text not in _OWN
        parts += drawer(text, draws, words=drawn)
    return parts


def _labelled(system: str) -> list[re.Pattern[str]]:
    text = _unpack(LOGS / "templates" / f"{system}_2k.structured_corrected.csv.gz")
    counts = collections.Counter(row["EventTemplate"] for row in csv.DictReader(io.StringIO(text)))
    return [
        re.compile("(.+?)".join(re.escape(p) for p in template.split("<*>")), re.DOTALL)
        for template, _ in counts.most_common()
    ]


_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)\.(\d\d\d)")


def lo2_grown(least: int, seed: int) -> Iterator[tuple[str, Iterator[str]]]:
    """Repeat every service's runs; the runs follow each other without the half hours between."""
    runs = [_services(run) for run in sorted((LOGS / "lo2").glob("correct_*.tsv.gz"))]
    clocks = [
        [_millis(m) for lines in run.values() for line in lines if (m := _CLOCK.match(line))]
        for run in runs
    ]
    starts, length = [], 0
    for some in clocks:
        starts.append(length - min(some))
        length += max(some) - min(some) + 100
    times = -(-least // sum(len(lines) for run in runs for lines in run.values()))
    for name in runs[0]:
        lines = [
            (start, line) for run, start in zip(runs, starts, strict=True) for line in run[name]
        ]
        heads = [_CLOCK.match(line) for _, line in lines]
        bodies = [line[m.end() :] if m else line for m, (_, line) in zip(heads, lines, strict=True)]
        mould = Mould(bodies, seed)
        made = [
            (_millis(m) + start if m else None, mould.parts(body))
            for m, (start, _), body in zip(heads, lines, bodies, strict=True)
        ]

        def again(made: list[tuple[int | None, list[Part]]] = made) -> Iterator[str]:
            for n in range(times):
                for at, parts in made:
                    yield ("" if at is None else _clock(at + n * length)) + pour(parts)

        yield f"{name}.log", again()


def _services(run: Path) -> dict[str, list[str]]:
    services: dict[str, list[str]] = {}
    for line in _unpack(run).split("\n")[:-1]:
        service, _, text = line.partition("\t")
        services.setdefault(service, []).append(text)
    return services


def _millis(match: re.Match[str]) -> int:
    h, m, s, ms = map(int, match.groups())
    return ((h * 60 + m) * 60 + s) * 1000 + ms


def _clock(millis: int) -> str:
    seconds, ms = divmod(millis, 1000)
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"


def nezha_grown(least: int, seed: int) -> Iterator[tuple[str, Iterator[str]]]:
    """Repeat the records with new values in their messages and both of their stamps moved on."""
    records = [json.loads(line) for line in next(nezha())[1]]
    stamps = [r["ts_ns"] for r in records]
    span = max(stamps) - min(stamps) + 10**9
    heads = [_CLOCK.match(r["log"]) for r in records]
    bodies = [r["log"][m.end() :] if m else r["log"] for r, m in zip(records, heads, strict=True)]
    mould = Mould(bodies, seed)
    made = [
        (r["ts_ns"], r["phase"], r["pod"], _millis(m) if m else None, mould.parts(body))
        for r, m, body in zip(records, heads, bodies, strict=True)
    ]

    def again() -> Iterator[str]:
        for n in range(-(-least // len(made))):
            for at, phase, pod, said, parts in made:
                clock = "" if said is None else _clock(said + n * span // 1_000_000)
                log = json.dumps(clock + pour(parts))
                head = f'"ts_ns": {at + n * span}, "phase": "{phase}", "pod": "{pod}"'
                yield f'{{{head}, "log": {log}}}'

    yield "nezha.jsonl", again()


# --- made from nothing ----------------------------------------------------------------------


def novel(count: int = 100_000, seed: int = 7) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield stamped lines of 3 to 40 random words: nothing ever repeats."""
    rng, draws = random.Random(seed), Draws(seed)
    start = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)

    def lines() -> Iterator[str]:
        for i in range(count):
            at = start + dt.timedelta(milliseconds=10 * i)
            text = " ".join(rng.choices(draws.words, k=rng.randint(3, 40)))
            yield f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z {text}"

    yield "novel.log", lines()


def pino(count: int = 300_000, seed: int = 8) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield records as a web service's JSON logger writes them."""
    rng, draws = random.Random(seed), Draws(seed)
    start = 1_709_251_200_000
    routes = ["/api/cart", "/api/orders", "/api/products", "/api/users", "/healthz"]

    def lines() -> Iterator[str]:
        for i in range(count):
            head = f'"time":{start + 4 * i},"pid":{4100 + i % 4},"hostname":"shop-{i % 4}"'
            kind = rng.random()
            if kind < 0.7:
                route, code = rng.choice(routes), rng.choices((200, 201, 404), (90, 6, 4))[0]
                yield (
                    f'{{"level":30,{head},"reqId":"{draws.hex(16)}","method":"GET",'
                    f'"url":"{route}/{draws.digits(6)}","statusCode":{code},'
                    f'"responseTime":{rng.random() * 90:.3f},"msg":"request completed"}}'
                )
            elif kind < 0.97:
                yield (
                    f'{{"level":20,{head},"msg":"cache {rng.choice(("hit", "miss"))} for '
                    f'user {draws.name()} key {draws.hex(12)}"}}'
                )
            else:
                yield (
                    f'{{"level":40,{head},"msg":"slow query took {draws.digits(4)} ms on '
                    f'replica {draws.digits(1)}"}}'
                )

    yield "pino.jsonl", lines()


def plain(count: int = 500_000, seed: int = 9) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield a server's plain log without any corpus: a dozen forms, values of every class."""
    rng, draws = random.Random(seed), Draws(seed)
    start = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    forms = [
        ("INFO", "net.Receiver: receiving block blk_{d} src /10.{b}.{b}.{b}:{p}"),
        ("INFO", "net.Responder: {b} for block blk_{d} terminating"),
        ("INFO", "store.Names: block map updated: 10.{b}.{b}.{b}:{p} added blk_{d} size {d}"),
        ("INFO", "auth.Login: user {n} logged in from 10.{b}.{b}.{b}"),
        ("DEBUG", "cache.Local: key {h} loaded in {b} ms"),
        ("WARN", "store.Names: file /user/{w}/part-{p} is missing replica {h}"),
    ]

    def lines() -> Iterator[str]:
        for i in range(count):
            at = start + dt.timedelta(milliseconds=i)
            level, form = rng.choices(forms, (30, 30, 25, 8, 6, 1))[0]
            text = form.replace("{b}", draws.digits(2)).replace("{p}", draws.digits(5))
            text = text.replace("{d}", draws.digits(18)).replace("{h}", draws.hex(16))
            text = text.replace("{n}", draws.name()).replace("{w}", draws.word())
            yield f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03} {level} {text}"

    yield "server.log", lines()
