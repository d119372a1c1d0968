"""Scan Prometheus and OpenMetrics text: a dict look-up for a known series, a parse for a new one.

A page repeats itself: only the numbers change between two scrapes. What stands before the value
is therefore looked up as raw text; names, labels and escapes are taken apart only the first time.
The caches are pure: clearing them changes no result.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aiops.errors import AiopsError
from aiops.model import Series, SeriesSet
from aiops.sources.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_CHUNK = 256 * 1024  # no call into C holds the interpreter for longer than this takes
_SKIPPED = ("blank", "created", "bucket")  # column -1, -2, -3
_BLANK, _CREATED, _BUCKET = -1, -2, -3

_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_KEY = re.compile(
    rf"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*+)?(?:[ \t]*\{{((?:[^\"{{}}]++|{_QUOTED})*+)\}})?", re.DOTALL
)
_LABEL = re.compile(
    rf"[ \t]*([a-zA-Z_][a-zA-Z0-9_]*+|{_QUOTED})[ \t]*(?:=[ \t]*({_QUOTED})[ \t]*)?(?:,|\Z)",
    re.DOTALL,
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_EXEMPLAR = r"[ \t]#[ \t]*\{.*"
_REST = re.compile(rf"[ \t]*([^ \t#{{]+)(?:[ \t]+{_NUMBER})?[ \t]*(?:{_EXEMPLAR})?\Z", re.ASCII)
_ESCAPE = re.compile(r'\\([\\n"])')
_TYPES = {"counter", "gauge", "histogram", "gaugehistogram", "summary", "stateset", "info"}
_TYPES |= {"unknown", "untyped"}
_EDGES = {"le", "vmrange"}
_UNITS = ("seconds", "bytes", "ratio", "celsius", "volts", "amperes", "joules", "grams")


class ScrapeError(AiopsError):
    """Count the scrape as failed: nothing of it may be used. ``reason`` is one short word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what one page may hold; a page beyond any of them is rejected whole."""

    samples: int = 100_000
    labels: int = 64
    name_length: int = 512
    value_length: int = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Scrape:
    """Hold the values of one page; NaN is "not on it". ``skipped`` counts samples by reason."""

    columns: SeriesSet
    values: NDArray[np.float64]
    samples: int
    skipped: Mapping[str, int] = field(default_factory=dict)


class Scanner:
    """Read one target's pages, one after the other.

    *instance*, when given, becomes a label of every series, for targets that share an entity.
    Histogram buckets are skipped unless *buckets*; their ``_sum`` and ``_count`` stay.
    A page that is malformed anywhere raises ``ScrapeError`` and changes nothing.
    """

    def __init__(
        self,
        entity: str,
        *,
        instance: str = "",
        buckets: bool = False,
        limits: Limits | None = None,
        patience: int = 20,
    ) -> None:
        self.columns = Columns(patience)
        self._entity = entity
        self._instance = instance
        self._buckets = buckets
        self._limits = limits or Limits()
        self._known: dict[str, int] = {}
        self._notes: list[str] = []
        self._types: dict[str, str] = {}
        self._units: dict[str, str] = {}

    def series(self, name: str, unit: str = "") -> Series:
        """Name a gauge that is about the target itself, as ``up`` is."""
        return Series(self._entity, _spell(name, self._with_instance({})), "gauge", unit)

    def nothing(self) -> NDArray[np.float64]:
        """Return a row in which nothing was measured."""
        return np.full(len(self.columns), np.nan)

    def scan(self, body: bytes, *, openmetrics: bool = False) -> Scrape:
        """Return the values of a page, or raise ``ScrapeError`` without having changed anything."""
        samples, notes = _lines(body)
        if len(samples) > self._limits.samples:
            raise ScrapeError(
                "sample_limit",
                f"{len(samples)} samples are over sample_limit = {self._limits.samples}; "
                "raise it or let the target expose less",
            )
        if openmetrics and not _ends(body):
            raise ScrapeError("half_body", "the page does not end in # EOF")
        types, units = self._types, self._units
        if notes != self._notes:
            types, units = _metadata(notes)
        known = self._known if _agree(self._types, types) else {}

        parts = [line.rpartition(" ") for line in samples]
        places = [known.get(part[0]) for part in parts]
        texts = [part[2] for part in parts]
        fresh: dict[str, Series | int] = {}
        late: list[tuple[int, str]] = []
        if None in places:
            for i, place in enumerate(places):
                if place is None:
                    raw, texts[i] = self._take_apart(samples[i], known, fresh, types, units)
                    late.append((i, raw))
        numbers = _numbers(texts, samples)

        # From here on the page is good and the caches may change.
        if notes != self._notes:
            self._notes = notes
            self._types, self._units = types, units
        self._known = known
        for raw, found in fresh.items():
            known[raw] = found if isinstance(found, int) else self.columns.place(found)
        for i, raw in late:
            places[i] = known[raw] if raw else _BLANK
        at = np.array(places, np.int64)
        if len(known) > 2 * len(samples) + 1000:
            self._known = {part[0]: known[part[0]] for part in parts if part[0] in known}
        return self._row(at, numbers)

    def _row(self, at: NDArray[np.int64], numbers: NDArray[np.float64]) -> Scrape:
        skipped: Counter[str] = Counter()
        kept = at >= 0
        if not kept.all():
            for reason, count in enumerate(np.bincount(-1 - at[~kept])):
                if reason and count:
                    skipped[_SKIPPED[reason]] += int(count)
            samples = len(at) - int((at == _BLANK).sum())
            at, numbers = at[kept], numbers[kept]
        else:
            samples = len(at)
        present = np.zeros(len(self.columns), np.bool_)
        present[at] = True
        values = self.nothing()
        # Of a series that stands twice on a page the first counts; the last assignment wins.
        values[at[::-1]] = numbers[::-1]
        twice = len(at) - int(present.sum())
        if twice:
            skipped["duplicate"] += twice
        moved = self.columns.age(present)
        if moved is not None:
            values = values[moved >= 0]
            self._known = {
                raw: place if place < 0 else int(moved[place])
                for raw, place in self._known.items()
                if place < 0 or moved[place] >= 0
            }
        return Scrape(self.columns.current, values, samples, skipped)

    def _take_apart(
        self,
        line: str,
        known: Mapping[str, int],
        fresh: dict[str, Series | int],
        types: Mapping[str, str],
        units: Mapping[str, str],
    ) -> tuple[str, str]:
        if not (text := line.strip(" \t")) or text[0] == "#":
            return "", "nan"
        key = _KEY.match(line)
        raw = key[0] if key else ""
        rest = _REST.match(line, len(raw))
        if key is None or rest is None or not (raw[-1:] == "}" or line[len(raw)] in " \t"):
            raise _malformed(line)
        if raw not in known and raw not in fresh:
            name, labels = _labels(line, key[1], key[2])
            self._check(name, labels)
            fresh[raw] = self._classify(name, labels, types, units)
        return raw, rest[1]

    def _check(self, name: str, labels: Mapping[str, str]) -> None:
        limits = self._limits
        if (many := len(labels)) > limits.labels:
            raise ScrapeError("label_limit", f"{name} has {many} labels, over {limits.labels}")
        longest = max(map(len, (name, *labels)))
        if longest > limits.name_length:
            raise ScrapeError("label_limit", f"{name[:80]}: a name is {longest} characters long")
        longest = max(map(len, labels.values()), default=0)
        if longest > limits.value_length:
            raise ScrapeError("label_limit", f"{name[:80]}: a label is {longest} characters long")

    def _classify(
        self,
        name: str,
        labels: dict[str, str],
        types: Mapping[str, str],
        units: Mapping[str, str],
    ) -> Series | int:
        family, suffix = name, ""
        if name not in types:
            stem, _, end = name.rpartition("_")
            if stem in types and end in {"total", "count", "sum", "bucket", "created"}:
                family, suffix = stem, end
            elif end in {"total", "bucket"}:
                suffix = end
        kind = types.get(family, "")
        if suffix == "created":
            return _CREATED
        if suffix == "bucket" and _EDGES & labels.keys() and not self._buckets:
            return _BUCKET
        counts = kind == "counter" or (
            kind in {"histogram", "summary"} and suffix in {"count", "sum", "bucket"}
        )
        # Untyped pages still follow the naming rule; an explicit type is believed.
        counts = counts or (suffix in {"total", "bucket"} and kind in {"", "unknown", "untyped"})
        unit = units.get(family) or _unit(family if suffix else name)
        if suffix in {"count", "bucket"}:
            unit = ""
        spelled = _spell(name, self._with_instance(labels))
        return Series(self._entity, spelled, "counter" if counts else "gauge", unit)

    def _with_instance(self, labels: dict[str, str]) -> dict[str, str]:
        if not self._instance:
            return labels
        if "instance" in labels:
            labels = {**labels, "exported_instance": labels["instance"]}
        return {**labels, "instance": self._instance}


def _chunks(body: bytes) -> Iterator[str]:
    start = 0
    while start < len(body):
        end = len(body)
        if end - start > _CHUNK:
            end = body.rfind(b"\n", start, start + _CHUNK) + 1
            if end == 0:
                end = body.find(b"\n", start + _CHUNK) + 1 or len(body)
        yield body[start:end].decode()
        start = end


def _lines(body: bytes) -> tuple[list[str], list[str]]:
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
    samples: list[str] = []
    notes: list[str] = []
    try:
        for text in _chunks(body):
            # Only LF ends a line; str.splitlines would also cut inside label values.
            lines = text.split("\n")
            samples += [line for line in lines if line and line[0] != "#"]
            notes += [line for line in lines if line and line[0] == "#"]
    except UnicodeDecodeError as e:
        raise ScrapeError("encoding", f"the page is not UTF-8: {e.reason}") from e
    return samples, notes


def _ends(body: bytes) -> bool:
    return body[-16:].replace(b"\r", b"").rstrip(b"\n").endswith(b"# EOF")


def _metadata(notes: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    types: dict[str, str] = {}
    units: dict[str, str] = {}
    for note in notes:
        words = note[1:].split(None, 2)
        if len(words) < 2 or note[1] not in " \t":
            continue
        if words[0] == "TYPE":
            kind = words[2].strip() if len(words) == 3 else ""
            if kind not in _TYPES:
                raise _malformed(note)
            types[_unquote(words[1])] = kind
        elif words[0] == "UNIT" and len(words) == 3:
            units[_unquote(words[1])] = words[2].strip()
    return types, units


def _agree(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    return old is new or all(old.get(name, kind) == kind for name, kind in new.items())


def _labels(line: str, name: str | None, inside: str | None) -> tuple[str, dict[str, str]]:
    labels: dict[str, str] = {}
    seen: set[str] = set()
    at, end = 0, len(inside.rstrip(" \t")) if inside else 0
    while inside and at < end:
        item = _LABEL.match(inside, at)
        if item is None:
            raise _malformed(line)
        at = item.end()
        word = _unquote(item[1])
        if item[2] is None:
            # {"a.name", label="x"}: the name of the metric may be quoted inside the braces.
            if name is not None or item[1][0] != '"':
                raise _malformed(line)
            name = word
            continue
        if word in seen:
            raise _malformed(line)
        seen.add(word)
        # An empty label is the same as none.
        if value := _unquote(item[2]):
            labels[word] = value
    if not name:
        raise _malformed(line)
    return name, labels


def _unquote(text: str) -> str:
    if text[:1] != '"':
        return text
    return _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], text[1:-1])


def _spell(name: str, labels: Mapping[str, str]) -> str:
    if not labels:
        return name
    inside = ",".join(f'{key}="{_quote(labels[key])}"' for key in sorted(labels))
    return f"{name}{{{inside}}}"


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unit(name: str) -> str:
    stem = name.removesuffix("_total").removesuffix("_sum")
    end = stem.rpartition("_")[2]
    return end if end in _UNITS else ""


def _numbers(texts: list[str], lines: Sequence[str]) -> NDArray[np.float64]:
    # float() also takes 1_000 and digits of every script; a page may hold neither.
    together = "".join(texts)
    if "_" in together or not together.isascii():
        for text, line in zip(texts, lines, strict=True):
            if "_" in text or not text.isascii():
                raise _malformed(line)
    try:
        return np.array(list(map(float, texts)), np.float64)
    except ValueError:
        for text, line in zip(texts, lines, strict=True):
            try:
                float(text)
            except ValueError:
                raise _malformed(line) from None
        raise


def _malformed(line: str) -> ScrapeError:
    return ScrapeError("malformed", f"a line is not in the text format: {line[:120]!r}")
