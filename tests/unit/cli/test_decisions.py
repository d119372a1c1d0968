"""Decisions at the command line reach the daemon."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from click.testing import CliRunner, Result

from aiops.cli import face
from aiops.incidents.muting import Silence
from aiops.web.app import serve
from tests.unit.web.desk import FakeDesk, incident


async def run(desk: FakeDesk, *words: str) -> Result:
    """Serve a desk and run one verb against it."""
    server = await serve(desk)
    try:
        arguments = [*words, "--url", server.url]
        return await asyncio.to_thread(CliRunner().invoke, face, arguments)
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("snooze", "a1", "1h"), "a1 is quiet for 1h\n"),
        (("assign", "a1", "lee"), "a1 is being assigned to lee\n"),
        (("merge", "a1", "b2"), "a1 is being merged into b2\n"),
    ],
)
async def test_a_decision_reaches_the_daemon(words: tuple[str, ...], said: str) -> None:
    """Each verb is one command by who asked."""
    desk = FakeDesk(living=(incident("a1"), incident("b2")))

    result = await run(desk, "incidents", *words, "--by", "kim")

    assert (result.exit_code, result.stdout) == (0, said)
    assert [(c.kind, c.target, c.by) for c in desk.commands] == [(words[0], "a1", "kim")]


async def test_a_refused_decision_is_one_line() -> None:
    """The daemon's words and a failing exit code."""
    result = await run(FakeDesk(living=(incident("a1"),)), "incidents", "split", "a1", "mail")

    assert result.exit_code == 1
    assert result.stderr == "aiops: entity 'mail' cannot leave; of it are: service:cart\n"


async def test_silences_are_added_listed_and_ended() -> None:
    """The verbs of silences, in words and as JSON."""
    now = time.time()
    desk = FakeDesk(quiet=[Silence("sil_1", now - 60, now + 3600, "kim", "test", "cart")])
    words = ("--entity", "cart", "--for", "2h", "--reason", "test")

    added = await run(desk, "incidents", "silence", "add", *words, "--json")
    listed = await run(desk, "incidents", "silence", "list")
    edited = await run(desk, "incidents", "silence", "edit", "sil_1", "--for", "3h")
    ended = await run(desk, "incidents", "silence", "expire", "sil_1")

    assert json.loads(added.stdout)["id"] == "sil_1"
    assert listed.stdout.startswith("sil_1  active  until ")
    assert listed.stdout.endswith("cart: test\n")
    assert edited.stdout == "sil_1 is being changed\n"
    assert ended.stdout == "sil_1 is being ended\n"
    assert [c.kind for c in desk.commands] == ["silence", "silence-edit", "silence-edit"]
