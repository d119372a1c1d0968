"""The configuration is read whole, judged whole, and never told back where it is secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiops.assembly import load
from aiops.config import build_component, load_settings
from aiops.errors import ConfigError
from aiops.notifiers import NOTIFIERS
from aiops.sources import SOURCES

SECRET = "hunter2-hunter2"


def problems(kind: str, table: dict[str, object], registry: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_component(load(registry[kind]), table, kind)
    return caught.value.problems


@pytest.mark.parametrize(
    ("registry", "kind", "table"),
    [
        (NOTIFIERS, "slack", {"url": SECRET}),
        (NOTIFIERS, "slack", {"url": {"it": SECRET}}),
        (NOTIFIERS, "webhook", {"url": f"ftp://host/{SECRET}"}),
        (NOTIFIERS, "webhook", {"url": "http://host/", "token": [SECRET]}),
        (NOTIFIERS, "webhook", {"url": "http://host/", "secret": {"it": SECRET}}),
        (NOTIFIERS, "alertmanager", {"url": [[SECRET]]}),
        (SOURCES, "prometheus", {"targets": ["a:1"], "bearer_token": [SECRET]}),
        (SOURCES, "prometheus", {"targets": ["a:1"], "password": {"it": SECRET}}),
    ],
)
def test_secret_value_is_never_in_a_problem(
    registry: dict[str, str], kind: str, table: dict[str, object]
) -> None:
    """A wrong value of a secret key is named by its key and never printed."""
    found = problems(kind, table, registry)

    assert found
    assert not any(SECRET in line for line in found)


def test_number_for_a_secret_is_not_printed() -> None:
    """A secret that was written as a number is not printed either."""
    (found,) = problems("prometheus", {"targets": ["a:1"], "bearer_token": 271828}, SOURCES)

    assert "271828" not in found


def test_ordinary_value_is_printed() -> None:
    """A wrong value of an ordinary key is shown with what to write instead."""
    (found,) = problems("slack", {"url": "http://host/", "timeout": "soon"}, NOTIFIERS)

    assert "timeout = 'soon': write a duration like" in found


def test_table_instead_of_list_of_tables(tmp_path: Path) -> None:
    """A shelf written with single brackets is told the double ones, without its content."""
    file = tmp_path / "aiops.toml"
    file.write_text(f'[notifiers.slack]\nurl = "{SECRET}"\n')

    with pytest.raises(ConfigError) as caught:
        load_settings(file)

    assert caught.value.problems == [
        "notifiers.slack: not a list of tables; write [[notifiers.slack]]"
    ]


def test_every_problem_is_found_at_once(tmp_path: Path) -> None:
    """All problems of the fixed tables come in one run, each with its remedy."""
    file = tmp_path / "aiops.toml"
    file.write_text('[alerting]\nbudget = "2 a week"\n[detection]\nwindw = "10s"\n')

    with pytest.raises(ConfigError) as caught:
        load_settings(file)

    budget, window = caught.value.problems
    assert "alerting.budget = '2 a week': write a budget like" in budget
    assert 'detection.windw: unknown key; did you mean "window"?' in window


def test_relative_file_lies_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative ``*_file`` is read from the folder of the configuration, wherever we start."""
    (tmp_path / "hook.key").write_text(SECRET + "\n")
    file = tmp_path / "aiops.toml"
    file.write_text('[[notifiers.webhook]]\nurl = "http://host/"\nsecret_file = "hook.key"\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    (table,) = load_settings(file).notifiers["webhook"]
    channel = build_component(load(NOTIFIERS["webhook"]), table, "webhook")

    assert channel._keys == (SECRET.encode(),)


def test_the_files_of_the_web_lie_beside_the_configuration(tmp_path: Path) -> None:
    """A relative file of the fixed table is found like one of a channel."""
    file = tmp_path / "aiops.toml"
    file.write_text('[web]\nalerts_token_file = "alerts.key"\n')

    assert load_settings(file).web.alerts_token_file == str(tmp_path / "alerts.key")


def test_the_folder_of_templates_lies_beside_the_configuration(tmp_path: Path) -> None:
    """A relative folder is found from wherever the daemon starts; an empty one stays none."""
    file = tmp_path / "aiops.toml"
    for written, found in (("words", str(tmp_path / "words")), ("", ""), ("~/w", "~/w")):
        file.write_text(f'[templates]\ndirectory = "{written}"\n')

        assert load_settings(file).templates.directory == found


@pytest.mark.parametrize("path", ["/run/hook.key", "~/hook.key", "$CREDENTIALS_DIRECTORY/hook"])
def test_other_paths_stay_as_written(tmp_path: Path, path: str) -> None:
    """Absolute paths, homes and variables are left as they are written."""
    file = tmp_path / "aiops.toml"
    file.write_text(f'[[notifiers.webhook]]\nurl = "http://host/"\nsecret_file = "{path}"\n')

    assert load_settings(file).notifiers["webhook"][0]["secret_file"] == path


def test_environment_overrides_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key in the environment wins over the file; its neighbours stay."""
    file = tmp_path / "aiops.toml"
    file.write_text('[web]\nlisten = "127.0.0.1:1"\nexternal_url = "https://here"\n')
    monkeypatch.setenv("AIOPS_WEB__LISTEN", "127.0.0.1:2")

    web = load_settings(file).web

    assert (web.listen, web.external_url) == ("127.0.0.1:2", "https://here")
