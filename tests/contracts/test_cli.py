"""What holds for every verb of the command line."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from aiops.cli import VERBS, face


def commands() -> list[tuple[str, ...]]:
    """Return the words of every command, groups and what is in them."""
    found: list[tuple[str, ...]] = []
    context = click.Context(face)
    for verb in VERBS:
        command = face.get_command(context, verb)
        assert command is not None
        found.append((verb,))
        if isinstance(command, click.Group):
            found += [(verb, name) for name in command.list_commands(context)]
    return found


@pytest.fixture(params=commands(), ids=" ".join)
def words(request: pytest.FixtureRequest) -> list[str]:
    """Return the words of one command."""
    return list(request.param)


def test_every_command_explains_itself(words: list[str]) -> None:
    """``--help`` says what a command does, and shows an example of it."""
    result = CliRunner().invoke(face, [*words, "--help"])

    assert result.exit_code == 0
    assert f"Usage: aiops {' '.join(words)}" in result.stdout
    assert f"Example: aiops {words[0]}" in " ".join(result.stdout.split())


def test_unknown_option_is_one_line(words: list[str]) -> None:
    """An option that does not exist is exit code 2, one line on stderr, nothing on stdout."""
    result = CliRunner().invoke(face, [*words, "--no-such-option"])

    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("aiops")
    assert "--no-such-option" in line


def test_overview_names_every_verb() -> None:
    """``aiops --help`` lists each verb with what it is for."""
    result = CliRunner().invoke(face, ["--help"])

    assert result.exit_code == 0
    for verb, (_, short) in VERBS.items():
        assert f"{verb} " in result.stdout
        assert short in result.stdout


def test_overview_imports_no_verb() -> None:
    """``aiops --help`` answers without any library that a verb needs."""
    script = (
        "import sys\n"
        "from aiops.cli import face\n"
        "face.main(['--help'], prog_name='aiops', standalone_mode=False)\n"
        "heavy = {'numpy', 'scipy', 'aiohttp', 'pydantic', 'msgspec', 'river', 'rich', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize("words", [[], ["incidents"], ["notify"]])
def test_group_without_a_verb_shows_its_verbs(words: list[str]) -> None:
    """A group alone shows what it holds, on stderr or stdout as click decides, never a trace."""
    result = CliRunner().invoke(face, words)

    assert "Commands:" in result.stderr + result.stdout
    assert "Traceback" not in result.output


def test_misspelt_verb_is_guessed() -> None:
    """A verb that does not exist is exit code 2 and names the nearest one."""
    result = CliRunner().invoke(face, ["templtes"])

    assert result.exit_code == 2
    assert 'did you mean "templates"?' in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_module_and_script_are_the_same_face() -> None:
    """``python -m aiops`` runs the command line and ends with its exit code."""
    result = subprocess.run(
        [sys.executable, "-m", "aiops", "check", "no-such-file.toml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == "aiops: no-such-file.toml: no such file; give the path of a TOML file\n"


def test_closed_pipe_is_quiet() -> None:
    """A reader that leaves early causes no message."""
    command = [sys.executable, "-m", "aiops", "version"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()

        assert running.stderr.read() == ""
    assert running.returncode == 1
