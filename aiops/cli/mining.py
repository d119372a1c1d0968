"""Mine the templates of whole files: learn them all, then say of every line which it is.

Two passes, so that a line's template is its final one and memory does not grow with the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiops.cli.inputs import InputError
from aiops.decoding.kinds import CONTINUATION, KindCache
from aiops.decoding.lines import SEP, Lines, Shape, collapse, split_text
from aiops.decoding.plain import PlainShape
from aiops.decoding.shapes import find_shape, is_stamped, key_space
from aiops.decoding.windows import PROBE_LINES
from aiops.model import Block, LineKind, Severity, Stream
from aiops.sources.entity import entity_of
from aiops.sources.file import read_file_blocks
from detectors.templates import Template, TemplateMiner

MOST: Final = 20_000
"""Templates kept for each workload and severity; beyond it the least recent ones become OTHER."""

NOVELTY: Final = 1_000_000
"""A file may be all news: unlike in the daemon nobody waits for the end of a window."""

_CACHE: Final = 200_000


@dataclass(frozen=True, slots=True)
class Text:
    """One file to mine; ``path`` can be read twice, ``workload`` goes into its ids."""

    path: str
    name: str
    workload: str

    @classmethod
    def of(cls, path: str, name: str) -> Text:
        """Return the text of *path*, called as the person called it."""
        where = "stdin" if name == "-" else str(Path(name).absolute())
        return cls(path, name, entity_of(where, {})[1])


@dataclass(slots=True)
class Tally:
    """What one template counted in one text."""

    count: int = 0
    sample: bytes = b""
    first: float | None = None
    last: float | None = None

    def add(self, other: Tally) -> None:
        self.sample = self.sample or other.sample
        self.count += other.count
        for at in (other.first, other.last):
            self.see(at)

    def see(self, at: float | None) -> None:
        if at is not None:
            self.first = at if self.first is None or at < self.first else self.first
            self.last = at if self.last is None or at > self.last else self.last


@dataclass(frozen=True, slots=True)
class Assigned:
    """One block of a text with the final template id of every line."""

    lines: Lines
    ids: list[str]
    heads: list[bool]


@dataclass(slots=True)
class Mining:
    """Learn texts, then assign their lines; ``content`` says that lines have no header."""

    content: bool = False
    _cache: KindCache = field(default_factory=KindCache)
    _miners: dict[tuple[str, int], TemplateMiner] = field(default_factory=dict)
    _learned: int = 0

    def learn(self, text: Text) -> int:
        """Learn every line of *text*; return how many there were."""
        total = 0
        for shape, lines, leading in self._blocks(text):
            total += len(lines.raw)
            pairs: dict[tuple[str, int], list[tuple[bytes, int]]] = {}
            counted = Counter(lines.keys[leading:])
            kinds = [(self._kind(shape, key), n) for key, n in counted.items()]
            kinds += [(self._own(key), 1) for key in lines.keys[:leading]]
            for kind, n in kinds:
                if kind is not CONTINUATION:
                    place = (kind.entity or text.workload, int(kind.severity))
                    pairs.setdefault(place, []).append((kind.masked, n))
            self._learned += 1
            for place in sorted(pairs):
                self._miner(place).learn(pairs[place], float(self._learned))
        return total

    def assign(self, text: Text, limit: int) -> Iterator[Assigned]:
        """Yield the first *limit* lines of *text* with their final ids, block by block.

        Call it after everything is learned: a file may have grown meanwhile.
        """
        ids: dict[tuple[str, bytes], str] = {}
        head = ""
        for shape, lines, leading in self._blocks(text):
            raw, keys = lines.raw[:limit], lines.keys[:limit]
            limit -= len(raw)
            if len(ids) > _CACHE:
                ids.clear()
            space = "" if shape is None else key_space(shape)
            found: list[str] = []
            heads: list[bool] = []
            for n, key in enumerate(keys):
                known = ids.get((space, key)) if n >= leading else None
                if known is None:
                    kind = self._kind(shape, key) if n >= leading else self._own(key)
                    known = "" if kind is CONTINUATION else self._id(text, kind)
                    if n >= leading:
                        ids[space, key] = known
                if known:
                    head = known
                found.append(head)
                heads.append(bool(known))
            yield Assigned(Lines(raw, keys, lines.seconds[: len(raw)]), found, heads)
            if not limit:
                return

    def templates(self) -> dict[str, tuple[str, Template]]:
        """Return every template by id, with its severity; ``<other>`` included."""
        found: dict[str, tuple[str, Template]] = {}
        for (_, severity), miner in self._miners.items():
            blank = Template(miner.other_id, "<other>", 0, 0.0, 0.0, "")
            found[blank.id] = (Severity(severity).label, blank)
            for template in miner.templates():
                label = Severity(severity).label
                if self.content:
                    label = _level_of(template.text).label
                found[template.id] = (label, template)
        return found

    # --- lines ------------------------------------------------------------------------------

    def _blocks(self, text: Text) -> Iterator[tuple[Shape | None, Lines, int]]:
        """Yield decoded blocks, and how many first lines continue what nobody saw begin."""
        stream = Stream(f"file:{text.path}", "file", text.workload, text.workload)
        shape: Shape | None = None
        began = self.content
        high: float | None = None
        for block in _read(text, stream):
            # The separator divides the parts of a key, so no line may bring its own.
            data = block.data.replace(SEP, b" ")
            if self.content:
                raw = data.split(b"\n")[:-1]
                keys = collapse(data).split(b"\n")[:-1]
                yield None, Lines(raw, keys, [None] * len(raw)), 0
                continue
            if shape is None:
                shape = _shape_of(data, Path(text.path).stat().st_mtime)
            if high is not None and shape.stamps is not None:
                shape.stamps.near = high
            lines = shape.read(data)
            high = max((at for at in lines.seconds if at is not None), default=high)
            leading = 0
            if not began:
                while leading < len(lines.keys) and self._continues(shape, lines.keys[leading]):
                    leading += 1
                began = leading < len(lines.keys)
            yield shape, lines, leading

    def _continues(self, shape: Shape, key: bytes) -> bool:
        return self._kind(shape, key) is CONTINUATION

    def _kind(self, shape: Shape | None, key: bytes) -> LineKind:
        if shape is None:
            return self._own(key)
        kind = self._cache.of(shape).get(key)
        return self._cache.resolve(shape, key) if kind is None else kind

    def _own(self, key: bytes) -> LineKind:
        """Return the kind of a line that stands for itself, whatever it looks like."""
        return LineKind("", Severity.INFO, self._cache.masker.mask(key))

    # --- templates --------------------------------------------------------------------------

    def _miner(self, place: tuple[str, int]) -> TemplateMiner:
        miner = self._miners.get(place)
        if miner is None:
            # As the daemon names them: the same line has the same id there.
            name = f"{place[0]}\x00{'content' if self.content else Severity(place[1]).label}"
            miner = TemplateMiner(name, max_templates=MOST, novelty=NOVELTY)
            self._miners[place] = miner
        return miner

    def _id(self, text: Text, kind: LineKind) -> str:
        miner = self._miner((kind.entity or text.workload, int(kind.severity)))
        return miner.lookup(kind.masked) or miner.other_id


def _read(text: Text, stream: Stream) -> Iterator[Block]:
    try:
        yield from read_file_blocks(text.path, stream)
    except OSError as e:
        raise InputError(f"{text.name}: cannot be read ({e.strerror or e}); check it") from e


def tally(block: Assigned, into: dict[str, Tally]) -> None:
    """Count one block's templates."""
    counts = Counter(block.ids)
    for template, count in counts.items():
        seen = into.get(template)
        if seen is None:
            sample = block.lines.raw[block.ids.index(template)]
            seen = into[template] = Tally(sample=sample)
        seen.count += count
    # One second holds many lines: most pairs are the same one.
    for template, at in set(zip(block.ids, block.lines.seconds, strict=True)):
        into[template].see(at)


def _shape_of(data: bytes, near: float) -> Shape:
    """Take the shape of the first line that tells it and its time, else of any that tells."""
    likely: Shape | None = None
    for line in data.split(b"\n", PROBE_LINES)[:PROBE_LINES]:
        shape = find_shape(line, near)
        if shape is not None and is_stamped(shape, line):
            return shape
        likely = likely or shape
    return likely or PlainShape(None)


def _level_of(text: str) -> Severity:
    return split_text(text.encode("utf-8", "replace")).severity
