"""Standard output gets stories for people or JSON lines for programs."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from aiops.errors import Rejected, Transient
from aiops.model import State
from aiops.notifiers.stdout import StdoutNotifier, as_text


async def test_text_is_the_story_without_colour(
    tell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not on a terminal, the story is plain and ends in an empty line."""
    await StdoutNotifier().send(tell())

    out = capsys.readouterr().out
    assert out.startswith("OPENED error: payments fail in service cart\nsince then\n  <!channel>")
    assert out.endswith("\n\n")
    assert "hunter2" not in out
    assert not any(c in out for c in "\x1b\x00\u202e")


async def test_json_is_one_object_a_line(tell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """NDJSON: the incident's fields, and what happened to it, on one line each."""
    notifier = StdoutNotifier(format="json")
    await notifier.send(tell())
    await notifier.send(tell(seq=2))

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["id"], first["kind"], first["seq"], second["seq"]) == ("INC-1", "opened", 1, 2)
    assert (first["at"], first["key"]) == ("2026-01-01T00:00:30Z", "INC-1-1-ops")


def test_colour_is_on_the_first_line_only(tell: Any) -> None:
    """On a terminal the headline has the colour of its severity, green when it is over."""
    red = as_text(tell(), colour=True)
    green = as_text(tell(state=State.RESOLVED), colour=True)

    assert red.startswith("\x1b[31mOPENED error: payments fail in service cart\x1b[0m\nsince")
    assert green.startswith("\x1b[32m")
    assert red.count("\x1b") == 2


async def test_a_reader_that_does_not_read_is_a_timeout(
    tell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full pipe holds up this channel for its timeout, and the next try says so at once."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    notifier = StdoutNotifier(timeout=0.05)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        for _ in range(2):
            with pytest.raises(Transient, match="blocked") as caught:
                await notifier.send(tell())
        assert caught.value.reason == "timeout"
        while len(os.read(reading, 65_536)) == 65_536:
            pass
        stuck = notifier._writing
        assert stuck is not None
        await stuck
    os.close(reading)


async def test_nobody_reading_any_more_is_final(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe will not open again."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(Rejected, match="nobody reads"):
            await StdoutNotifier().send(tell())


async def test_an_ascii_terminal_gets_escapes(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the locale knows no umlauts, they are spelled out instead of being an error."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        await StdoutNotifier().send(tell(body="grün"))
    with os.fdopen(reading, encoding="ascii") as stream:
        assert stream.read() == "gr\\xfcn\n\n"
