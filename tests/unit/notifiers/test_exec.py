"""A program is started without a shell, told once, and never outlives its time."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from aiops.config import build_component
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import TransitionKind
from aiops.notifiers.exec import ExecNotifier
from tests.unit.notifiers.receivers.exec import Exec
from tests.unit.notifiers.receivers.stories import life, long, tell, told

OPENED = told(TransitionKind.OPENED)


def running(*command: str, **keys: Any) -> ExecNotifier:
    return build_component(ExecNotifier, {"command": list(command), **keys}, "notifiers.exec[0]")


def shell(script: str, **keys: Any) -> ExecNotifier:
    return running("/bin/sh", "-c", script, **keys)


async def test_each_change_is_one_object(tmp_path: Path) -> None:
    """A program reads one JSON object for each change, with everything that is known."""
    one = Exec(tmp_path)
    await tell(running(*one.table()["command"]), life())

    assert [said["kind"] for said in one.told] == ["opened", "updated", "resolved"]
    assert [said["seq"] for said in one.told] == [1, 2, 3]
    assert one.told[0]["id"] == "inc_1"
    assert one.told[0]["link"].endswith("/inc_1")


async def test_arguments_are_not_read_by_a_shell(tmp_path: Path) -> None:
    """What looks like a substitution is an argument like any other."""
    seen = tmp_path / "seen"
    script = 'printf "%s" "$1" > "$0"'
    await running("/bin/sh", "-c", script, str(seen), "$(id); `id` > x").send(OPENED)

    assert seen.read_text(encoding="utf-8") == "$(id); `id` > x"


async def test_the_environment_is_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own environment, which may hold secrets, is not passed on; what is configured is."""
    monkeypatch.setenv("AIOPS_TEST_SECRET", "hunter2")
    seen = tmp_path / "seen"
    await shell(f"env > {seen}", environment={"TEAM": "shop"}).send(OPENED)
    text = seen.read_text(encoding="utf-8")

    assert "TEAM=shop\n" in text
    assert f"PATH={os.environ['PATH']}\n" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *[(code, Transient) for code in (1, 75, 127)],
        *[(code, Rejected) for code in (64, 65, 77, 78)],
    ],
)
async def test_the_exit_code_decides(code: int, error: type[Exception]) -> None:
    """0 is taken, what sysexits.h calls final is final, anything else is tried again."""
    with pytest.raises(error, match=f"sh: ended with {code}"):
        await shell(f"exit {code}").send(OPENED)


async def test_what_it_says_is_shown_harmlessly() -> None:
    """The first words of standard error are in the reason, without secrets and colours."""
    with pytest.raises(Transient) as caught:
        await shell("printf '\\033[31mno route password=hunter2' >&2; exit 1").send(OPENED)

    assert str(caught.value) == ('notifier "exec": sh: ended with 1 (no route password=<redacted>)')


async def test_a_program_that_reads_nothing_is_fine() -> None:
    """A big story and a program that never looks at it do not block each other."""
    await shell("exit 0").send(long())


async def test_a_program_that_never_stops_talking_is_bounded() -> None:
    """Standard error is read on and forgotten, so that it never fills up."""
    with pytest.raises(Transient) as caught:
        await shell("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 3").send(OPENED)

    assert len(str(caught.value)) < 400


async def test_what_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """After the timeout neither the program nor what it started is left."""
    file = tmp_path / "pids"
    script = f"sleep 1000 & echo $$ $! > {file}; wait"
    with pytest.raises(Transient, match=r"not done within 0\.3 s, killed") as caught:
        await shell(script, timeout="0.3s").send(OPENED)

    assert caught.value.reason == "timeout"
    for pid in file.read_text(encoding="utf-8").split():
        # A child of a killed parent may stay as a zombie where nobody reaps: it runs no more.
        async with asyncio.timeout(5):
            while not _gone(int(pid)):  # noqa: ASYNC110 - a foreign process sets no event
                await asyncio.sleep(0)


def _gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in ("Z", "X")


async def test_a_program_that_dies_by_a_signal_is_tried_again() -> None:
    """Killed by the system is no answer."""
    with pytest.raises(Transient, match=f"ended with -{signal.SIGKILL:d}"):
        await shell("kill -9 $$").send(OPENED)


@pytest.mark.parametrize("command", ["/nowhere/tell", "/etc/hostname", "a\0b"])
async def test_a_program_that_cannot_start_is_tried_again(command: str) -> None:
    """It may be in the middle of an upgrade; its arguments, which may be secret, are not shown."""
    with pytest.raises(Transient, match="cannot be started") as caught:
        await running(command, "hunter2").send(OPENED)

    assert caught.value.reason == "start"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("command", [[], "tell --now", None])
def test_a_command_is_a_list(command: object) -> None:
    """A text would need a shell to be read: it is refused."""
    with pytest.raises(ConfigError, match="command"):
        build_component(ExecNotifier, {"command": command}, "notifiers.exec[0]")
