"""The verbs that talk to a daemon: incidents, change, doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiops.cli import face
from aiops.cli.daemon_client import where
from aiops.config import Settings
from aiops.errors import ConfigError
from aiops.model import State, Transition, TransitionKind
from aiops.storage import StateDirectory, Store
from aiops.web.app import serve
from tests.unit.web.desk import T0, FakeDesk, incident

Ask = Callable[..., Awaitable[Result]]


@pytest.fixture
async def ask() -> AsyncIterator[Callable[[FakeDesk], Awaitable[Ask]]]:
    """Serve a desk and return what runs a verb against it."""
    async with AsyncExitStack() as stack:

        async def begin(desk: FakeDesk) -> Ask:
            server = await serve(desk)
            stack.push_async_callback(server.close)

            async def run(*words: str) -> Result:
                arguments = [*words, "--url", server.url]
                return await asyncio.to_thread(CliRunner().invoke, face, arguments)

            return run

        yield begin


Begin = Callable[[FakeDesk], Awaitable[Ask]]


async def test_list_is_a_table_and_json_is_the_contract(ask: Begin) -> None:
    """``list`` shows what the daemon knows; ``--json`` gives one object a line."""
    run = await ask(FakeDesk(living=(incident("a1"),), past=(incident("b2", T0 - 9),)))

    shown = await run("incidents", "list")
    lines = (await run("incidents", "list", "--json")).stdout.splitlines()

    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0].split() == ["ID", "STATE", "SEVERITY", "OPENED", "TITLE"]
    assert "a1" in shown.stdout.splitlines()[1]
    assert [json.loads(line)["id"] for line in lines] == ["a1", "b2"]


async def test_show_tells_the_story(ask: Begin) -> None:
    """``show`` prints the story; ``--json`` the incident without it."""
    run = await ask(FakeDesk(living=(incident("a1"),)))

    words = await run("incidents", "show", "a")
    data = json.loads((await run("incidents", "show", "a1", "--json")).stdout)

    assert words.stdout.startswith("OPENED error: surge of lines")
    assert data["id"] == "a1"
    assert "story" not in data


@pytest.mark.parametrize("verb", ["ack", "resolve"])
async def test_commands_reach_the_daemon(ask: Begin, verb: str) -> None:
    """``ack`` and ``resolve`` are handed over with who asked."""
    desk = FakeDesk(living=(incident("a1"),))
    run = await ask(desk)

    result = await run("incidents", verb, "a1", "--by", "kim", "--json")

    assert json.loads(result.stdout) == {"id": "a1", "command": verb, "seq": 1}
    assert [(c.kind, c.by) for c in desk.commands] == [(verb, "kim")]


async def test_refusal_is_one_line(ask: Begin) -> None:
    """What the daemon refuses is one line and a failing exit code."""
    run = await ask(FakeDesk(past=(incident("r1", state=State.RESOLVED),)))

    done = await run("incidents", "ack", "r1")
    unknown = await run("incidents", "show", "zzz")

    assert (done.exit_code, unknown.exit_code) == (1, 2)
    assert done.stderr == "aiops: incident r1 is resolved already\n"
    assert unknown.stderr == "aiops: no incident 'zzz'; see /api/v1/incidents\n"


async def test_change_is_told(ask: Begin) -> None:
    """``change`` reaches the daemon with its entity, kind and time."""
    desk = FakeDesk()
    run = await ask(desk)

    result = await run(
        *("change", "cart 2.4", "--entity", "cart", "--kind", "config", "--at"),
        "2023-11-14T22:13:20Z",
    )

    assert result.exit_code == 0
    assert result.stdout == "noted: config of service:cart at 2023-11-14T22:13:20Z\n"
    assert [(c.at, c.title) for c in desk.changes] == [(T0, "cart 2.4")]


async def test_change_at_no_time_is_refused(ask: Begin) -> None:
    """A time that is none is refused before anything is sent."""
    desk = FakeDesk()
    run = await ask(desk)

    result = await run("change", "x", "--entity", "cart", "--at", "soon")

    assert result.exit_code == 2
    assert "soon" in result.stderr
    assert desk.changes == []


async def test_doctor_is_content(ask: Begin) -> None:
    """A daemon whose sources work is healthy, and every source has its line."""
    run = await ask(FakeDesk())

    result = await run("doctor", "--wait", "0")

    assert result.exit_code == 0
    assert "file    running" in result.stdout
    assert "drops: none" in result.stdout


async def test_doctor_points_at_what_fails(ask: Begin) -> None:
    """A failed source, or a dead engine, is a finding with exit code 1."""
    desk = FakeDesk(source_state={"file": "running", "prometheus": "failed: refused"}, alive=False)
    run = await ask(desk)

    result = await run("doctor", "--wait", "0", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"] == [
        "the engine has died; see the log and restart",
        "source prometheus failed: refused",
    ]


# --- without a daemon -----------------------------------------------------------------------


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """Return a configuration of a daemon that does not run, with saved incidents."""
    state = tmp_path / "state"
    directory = StateDirectory.open(state)
    store = Store.open(directory, lambda *_, **__: None)
    past = [incident("a1"), incident("b2", T0 - 9, State.RESOLVED)]
    store.history.record([Transition(TransitionKind.OPENED, i, i.opened_at) for i in past])
    store.close()
    directory.close()
    path = tmp_path / "aiops.toml"
    # Nothing listens on the discard port of this machine.
    path.write_text(f'[web]\nlisten = "127.0.0.1:9"\n[state]\ndirectory = "{state}"\n')
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(face, list(map(str, words)))


def test_saved_incidents_are_listed(configured: Path) -> None:
    """With the daemon down the saved incidents are listed, and stderr says what they are."""
    result = run("incidents", "list", "-c", configured, "--json")

    assert result.exit_code == 0
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["a1", "b2"]
    assert "no daemon at http://127.0.0.1:9" in result.stderr
    assert "state saved in" in result.stderr


def test_saved_incidents_are_filtered(configured: Path) -> None:
    """``--state`` chooses among saved incidents too."""
    result = run("incidents", "list", "-c", configured, "--state", "resolved", "--json")

    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["b2"]


def test_saved_story_is_told(configured: Path) -> None:
    """With the daemon down a saved story is told; one that is not there is an error."""
    found, missing = (run("incidents", "show", name, "-c", configured) for name in ("a", "zz"))

    assert found.stdout.startswith("OPENED error")
    assert missing.exit_code == 2
    assert "no incident 'zz'" in missing.stderr


def test_a_saved_incident_has_a_post_mortem(configured: Path) -> None:
    """With the daemon down the saved picture is written down."""
    result = run("incidents", "show", "a", "-c", configured, "--postmortem")

    assert result.stdout.startswith("# ")
    assert "## Cause and fix" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("incidents", "ack", "a1"),
        ("incidents", "resolve", "a1"),
        ("change", "x", "--entity", "cart"),
        ("doctor",),
    ],
)
def test_what_needs_a_daemon_says_so(configured: Path, words: tuple[str, ...]) -> None:
    """What only a daemon can do fails with one line while it is down."""
    result = run(*words, "-c", configured)

    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("aiops: no daemon at http://127.0.0.1:9 (Connection refused)")


@pytest.mark.parametrize(
    ("listen", "url", "expected"),
    [
        ("127.0.0.1:9797", None, "http://127.0.0.1:9797"),
        ("0.0.0.0:80", None, "http://127.0.0.1:80"),
        ("[::]:80", None, "http://[::1]:80"),
        ("", "host:1234", "http://host:1234"),
        ("x:1", "https://aiops.example/", "https://aiops.example"),
    ],
)
def test_daemon_is_found_where_it_listens(listen: str, url: str | None, expected: str) -> None:
    """The address comes from ``--url``, else from where the configuration listens."""
    assert where(Settings(web={"listen": listen}), url) == expected


@pytest.mark.parametrize(("listen", "url"), [("", None), ("x:1", "ftp://x"), ("x:1", "http://")])
def test_daemon_without_an_address_is_a_problem(listen: str, url: str | None) -> None:
    """No address, or one that is none, is a configuration error."""
    with pytest.raises(ConfigError):
        where(Settings(web={"listen": listen}), url)
