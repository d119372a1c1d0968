"""The verbs that need no daemon: check, notify, version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiops.cli import face

Write = Callable[[str], Path]


def run(*words: object) -> Result:
    return CliRunner().invoke(face, list(map(str, words)))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes a configuration and gives its path."""

    def save(text: str) -> Path:
        path = tmp_path / "aiops.toml"
        path.write_text(text + f'\n[state]\ndirectory = "{tmp_path}/state"\n')
        return path

    return save


def test_check_says_what_would_happen(write: Write, tmp_path: Path) -> None:
    """A good configuration is exit code 0 and tells what it watches, tells and keeps."""
    (tmp_path / "cart.log").write_text("hello\n")
    path = write(f'[[sources.file]]\npaths = ["{tmp_path}/*.log"]')

    result = run("check", "-c", path)

    assert result.exit_code == 0
    assert f"  {tmp_path}/cart.log" in result.stdout.splitlines()
    assert "channel stdout: from warning on" in result.stdout
    assert f"state: {tmp_path}/state" in result.stdout
    assert not (tmp_path / "state").exists()


def test_check_as_json_is_one_object(write: Write, tmp_path: Path) -> None:
    """``--json`` tells the same as one object."""
    path = write(f'[[sources.file]]\npaths = ["{tmp_path}/*.log"]')

    data = json.loads(run("check", "-c", path, "--json").stdout)

    assert data["ok"] is True
    assert data["sources"][0]["kind"] == "file"
    assert data["budget_per_week"] == 2.0


def test_check_names_every_problem_at_once(write: Write, tmp_path: Path) -> None:
    """Problems of tables, shelves and files come together, each with its key."""
    path = write(
        '[web]\nlisten = "nowhere"\nlisen = "x"\n'
        "[alerting]\nbudget = 0\n"
        '[detection]\ndrift = "river.drift.Nothing"\n'
        '[[sources.fil]]\npaths = ["a"]\n'
        '[[sources.file]]\npath = ["a"]\n'
        '[[notifiers.webhook]]\nname = "ops"\nurl = "http://127.0.0.1/x"\n'
        f'secret_file = "{tmp_path}/nothing.key"'
    )

    result = run("check", "-c", path)

    assert result.exit_code == 2
    assert result.stdout == ""
    for named in (
        "web.lisen",
        "alerting.budget",
        "sources.fil",
        'did you mean "paths"',
        "nothing.key",
    ):
        assert named in result.stderr, named
    assert all(line.startswith("aiops: ") for line in result.stderr.splitlines())


def test_check_tries_secrets_that_are_read_later(write: Write, tmp_path: Path) -> None:
    """A secret that a source would read only when it works is tried now."""
    path = write(
        '[[sources.prometheus]]\ntargets = ["127.0.0.1:9100"]\n'
        f'bearer_token_file = "{tmp_path}/token"'
    )

    result = run("check", "-c", path)

    assert result.exit_code == 2
    assert "bearer_token_file" in result.stderr


def test_check_sees_that_the_state_has_no_place(tmp_path: Path) -> None:
    """A state directory inside a file is a problem before anything starts."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "aiops.toml"
    path.write_text(f'[state]\ndirectory = "{tmp_path}/file/state"\n')

    result = run("check", path)

    assert result.exit_code == 2
    assert "state.directory" in result.stderr


def test_sample_reaches_a_channel(write: Write) -> None:
    """A channel that takes the sample message is exit code 0."""
    path = write('[[notifiers.stdout]]\nname = "here"')

    result = run("notify", "test", "here", "-c", path)

    assert result.exit_code == 0
    assert "nothing is wrong" in result.stdout
    assert result.stderr == "aiops: here took the message\n"


def test_unreachable_channel_fails_with_its_reason(write: Write) -> None:
    """A channel that cannot be reached is exit code 1 and one line."""
    path = write('[[notifiers.webhook]]\nname = "ops"\nurl = "http://127.0.0.1:9/hook"')

    result = run("notify", "test", "ops", "-c", path, "--json")

    data = json.loads(result.stdout)
    assert result.exit_code == 1
    assert data["sent"] is False
    assert result.stderr == f"aiops: {data['problem']}\n"


def test_unknown_channel_is_guessed(write: Write) -> None:
    """A name that no channel has is exit code 2 and names the nearest."""
    path = write('[[notifiers.stdout]]\nname = "here"')

    result = run("notify", "test", "hree", "-c", path)

    assert result.exit_code == 2
    assert 'did you mean "here"?' in result.stderr


def test_versions_are_named() -> None:
    """``version`` names what a bug report needs."""
    data = json.loads(run("version", "--json").stdout)

    assert {"aiops", "python", "river", "numpy", "scipy", "sqlite", "platform"} <= set(data)
    assert data["aiops"] in run("version").stdout
