"""Feedback, notes, cases and post-mortems over HTTP: one committed row before the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest

from aiops.cases import Case
from aiops.model import State
from aiops.web.app import serve
from tests.unit.web.desk import T0, FakeDesk, incident

CASE = Case("inc_0", T0, 60.0, "it broke", ("a\tx", "b\ty"), ("a\tx",), "a", fix="restarted")
Answer = tuple[int, Any]
Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
async def ask() -> AsyncIterator[Callable[[FakeDesk], Awaitable[Ask]]]:
    """Serve a desk and return what sends a request to it."""
    async with AsyncExitStack() as stack:

        async def begin(desk: FakeDesk) -> Ask:
            server = await serve(desk)
            stack.push_async_callback(server.close)
            client = await stack.enter_async_context(aiohttp.ClientSession(server.url))

            async def send(method: str, path: str, **body: Any) -> Answer:
                sent = {"json": body} if method == "POST" else {}
                async with client.request(method, f"/api/v1/{path}", **sent) as response:
                    return response.status, await response.json()

            return send

        yield begin


Begin = Callable[[FakeDesk], Awaitable[Ask]]


async def test_feedback_is_a_command(ask: Begin) -> None:
    """Each verdict becomes one row with what it needs, on living and on past incidents."""
    desk = FakeDesk(living=(incident("a1"),), past=(incident("b2", state=State.CLOSED),))
    send = await ask(desk)

    assert (await send("POST", "incidents/a1/feedback", verdict="noise", by="kim"))[0] == 202
    assert (await send("POST", "incidents/b2/feedback", verdict="useful"))[0] == 202
    await send("POST", "incidents/b2/feedback", verdict="wrong-cause", cause="service:db")
    await send("POST", "incidents/b2/feedback", verdict="expected-until", until="2100-01-01")
    await send("POST", "incidents/b2/note", text="rolled back")
    said = [(c.kind, c.target, c.by, c.args) for c in desk.commands]

    assert said == [
        ("feedback", "a1", "kim", {"verdict": "noise"}),
        ("feedback", "b2", "", {"verdict": "useful"}),
        ("feedback", "b2", "", {"verdict": "wrong-cause", "cause": "service:db"}),
        ("feedback", "b2", "", {"verdict": "expected-until", "until": "4102444800.0"}),
        ("note", "b2", "", {"text": "rolled back"}),
    ]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"verdict": "bad"}, 400, "useful, noise, wrong-cause, expected-until"),
        ({"verdict": "wrong-cause"}, 400, "cause: empty"),
        ({"verdict": "expected-until"}, 400, "until = empty"),
        ({"verdict": "expected-until", "until": "1999-01-01"}, 400, "a time to come"),
        ({"verdict": "noise", "by": "x" * 501}, 400, "501 characters"),
    ],
)
async def test_what_is_no_feedback_is_refused(
    ask: Begin, body: dict[str, str], status: int, words: str
) -> None:
    """A refusal names the key and the remedy, and nothing is written."""
    desk = FakeDesk(living=(incident("a1"),))
    got, said = await (await ask(desk))("POST", "incidents/a1/feedback", **body)

    assert (got, desk.commands) == (status, [])
    assert words in said["error"]


async def test_a_candidate_takes_no_feedback(ask: Begin) -> None:
    """What nobody was told of cannot be judged."""
    desk = FakeDesk(living=(incident("c3", state=State.CANDIDATE),))
    got, _ = await (await ask(desk))("POST", "incidents/c3/feedback", verdict="noise")

    assert (got, desk.commands) == (409, [])


async def test_a_get_never_acts(ask: Begin) -> None:
    """A link preview that fetches a feedback address changes nothing."""
    desk = FakeDesk(living=(incident("a1"),))
    got, _ = await (await ask(desk))("GET", "incidents/a1/feedback?verdict=noise")

    assert (got, desk.commands) == (405, [])


async def test_resolving_may_say_what_fixed_it(ask: Begin) -> None:
    """The note of a resolution travels with its command."""
    desk = FakeDesk(living=(incident("a1"),))
    await (await ask(desk))("POST", "incidents/a1/resolve", note="restarted")

    assert desk.commands[0].args == {"note": "restarted"}


async def test_exported_cases_can_be_imported(ask: Begin) -> None:
    """What GET shows POST takes, and the command holds the same case."""
    desk = FakeDesk(remembered=[CASE])
    send = await ask(desk)
    _, shown = await send("GET", "cases")
    got, said = await send("POST", "cases", **shown)

    assert (got, said["cases"]) == (202, 1)
    assert msgspec.json.decode(desk.commands[0].args["case"], type=Case) == CASE


async def test_a_case_is_forgotten_or_redacted_by_name(ask: Begin) -> None:
    """A known case becomes a command, an unknown one is refused."""
    desk = FakeDesk(remembered=[CASE])
    send = await ask(desk)

    assert (await send("POST", "cases/inc_0/forget"))[0] == 202
    assert (await send("POST", "cases/inc_0/redact"))[0] == 202
    assert (await send("POST", "cases/inc_9/forget"))[0] == 404
    assert [c.kind for c in desk.commands] == ["forget", "redact"]


async def test_too_much_is_refused(ask: Begin) -> None:
    """Too many cases, too many tokens and nameless cases are refused whole."""
    desk = FakeDesk()
    send = await ask(desk)
    one = {"id": "x", "at": 0, "lasted": 0, "title": "", "tokens": []}

    assert (await send("POST", "cases", cases=[one] * 101))[0] == 413
    assert (await send("POST", "cases", cases=[one | {"tokens": ["t"] * 201}]))[0] == 400
    assert (await send("POST", "cases", cases=[one, one | {"id": ""}]))[0] == 400
    assert desk.commands == []


async def test_a_post_mortem_is_markdown(ask: Begin) -> None:
    """It holds what the desk's records say of the incident, and the fix of its case."""
    desk = FakeDesk(past=(incident("inc_0", state=State.RESOLVED),), remembered=[CASE])
    _, said = await (await ask(desk))("GET", "incidents/inc_0/postmortem")

    assert "opened to ops: sent" in said["markdown"]
    assert "- fix: restarted" in said["markdown"]
    assert "hunter2" not in said["markdown"]
