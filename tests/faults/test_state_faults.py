"""The state under real faults: killed processes, full disks, directories that cannot be written."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiops.storage import StateDirectory, Store
from tests.unit.storage.nouns import AT, Reports, cut, notification, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from pathlib import Path
from aiops.storage import StateDirectory, Store
from tests.unit.storage.nouns import AT, Reports, cut, notification

directory = StateDirectory.open(Path(sys.argv[1]))
store = Store.open(directory, Reports())
found = store.cuts.load()
number = int(sys.argv[2])
while True:
    number += 1
    saved = store.cuts.save(cut(number, streams=200, size=20_000), AT)
    print("cut", number if saved else 0, flush=True)
    new = store.outbox.tell([notification(seq=number)], AT)
    print("told", number if new else 0, flush=True)
"""

FULL = """
import json, os, sys
from pathlib import Path
from aiops.storage import StateDirectory, Store, StoreError
from tests.unit.storage.nouns import AT, Reports, cut, notification, numbers

path = Path(sys.argv[1])
facts, reports = {}, Reports()
directory = StateDirectory.open(path / "state")
store = Store.open(directory, reports)
store.cuts.save(cut(1), AT)
ballast = open(path / "ballast", "wb", buffering=0)
try:
    while True:
        ballast.write(bytes(4096))
except OSError as e:
    facts["filled"] = e.errno
facts["cut while full"] = store.cuts.save(cut(2, streams=3000), AT)
told = 0
try:
    for told in range(1, 5000):
        store.outbox.tell([notification(seq=told)], AT)
except StoreError as e:
    facts["tell while full"] = e.reason
facts["told while full"] = told
facts["committed"] = len(store.outbox.waiting("ops", 9000)) == told - 1
facts["events"] = sorted({event for event, reason in reports.counts})
facts["old cut"] = sorted(numbers(store.cuts.load()))
facts["left over"] = [p.name for p in directory.path.glob("*.tmp")]
store.close(); directory.close()

again = StateDirectory.open(path / "state", or_memory=True)
store = Store.open(again, reports, or_memory=True)
facts["cut of a start while full"] = sorted(numbers(store.cuts.load()))
store.close(); again.close()

os.unlink(path / "ballast"); ballast.close()
directory = StateDirectory.open(path / "state")
store = Store.open(directory, reports)
facts["cut after"] = store.cuts.save(cut(3), AT)
facts["new cut"] = sorted(numbers(store.cuts.load()))
facts["told after"] = len(store.outbox.tell([notification(seq=9000)], AT))
print(json.dumps(facts))
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_process_leaves_a_whole_pair(tmp_path: Path) -> None:
    """Killed at any moment, the newest answered cut and every answered message are there."""
    chance = random.Random(20)
    answered = {"cut": 0, "told": 0}
    told: set[int] = set()
    for _ in range(10):
        writer = start(WRITER, str(tmp_path), str(max(answered.values())))
        assert writer.stdout is not None
        for _ in range(chance.randint(1, 12)):
            what, number = writer.stdout.readline().split()
            assert int(number) > 0
            answered[what] = int(number)
            if what == "told":
                told.add(int(number))
        # Somewhere inside the next write, not at its edge.
        until = time.perf_counter() + chance.uniform(0, 0.03)
        while time.perf_counter() < until:
            pass
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            if not line.endswith("\n"):
                break  # killed while it answered: nobody was answered
            what, number = line.split()
            answered[what] = int(number)
            if what == "told":
                told.add(int(number))
        writer.stdout.close()
        writer.wait()

        reports = Reports()
        directory = StateDirectory.open(tmp_path)
        store = Store.open(directory, reports)
        found = store.cuts.load()
        kept = {w.notification.transition.incident.seq for w in store.outbox.waiting("ops", 9999)}
        again = store.outbox.tell([notification(seq=number) for number in sorted(told)], AT)
        store.close()
        directory.close()

        assert found is not None
        assert len(numbers(found)) == 1
        assert numbers(found).pop() in {answered["cut"], answered["cut"] + 1}
        assert told <= kept <= told | {max(told) + 1}
        assert again == []
        assert not reports.counts
        # What was committed, but killed before the answer, is there in the next rounds too.
        told |= kept


def mounts() -> list[str]:
    """Return the command that gives a child mounts of its own; skip where that is not allowed."""
    for command in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        if (
            shutil.which("unshare")
            and not subprocess.run(
                [*command, "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()],
                check=False,
                capture_output=True,
            ).returncode
        ):
            return command
    pytest.skip("mount namespaces: not allowed to this user here")


@pytest.mark.slow
def test_a_full_disk_is_reported_and_survived(tmp_path: Path) -> None:
    """On a full disk the old cut stays, writes fail by name, and all goes on once there is room."""
    shell = f'mount -t tmpfs -o size=4m tmpfs {tmp_path} && exec "$@"'
    done = subprocess.run(
        [*mounts(), "sh", "-c", shell, "sh", sys.executable, "-c", FULL, str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    facts = json.loads(done.stdout)

    assert facts["filled"] == 28
    assert facts["cut while full"] is None
    assert facts["tell while full"] in {"disk_full", "io_error"}
    assert facts["told while full"] > 300
    assert facts["committed"]
    assert facts["events"] == ["state.cut_failed", "state.reserve_used"]
    assert facts["old cut"] == [1]
    assert facts["left over"] == []
    assert facts["cut of a start while full"] == [1]
    assert facts["cut after"] is not None
    assert facts["new cut"] == [3]
    assert facts["told after"] == 1


@pytest.fixture
def readable() -> Iterator[Path]:
    """Return a folder that other users may read, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_nobody(work: Callable[[], object]) -> object:
    """Run *work* in a child without root's rights and return its answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, json.dumps(work()).encode())
        except BaseException as e:  # noqa: BLE001 - the child has no other way to say it
            os.write(writing, json.dumps(repr(e)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return json.loads(answer)


@pytest.mark.parametrize("stopped", ["cleanly", "killed"])
def test_a_directory_that_cannot_be_written_is_read(readable: Path, stopped: str) -> None:
    """The last state is resumed into memory; without that wish it is an error with a remedy."""
    child = os.fork()
    if not child:
        try:
            directory = StateDirectory.open(readable / "state")
            store = Store.open(directory, Reports())
            store.cuts.save(cut(4), AT)
            store.outbox.tell([notification()], AT)
            if stopped == "cleanly":
                store.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    state = readable / "state"
    # The child may not read the interpreter's own files: all it needs is imported by now.
    Store.in_memory(Reports()).close()
    _ = state.as_uri()
    for path in state.iterdir():
        path.chmod(0o444)
    state.chmod(0o555)

    def work() -> object:
        reports = Reports()
        try:
            StateDirectory.open(state)
        except Exception as e:  # noqa: BLE001 - the answer is which one it is
            refused = f"{type(e).__name__}: {e}"
        directory = StateDirectory.open(state, or_memory=True)
        store = Store.open(directory, reports)
        return {
            "refused": refused,
            "numbers": sorted(numbers(store.cuts.load() or cut(0))),
            "waiting": len(store.outbox.waiting("ops")),
            "told": store.outbox.tell([notification(seq=2)], AT),
            "saved": store.cuts.save(cut(5), AT),
            "reports": [list(key) for key in reports.counts],
        }

    facts = as_nobody(work)
    state.chmod(0o755)

    assert isinstance(facts, dict), facts
    assert facts["refused"].startswith("StateError: state.directory = ")
    assert facts["numbers"] == [4]
    assert facts["waiting"] == 1
    assert facts["told"] == ["ntf_inc_1_2_ops"]
    assert facts["saved"] is None
    assert facts["reports"] == [["state.in_memory", "directory_not_writable"]]


def test_a_second_process_is_told_who_runs(tmp_path: Path) -> None:
    """A second process on the same directory gets the first one's pid and no access."""
    code = (
        "import sys; from pathlib import Path; from aiops.errors import StateError\n"
        "from aiops.storage import StateDirectory\n"
        "try: StateDirectory.open(Path(sys.argv[1]))\n"
        "except StateError as e: print(e)"
    )
    held = StateDirectory.open(tmp_path)
    with start(code, str(tmp_path)) as second:
        said = second.communicate(timeout=60)[0]
    held.close()

    assert said == (
        f"another aiops (pid {os.getpid()}) already runs on {tmp_path}; "
        "stop it or set state.directory\n"
    )
