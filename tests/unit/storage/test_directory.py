"""Where the state lives and who may use it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aiops.errors import StateError
from aiops.storage import StateDirectory, Store, resolve_directory
from tests.unit.storage.nouns import Reports, cut


def test_the_configured_directory_wins() -> None:
    """What the configuration names is used, whatever the environment says."""
    env = {"STATE_DIRECTORY": "/run/s", "HOME": "/home/u"}

    assert resolve_directory("/srv/aiops", env) == Path("/srv/aiops")


def test_systemds_directory_comes_second() -> None:
    """The first of systemd's state directories is used."""
    env = {"STATE_DIRECTORY": "/var/lib/aiops:/var/lib/other", "XDG_STATE_HOME": "/x"}

    assert resolve_directory("", env) == Path("/var/lib/aiops")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"XDG_STATE_HOME": "/x", "HOME": "/home/u"}, "/x/aiops"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.local/state/aiops"),
        ({"HOME": "/home/u"}, "/home/u/.local/state/aiops"),
    ],
)
def test_the_xdg_state_home_comes_last(env: dict[str, str], expected: str) -> None:
    """Without either, the XDG state home is used; a relative one is ignored."""
    assert resolve_directory("", env) == Path(expected)


def test_all_files_are_private(tmp_path: Path) -> None:
    """The directory is made for its owner alone, and so is every file in it."""
    old = os.umask(0)
    try:
        directory = StateDirectory.open(tmp_path / "a" / "state")
        store = Store.open(directory, Reports())
        store.cuts.save(cut(), 1.0)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in directory.path.iterdir()}
        store.close()
        directory.close()
    finally:
        os.umask(old)

    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert set(modes) >= {"aiops.db", "aiops.db-wal", "aiops.lock", "models-1.bin"}
    assert set(modes.values()) == {0o600}


def test_a_second_holder_is_refused_by_pid(tmp_path: Path) -> None:
    """Whoever comes second learns which process runs there and what to do."""
    first = StateDirectory.open(tmp_path)

    with pytest.raises(StateError) as refused:
        StateDirectory.open(tmp_path, or_memory=True)

    assert f"pid {os.getpid()}" in str(refused.value)
    assert "state.directory" in str(refused.value)
    first.close()


def test_a_closed_directory_can_be_held_again(tmp_path: Path) -> None:
    """Closing lets the lock go, also when it is done twice."""
    first = StateDirectory.open(tmp_path)
    first.close()
    first.close()

    StateDirectory.open(tmp_path).close()


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    """A path that is no directory is an error that names the key and the remedy."""
    (tmp_path / "state").write_text("not a directory")

    with pytest.raises(StateError, match=r"state\.directory = .*state.*set another"):
        StateDirectory.open(tmp_path / "state")


def test_a_stale_lock_file_does_not_hold(tmp_path: Path) -> None:
    """The lock is the process's, not the file's: what a killed one left behind is taken over."""
    (tmp_path / "aiops.lock").write_text("999999\n")
    held = StateDirectory.open(tmp_path)

    assert (tmp_path / "aiops.lock").read_text() == f"{os.getpid()}\n"
    held.close()


def test_space_is_held_back_and_given_once(tmp_path: Path) -> None:
    """A reserve is kept while there is room, released once, and kept again."""
    directory = StateDirectory.open(tmp_path)
    directory.keep_reserve()
    directory.keep_reserve()
    held = (tmp_path / "reserve").stat()

    assert held.st_blocks * 512 >= 2**20
    assert directory.release_reserve()
    assert not directory.release_reserve()
    assert not StateDirectory(tmp_path / "none").release_reserve()
    directory.close()
