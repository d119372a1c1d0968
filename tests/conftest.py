"""What every test shares: the data folder, hypothesis' profile, and the rule about skips."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.real import servers

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_SKIPS = ROOT / "tests" / "allowed_skips.txt"

hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of recorded data; skip with the reason where it is not there."""
    folder = Path(os.environ.get("AIOPS_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip("recorded data: no data folder; set AIOPS_SHARED to the folder that holds it")
    return folder


def _forbidden(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return why this skip is a failure here, or None when it is none or is allowed."""
    if (
        not os.environ.get("AIOPS_FORBID_SKIPS")
        or not report.skipped
        or hasattr(report, "wasxfail")
    ):
        return None
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    reason = reason.removeprefix("Skipped: ")
    lines = ALLOWED_SKIPS.read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    if any(re.match(pattern, reason) for pattern in patterns):
        return None
    return f"unexpected skip (AIOPS_FORBID_SKIPS is set): {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (why := _forbidden(report)) is not None:
        report.outcome, report.longrepr = "failed", why
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if (why := _forbidden(report)) is not None:
        report.outcome, report.longrepr = "failed", why
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if missing := servers.missing():
        terminalreporter.section("tests against real servers")
        terminalreporter.line(f"not installed here: {', '.join(missing)}; to run those tests too:")
        terminalreporter.line(f"  {servers.APT}")
