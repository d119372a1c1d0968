"""The sample lines of a closed window, made readable only when somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aiops.model import LineKind, SampleLine


class Samples(Mapping[LineKind, SampleLine]):
    """Show the first line of every kind of a window, its continuations below it.

    ``found`` holds (time, lines) by kind and must not change any more. Most windows bring nothing
    new, so most samples are never looked at.
    """

    __slots__ = ("_found", "_stream")

    def __init__(self, stream: str, found: Mapping[LineKind, tuple[float, list[bytes]]]) -> None:
        self._stream = stream
        self._found = found

    def __getitem__(self, kind: LineKind) -> SampleLine:
        at, lines = self._found[kind]
        return SampleLine(at, self._stream, b"\n".join(lines).decode("utf-8", "replace"))

    def __iter__(self) -> Iterator[LineKind]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
