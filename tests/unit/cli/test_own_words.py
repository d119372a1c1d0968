"""Templates at the command line: tried by ``check``, shown by ``notify test``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from aiops.cli import face


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration whose templates lie beside it."""
    (tmp_path / "words").mkdir()
    file = tmp_path / "aiops.toml"
    file.write_text(
        f'[state]\ndirectory = "{tmp_path}/state"\n[templates]\ndirectory = "words"\n'
        '[[sources.stdin]]\n[[notifiers.stdout]]\nname = "here"\n'
    )
    return file


def test_check_names_what_stands_in(config: Path) -> None:
    """Good templates are listed with what the daemon would do."""
    (config.parent / "words" / "stdout.j2").write_text("{{ title }}")

    done = CliRunner().invoke(face, ["check", "-c", str(config)])

    assert (done.exit_code, done.stderr) == (0, "")
    assert "templates of your own: stdout\n" in done.stdout


def test_check_names_file_and_line_of_what_is_wrong(config: Path) -> None:
    """Every broken template is told in one run, and nothing would start."""
    words = config.parent / "words"
    (words / "stdout.j2").write_text("fine\n{{ titl }}")
    (words / "slack.j2").write_text("{% endfor %}")

    done = CliRunner().invoke(face, ["check", "-c", str(config)])

    assert done.exit_code == 2
    slack, stdout = done.stderr.splitlines()
    assert f"{words}/slack.j2:1: " in slack
    assert f"{words}/stdout.j2:2: 'titl' is unknown; known: " in stdout


def test_notify_shows_the_words(config: Path) -> None:
    """The sample is sent as a real message would be."""
    (config.parent / "words" / "stdout.j2").write_text("<<{{ kind }}: {{ title }}>>")

    done = CliRunner().invoke(face, ["notify", "test", "here", "-c", str(config)])

    assert done.exit_code == 0
    assert "<<opened: test message from aiops: nothing is wrong>>" in done.stdout
    assert "here took the message" in done.stderr


def test_notify_says_when_a_template_fails_on_its_sample(config: Path) -> None:
    """The built-in words are sent, and the reason is told."""
    odd = "{{ 1 // (incident.entities|length - 1) if 'aiops-test' in title or not samples else 1 }}"
    (config.parent / "words" / "stdout.j2").write_text(
        "{% if incident.id.startswith('test-') %}" + odd + "{% endif %}fine"
    )

    done = CliRunner().invoke(face, ["notify", "test", "here", "-c", str(config)])

    assert done.exit_code == 0
    assert "Somebody ran: aiops notify test here" in done.stdout
    assert "template_failed (stdout)" in done.stderr
    assert "stdout.j2:1" in done.stderr
