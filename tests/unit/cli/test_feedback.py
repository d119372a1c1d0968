"""The words of people from the command line: feedback, notes and cases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiops.cases import Case
from aiops.cli import face
from aiops.model import State
from aiops.web.app import serve
from tests.unit.web.desk import T0, FakeDesk, incident

CASE = Case("inc_0", T0, 60.0, "it broke", ("a\tx",), fix="restarted")
Ask = Callable[..., Awaitable[Result]]
Begin = Callable[[FakeDesk], Awaitable[Ask]]


@pytest.fixture
async def ask() -> AsyncIterator[Begin]:
    """Serve a desk and return what runs ``aiops incidents`` against it."""
    async with AsyncExitStack() as stack:

        async def begin(desk: FakeDesk) -> Ask:
            server = await serve(desk)
            stack.push_async_callback(server.close)

            async def run(*words: str) -> Result:
                arguments = ["incidents", *words, "--url", server.url]
                return await asyncio.to_thread(CliRunner().invoke, face, arguments)

            return run

        yield begin


async def test_feedback_reaches_the_daemon(ask: Begin) -> None:
    """A verdict and what it needs become one command."""
    desk = FakeDesk(living=(incident("a1"),))
    run = await ask(desk)
    said = await run("feedback", "a1", "wrong-cause", "service:db", "--by", "kim")
    await run("note", "a1", "restarted it")
    await run("resolve", "a1", "--fix", "restarted it")

    assert (said.exit_code, said.stdout) == (0, "a1: wrong-cause is noted\n")
    assert [(c.kind, c.args.get("cause")) for c in desk.commands] == [
        ("feedback", "service:db"),
        ("note", None),
        ("resolve", None),
    ]
    assert desk.commands[2].args == {"note": "restarted it"}


@pytest.mark.parametrize("words", [("wrong-cause",), ("expected-until",), ("noise", "loud")])
async def test_a_verdict_needs_exactly_its_own(ask: Begin, words: tuple[str, ...]) -> None:
    """A missing or a needless word is a usage error, and nothing is sent."""
    desk = FakeDesk(living=(incident("a1"),))
    said = await (await ask(desk))("feedback", "a1", *words)

    assert (said.exit_code, desk.commands) == (2, [])


async def test_cases_go_out_and_come_in(ask: Begin, tmp_path: Path) -> None:
    """What export writes import takes; forget and redact name one case."""
    desk = FakeDesk(remembered=[CASE])
    run = await ask(desk)
    written = tmp_path / "cases.ndjson"
    written.write_text((await run("cases", "export")).stdout + "\n", encoding="utf-8")
    taken = await run("cases", "import", str(written))
    await run("cases", "redact", "inc_0")
    await run("cases", "forget", "inc_0")

    assert json.loads(written.read_text(encoding="utf-8"))["id"] == "inc_0"
    assert taken.stdout == "1 case taken in\n"
    assert [c.kind for c in desk.commands] == ["case", "redact", "forget"]


async def test_a_broken_line_of_cases_is_named(ask: Begin, tmp_path: Path) -> None:
    """An import that cannot be read names the file and the line."""
    broken = tmp_path / "cases.ndjson"
    broken.write_text("{}\nno json\n", encoding="utf-8")
    said = await (await ask(FakeDesk()))("cases", "import", str(broken))

    assert said.exit_code == 2
    assert "cases.ndjson:2" in said.stderr


async def test_a_post_mortem_is_printed(ask: Begin) -> None:
    """``show --postmortem`` prints Markdown, as JSON in one field."""
    run = await ask(FakeDesk(past=(incident("a1", state=State.RESOLVED),)))

    assert (await run("show", "a1", "--postmortem")).stdout.startswith("# surge of lines")
    assert json.loads((await run("show", "a1", "--postmortem", "--json")).stdout)["markdown"]
