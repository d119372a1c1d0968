"""A permission that counts once is used up with its command or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from aiops.errors import StateError
from aiops.storage import Once, SpentError, StateDirectory, Store, StoreError, inputs
from tests.unit.storage.nouns import AT, Reports

ONCE = Once("n1", AT + 60)


@pytest.fixture
def store() -> Store:
    return Store.in_memory(Reports())


def test_a_permission_is_used_once(store: Store) -> None:
    """The second command with it is refused, and nothing of it is committed."""
    store.inputs.command("ack", "inc_1", AT, "kim", once=ONCE)

    with pytest.raises(SpentError):
        store.inputs.command("ack", "inc_1", AT + 1, "eve", once=ONCE)

    assert [c.by for c in store.inputs.commands_after(0)] == ["kim"]
    assert store.history.audit_count() == 1
    assert (store.inputs.is_spent("n1"), store.inputs.is_spent("n2")) == (True, False)


def test_a_used_permission_survives_a_restart(tmp_path: Path) -> None:
    """It is on the disk before the answer, like the command."""
    for attempt in range(2):
        directory = StateDirectory.open(tmp_path)
        store = Store.open(directory, Reports())
        if attempt:
            with pytest.raises(SpentError):
                store.inputs.command("ack", "inc_1", AT, once=ONCE)
        else:
            store.inputs.command("ack", "inc_1", AT, once=ONCE)
        store.close()
        directory.close()


def test_what_expired_is_forgotten(store: Store) -> None:
    """A permission that means nothing any more takes no room."""
    store.inputs.command("ack", "inc_1", AT, once=ONCE)
    store.inputs.command("ack", "inc_1", AT + 90_000, once=Once("n2", AT + 90_060))

    assert not store.inputs.is_spent("n1")


def test_a_full_memory_refuses_and_forgets_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the bound a new one is refused: forgetting an old one would let it be used again."""
    monkeypatch.setattr(inputs, "MOST_SPENT", 1)
    store.inputs.command("ack", "inc_1", AT, once=ONCE)

    with pytest.raises(StoreError, match="link_expires") as caught:
        store.inputs.command("ack", "inc_1", AT, once=Once("n2", AT + 60))

    assert caught.value.reason == "links_full"
    assert isinstance(caught.value, StateError)
    assert store.inputs.is_spent("n1")


def test_the_secret_of_links_is_made_once_and_private(tmp_path: Path) -> None:
    """Every start finds the same secret, and nobody else may read it."""
    directory = StateDirectory.open(tmp_path)
    first = directory.link_key(32)
    (file,) = tmp_path.glob("link.key*")

    assert first is not None
    assert len(first) == 32
    assert directory.link_key(32) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    directory.close()


def test_half_a_secret_is_made_anew(tmp_path: Path) -> None:
    """A file that was cut is no secret."""
    directory = StateDirectory.open(tmp_path)
    (tmp_path / "link.key").write_bytes(b"short")

    made = directory.link_key(32)

    assert made is not None
    assert len(made) == 32
    assert directory.link_key(32) == made
    directory.close()


def test_where_nothing_can_be_written_there_is_no_secret(tmp_path: Path) -> None:
    """A degraded directory reads a secret that is there and makes none."""
    degraded = StateDirectory(tmp_path, degraded="read-only")

    assert degraded.link_key(32) is None
    (tmp_path / "link.key").write_bytes(b"k" * 32)
    assert degraded.link_key(32) == b"k" * 32
