"""``aiops audit verify``: one changed byte is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiops.cli import face
from aiops.model import TransitionKind
from aiops.storage import StateDirectory, Store
from tests.unit.storage.nouns import AT, Reports, notification, transition


def verify(folder: Path, *words: str) -> Result:
    (folder / "aiops.toml").write_text(f'[state]\ndirectory = "{folder}/state"\n')
    return CliRunner().invoke(face, ["audit", "verify", "-c", str(folder / "aiops.toml"), *words])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Leave what one incident leaves: a decision, a message, its way, a command, an end."""
    held = StateDirectory.open(tmp_path / "state")
    store = Store.open(held, Reports())
    store.history.record([transition(incident_id="inc_1")])
    message = notification(incident_id="inc_1")
    store.outbox.tell([message], AT)
    store.outbox.sent(message.key, AT + 1)
    store.inputs.command("silence", "", AT + 2, "kimberley", {"entity": "cart", "reason": "test"})
    store.history.record([transition(TransitionKind.RESOLVED, "inc_1", 2)])
    store.close()
    held.close()
    return held.database


def test_every_decision_message_and_action_is_a_row(tmp_path: Path, database: Path) -> None:
    """Untouched, the chain holds: five things were done."""
    assert database.exists()
    result = verify(tmp_path, "--json")
    assert json.loads(result.stdout) == {"ok": True, "rows": 5, "broken_at": None}
    assert (result.exit_code, verify(tmp_path).stdout) == (0, "5 rows, each as it was written\n")


def test_telling_again_is_no_other_row(tmp_path: Path, database: Path) -> None:
    """What is read again after a crash was decided and told once."""
    with closing(StateDirectory.open(database.parent)) as held:
        store = Store.open(held, Reports())
        store.history.record([transition(incident_id="inc_1")])
        store.outbox.tell([notification(incident_id="inc_1")], AT + 9)
        store.close()
    assert json.loads(verify(tmp_path, "--json").stdout)["rows"] == 5


@pytest.mark.parametrize("part", [b"kimberley", b'{"entity":"cart"', b"silence"])
@pytest.mark.parametrize("bit", [1, 0x80])
def test_one_changed_byte_is_found(tmp_path: Path, database: Path, part: bytes, bit: int) -> None:
    """A byte of the file behind our back, also one that makes it unreadable as text."""
    data = bytearray(database.read_bytes())
    places = [n for n in range(len(data)) if data.startswith(part, n)]
    assert places
    found = []
    for place in places:
        data[place] ^= bit
        database.write_bytes(data)
        data[place] ^= bit
        result = verify(tmp_path, "--json")
        found.append((result.exit_code, json.loads(result.stdout)["broken_at"]))
    # The command's own row holds the same text, and is no row of the audit.
    assert (1, 4) in found
    assert set(found) <= {(1, 4), (0, None)}


def test_a_row_that_is_taken_out_is_missed(tmp_path: Path, database: Path) -> None:
    """Also the last one, where no later row would tell."""
    with closing(StateDirectory.open(database.parent)) as held:
        store = Store.open(held, Reports())
        with store._database.transaction() as connection:
            connection.execute("DROP TRIGGER audit_is_only_pruned_behind_its_anchor")
            connection.execute("DELETE FROM audit WHERE seq = 5")
        store.close()
    result = verify(tmp_path)
    assert result.exit_code == 1
    assert result.stdout.startswith("row 5 was altered or taken out")
