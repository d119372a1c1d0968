"""What holds for the whole tree, whoever wrote which part."""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Packages in which no clock ticks, nothing is awaited and nobody is spoken to.
PURE = (
    "detectors",
    "aiops/engine.py",
    "aiops/decoding",
    "aiops/detection",
    "aiops/correlation",
    "aiops/incidents",
)
IMPURE_MODULES = {"asyncio", "aiohttp", "logging", "socket", "structlog", "threading", "time"}
UNSAFE_MODULES = {"pickle", "cPickle", "jsonpickle", "dill", "marshal", "shelve"}


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Return every file under version control, or about to be, that exists."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return tuple(ROOT / name for name in found.split("\0") if name and (ROOT / name).is_file())


def python_files(*places: str) -> list[Path]:
    """Return the tracked Python files in *places* (folders or files), in order."""
    roots = [ROOT / place for place in places]
    return sorted(
        path
        for path in tracked()
        if path.suffix == ".py" and any(path == r or r in path.parents for r in roots)
    )


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    """Return the first part of the name of every module that a file imports."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


# --- the code -------------------------------------------------------------------------------


def test_arrows_point_down() -> None:
    """No module imports from a layer above its own, and there are no circles."""
    linter = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_detectors_know_nothing_of_the_daemon() -> None:
    """The library of detectors never imports the package that uses it."""
    assert [short(p) for p in python_files("detectors") if "aiops" in imports(p)] == []


def test_the_middle_is_pure() -> None:
    """No clock, loop, thread, socket or log is imported where time is an argument."""
    found = {short(p): imports(p) & IMPURE_MODULES for p in python_files(*PURE)}

    assert {name: modules for name, modules in found.items() if modules} == {}


def test_the_middle_asks_nobody_for_the_date() -> None:
    """No pure module calls ``now``, ``utcnow`` or ``today`` of a date."""
    found = [
        f"{short(path)}:{node.lineno}"
        for path in python_files(*PURE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"now", "utcnow", "today"}
        and ast.unparse(node.func.value) in {"datetime", "date", "datetime.datetime", "dt.datetime"}
    ]

    assert found == []


def test_nothing_executable_is_read_from_disk() -> None:
    """No module of the product can load a pickle or its kin."""
    found = {short(p): imports(p) & UNSAFE_MODULES for p in python_files("aiops", "detectors")}

    assert {name: modules for name, modules in found.items() if modules} == {}


def test_files_hold_one_idea() -> None:
    """No file of the product is longer than 400 lines."""
    lengths = {
        short(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files("aiops", "detectors")
    }

    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_files_are_named_for_what_is_in_them() -> None:
    """No module is a drawer for whatever fits nowhere else."""
    drawer = re.compile(r"(utils?|helpers?|common|misc|base_.*|(.*_)?(manager|handler)s?)\.py")
    names = python_files("aiops", "detectors", "tests", "benchmarks")

    assert [short(path) for path in names if drawer.fullmatch(path.name)] == []


def test_every_registered_component_has_a_file() -> None:
    """Each line of a shelf names a class that its own file defines, and no file is left out."""
    for shelf in ("sources", "notifiers"):
        (registry,) = (
            node.value
            for node in tree(ROOT / "aiops" / shelf / "__init__.py").body
            if isinstance(node, ast.Assign)
        )
        for kind, place in ast.literal_eval(registry).items():
            module, _, name = place.partition(":")
            path = ROOT / (module.replace(".", "/") + ".py")

            assert module == f"aiops.{shelf}.{kind}"
            assert path.is_file(), f"{place}: no such file"
            assert name in {n.name for n in tree(path).body if isinstance(n, ast.ClassDef)}


# --- the tests ------------------------------------------------------------------------------


def test_every_test_states_a_truth() -> None:
    """Every test has a docstring whose first paragraph is a sentence."""
    found = []
    for path in python_files("tests"):
        for node in ast.walk(tree(path)):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if path.name.startswith("test_") and node.name.startswith("test_"):
                first = (ast.get_docstring(node) or "").split("\n\n")[0].strip()
                if not first.endswith("."):
                    found.append(f"{short(path)}:{node.lineno} {node.name}")

    assert found == []


def test_tests_do_not_sleep() -> None:
    """No test that needs no real server waits for a clock; a bare yield to the loop is no wait."""
    found = [
        f"{short(path)}:{node.lineno}"
        for path in python_files("tests/unit", "tests/contracts", "tests/scenarios")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}
        and [ast.unparse(argument) for argument in node.args] != ["0"]
    ]

    assert found == []


# --- the frame ------------------------------------------------------------------------------


def targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*## \S", text, flags=re.MULTILINE))


def test_make_explains_itself() -> None:
    """Every target that a person may type has its line in ``make help``."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)

    assert targets() == set(phony.split())
    assert targets() >= {"help", "setup", "run", "demo", "test", "bench", "lint", "fmt", "docs"}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_documents_name_real_targets(name: str) -> None:
    """Every ``make TARGET`` that a document tells a reader to type exists."""
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"^\s*make ([a-z-]+)|`make ([a-z-]+)", text, flags=re.MULTILINE))
    named_targets = {a or b for a, b in named}

    assert named_targets
    assert named_targets <= targets()


def test_readme_starts_with_two_commands() -> None:
    """A new user's two commands stand in the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.search(r"\bmake run\b", text)
    assert re.search(r"\bmake test\b", text)


def test_contributing_is_short() -> None:
    """A contributor reads 80 lines, not more."""
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 80


def test_ci_script_can_run() -> None:
    """The script that judges a change is executable and is valid bash."""
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_lock_pins_every_dependency() -> None:
    """The lock pins exactly what pyproject.toml asks for and names no place to get it from."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lock if line and not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in asked}

    assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[0-9][\w.]*", line)] == []
    assert names <= {line.partition("==")[0] for line in lines}


def test_licence_is_apache() -> None:
    """The licence that the package declares lies in the tree, whole."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_changelog_fragments_are_named_for_their_kind() -> None:
    """Every fragment is ``topic.kind.md``, is not empty, and ends as a sentence does."""
    name = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")
    fragments = [p for p in tracked() if p.parent == ROOT / "changelog.d" and p.name != "README.md"]

    assert [p.name for p in fragments if not name.fullmatch(p.name)] == []
    texts = {p.name: p.read_text(encoding="utf-8").strip() for p in fragments}
    assert [name for name, text in texts.items() if not text.endswith(".")] == []


def test_decisions_are_numbered() -> None:
    """Every architecture decision has its own number and a title for a name."""
    names = [path.name for path in tracked() if path.parent == ROOT / "docs" / "adr"]
    numbers = [name[:4] for name in names]

    assert [n for n in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", n)] == []
    assert len(set(numbers)) == len(numbers)


def test_tree_names_no_machine() -> None:
    """No file holds a path or an address that exists on one machine only."""
    machine = re.compile(r"/(?:work|root|farm)/|file://|(?:extra-)?index-url|find-links")
    allowed = {"Makefile", "tests/contracts/test_house.py"}  # both name the options to refuse them
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        if short(path) not in allowed and (hit := machine.search(text)):
            found.append(f"{short(path)}: {hit[0]}")

    assert found == []


def test_tree_holds_no_recorded_data(shared: Path) -> None:
    """No recorded data has been copied into the tree."""
    ours = {digest(path): path for path in tracked() if path.stat().st_size > 0}
    sizes = {path.stat().st_size for path in ours.values()}
    theirs = (p for p in (shared / "data").rglob("*") if p.is_file() and p.stat().st_size in sizes)

    assert [short(ours[found]) for path in theirs if (found := digest(path)) in ours] == []


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_tree_is_light() -> None:
    """No tracked file is larger than half a mebibyte."""
    assert [short(path) for path in tracked() if path.stat().st_size > 512 * 1024] == []
