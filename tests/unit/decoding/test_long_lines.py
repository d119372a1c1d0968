"""Of a very long line as much is read as a template can show."""

from __future__ import annotations

import json

import pytest

from aiops.decoding.lines import SEP, Shape, collapse
from aiops.decoding.plain import LogfmtShape, PlainShape, SyslogShape
from aiops.decoding.structured import CriShape, JsonShape
from detectors.masking import Masker

SHAPES: list[Shape] = [PlainShape(None), LogfmtShape(None), SyslogShape(None), JsonShape()]
ITEMS = [f"item{n % 7}, name=value{n} of this long list of things" for n in range(400)]
LONG = "all of them: " + " ".join(ITEMS)


def written(shape: Shape, text: str) -> bytes:
    if shape.name == "json":
        return json.dumps({"msg": text}).encode() + b"\n"
    if shape.name == "cri":
        return f"2024-03-01T10:00:00.000000000Z stdout F {text}\n".encode()
    return text.encode() + b"\n"


@pytest.mark.parametrize("shape", [*SHAPES, CriShape()], ids=lambda shape: shape.name)
@pytest.mark.parametrize("ids", [False, True])
def test_long_lines_that_differ_late_have_one_key(shape: Shape, *, ids: bool) -> None:
    """What no template shows is in no key, in company as alone."""
    one, two = written(shape, LONG + " one"), written(shape, LONG + " two")
    short = written(shape, "a short line")
    keys = shape.read(one + short + two, ids=ids).keys
    assert keys[0] == keys[2]
    assert len(keys[0]) < len(LONG) / 2
    assert keys[0] == shape.read(one, ids=ids).keys[0]
    assert shape.read(short, ids=ids).keys[0] == keys[1]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_long_line_masks_as_the_whole_does(shape: Shape) -> None:
    """What was left out would not have been shown."""
    key = shape.read(written(shape, LONG)).keys[0]
    whole = Masker().mask(collapse(LONG.encode()))
    assert Masker().mask(key.rpartition(SEP)[2]) == whole
    assert whole.endswith(b" <*>")


def test_lines_without_blanks_are_cut_by_their_length() -> None:
    """One endless word is read as far as any line."""
    word = "x" * 100_000
    keys = PlainShape(None).read(f"{word}\n{word}y\nnext\n".encode()).keys
    assert keys[0] == keys[1]
    assert len(keys[0]) < 20_000
    assert keys[2] == b"next"
