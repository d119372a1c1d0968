"""What the documents say holds, and what the program has is in the documents."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from aiops.assembly import build
from aiops.cli import VERBS, face
from aiops.config import Settings, load_settings
from aiops.notifiers import NOTIFIERS
from aiops.sources import SOURCES
from aiops.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("**/*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
REFERENCE = ROOT / "configs" / "reference.toml"
KINDS = [("sources", kind) for kind in SOURCES] + [("notifiers", kind) for kind in NOTIFIERS]
CONFIGURATIONS = sorted(
    [*(ROOT / "configs").glob("**/*.toml"), *(ROOT / "deploy").glob("**/*.toml")]
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(*pages: Path) -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def uncommented(*, examples: bool) -> str:
    """Return the reference with its keys live: all of them, or those that show a default."""
    lines = []
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if not examples and re.search(r"  # (example|required)$", line):
            continue
        lines.append(re.sub(r"^#(?=[a-z\[])", "", line))
    return "\n".join(lines) + "\n"


# --- generated documents --------------------------------------------------------------------


def test_generated_documents_are_fresh() -> None:
    """Reference, key tables, metrics and constants say what the code says."""
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("shelf", "kind"), KINDS)
def test_every_kind_is_documented(shelf: str, kind: str) -> None:
    """Every member of a shelf has its table in the reference and its section in the docs."""
    header = f"[[{shelf}.{kind}]]"

    assert f"#{header}\n" in text_of(REFERENCE)
    assert f"### `{header}`" in text_of(ROOT / "docs" / "configuration.md")
    assert f"`{kind}`" in text_of(ROOT / "README.md")


@pytest.mark.parametrize("table", Settings.model_fields)
def test_every_fixed_key_is_documented(table: str) -> None:
    """Every key of a fixed table stands in the reference and in the docs."""
    model = Settings.model_fields[table].annotation
    for key in getattr(model, "model_fields", {}):
        assert re.search(rf"^#{key} = ", text_of(REFERENCE), re.MULTILINE), key
        assert f"| `{key}` |" in text_of(ROOT / "docs" / "configuration.md"), key


def test_every_metric_is_documented() -> None:
    """Every metric that the registry exposes is listed, under the name it is exposed with."""
    listed = text_of(ROOT / "docs" / "metrics.md")
    for family in Telemetry().registry.collect():
        if family.name.startswith("aiops_"):
            suffix = "_total" if family.type == "counter" else ""
            assert f"| `{family.name}{suffix}` |" in listed


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb: str) -> None:
    """Every verb of the command line has its row in the list of commands."""
    assert f"| `aiops {verb}` |" in text_of(ROOT / "docs" / "operations.md")


# --- configurations -------------------------------------------------------------------------


def test_reference_as_it_stands_changes_nothing() -> None:
    """With every key commented out the reference is the default configuration."""
    assert load_settings(REFERENCE) == Settings()


def test_reference_shows_true_defaults(tmp_path: Path) -> None:
    """A key that is shown with its default has that default."""
    head = uncommented(examples=False).partition("# --- [[sources")[0]
    file = tmp_path / "reference.toml"
    file.write_text(head)

    assert load_settings(file) == Settings()


def test_reference_builds_with_every_key(tmp_path: Path) -> None:
    """With every key live the reference is a configuration, and every kind is in its plan."""
    file = tmp_path / "reference.toml"
    file.write_text(uncommented(examples=True))
    secrets(file)

    plan = build(load_settings(file))

    assert {s.kind for s in plan.sources} == set(SOURCES)
    assert {type(n).__name__ for n in plan.notifiers} == {
        where.partition(":")[2] for where in NOTIFIERS.values()
    }


@pytest.mark.parametrize("source", CONFIGURATIONS, ids=name_of)
def test_every_configuration_builds(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every shipped configuration builds, once the secrets it names are there."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = tmp_path / source.name
    shutil.copy(source, file)
    secrets(file)

    assert build(load_settings(file)).sources


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_shown_configuration_builds(page: Path, tmp_path: Path) -> None:
    """Every TOML block of a page is a configuration that builds."""
    for number, block in enumerate(blocks(page, "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        secrets(file)

        build(load_settings(file))


def secrets(file: Path) -> None:
    """Put a harmless secret, or an empty folder, wherever a configuration looks for one."""
    for _, named in re.findall(r'^(\w+)_file = "([^"]+)"', file.read_text(), re.MULTILINE):
        place = file.parent / named.replace("$CREDENTIALS_DIRECTORY/", "")
        place.write_text("https://receiver.example/hook/of-a-test\n")
    for folder in re.findall(r'^directory = "([^"/]+)"', file.read_text(), re.MULTILINE):
        (file.parent / folder).mkdir()


# --- commands -------------------------------------------------------------------------------


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """Yield the fenced blocks of a page in one of *languages*."""
    for language, body in re.findall(
        r"^```(\w*)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL
    ):
        if language in languages:
            yield body


def commands(page: Path) -> list[str]:
    """Return every ``aiops …`` that a page tells to type, in blocks and in the text."""
    found = []
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            found += re.findall(r"(?:^|\| )(aiops .*)", line.partition("  #")[0])
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    found += re.findall(r"`(aiops [^`]+)`", " ".join(prose.split()))
    return [command.strip() for command in found]


def problem_with(command: str) -> str:
    """Return what is wrong with a command line, "" when the face knows all of it."""
    words = shlex.split(command)[1:]
    at: click.Command = face
    context = click.Context(face, info_name="aiops")
    for word in words:
        if word.startswith("-") and word != "-":
            known = {name for param in at.params for name in (*param.opts, *param.secondary_opts)}
            if word.partition("=")[0] not in known | {"--help", "-h"}:
                return f"{command}: {at.name} has no option {word}"
        elif isinstance(at, click.Group):
            sub = at.get_command(context, word)
            if sub is None:
                return f"{command}: {at.name} has no command {word}"
            at = sub
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_shown_command_exists(page: Path) -> None:
    """Every command a page tells to type names verbs and options that exist."""
    assert [p for command in commands(page) if (p := problem_with(command))] == []


def test_readme_shows_commands() -> None:
    """The README is not checked in vain: it tells a dozen commands to type."""
    assert len(commands(ROOT / "README.md")) >= 12


@pytest.mark.parametrize("command", ["aiops rum", "aiops run --nope", "aiops incidents ax X"])
def test_wrong_command_is_found(command: str) -> None:
    """A verb, an option or a subcommand that does not exist is noticed."""
    assert problem_with(command)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    """Every ``make TARGET`` of a page is a target."""
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))

    shown = re.findall(r"`make ([a-z-]+)", text_of(page))
    for block in blocks(page, "sh", ""):
        shown += re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)

    assert set(shown) <= targets


# --- words ----------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    heads = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_relative_link_is_dead(page: Path) -> None:
    """Every relative link leads to a file that exists, and to a heading in it."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)

    assert dead == []


def test_every_degraded_mode_exists() -> None:
    """Every event that the operations page explains is one that the code reports."""
    code = text_of(*(ROOT / "aiops").glob("**/*.py"))
    page = text_of(ROOT / "docs" / "operations.md").partition("## When something is degraded")[2]
    rows = re.findall(r"^\| (`.*?) \|", page.partition("\n## ")[0], re.MULTILINE)
    events = [event for row in rows for event in re.findall(r"`([^`]+)`", row)]

    assert len(events) > 10
    assert [event for event in events if f'"{event}"' not in code] == []


@pytest.mark.parametrize(
    "rule", re.findall(r"alert: (\w+)", text_of(ROOT / "deploy/prometheus/alerts.yml"))
)
def test_every_alert_rule_is_explained(rule: str) -> None:
    """Every alert rule that ships has its row in the operations page."""
    assert f"| `{rule}` |" in text_of(ROOT / "docs" / "operations.md")


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=name_of)
def test_every_decision_says_what_it_costs(page: Path) -> None:
    """A decision record has context, decision, cost and its end, and the architecture names it."""
    text = text_of(page)

    for part in ("**Context.**", "**Decision.**", "**Cost.**", "**Look at it again**"):
        assert part in text
    assert f"(adr/{page.name})" in text_of(ROOT / "docs" / "architecture.md")
