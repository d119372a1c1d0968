"""Decisions over HTTP: each becomes one command, or is refused with what to do."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from aiops.incidents.muting import Silence
from aiops.model import State
from tests.unit.web.conftest import Visit
from tests.unit.web.desk import T0, FakeDesk, incident


def two_services() -> FakeDesk:
    both = incident("a1")
    mail = replace(both.anomalies[0].series, entity="service:mail")
    more = replace(both.anomalies[0], id="a-mail", series=mail)
    return FakeDesk(
        living=(replace(both, anomalies=(*both.anomalies, more)), incident("b2", T0 + 9)),
        past=(incident("r1", state=State.RESOLVED),),
    )


@pytest.mark.parametrize(
    ("verb", "body", "args"),
    [
        ("assign", {"to": "lee"}, {"to": "lee"}),
        ("merge", {"into": "b"}, {"into": "b2"}),
        ("split", {"entity": "mail"}, {"entity": "service:mail"}),
    ],
)
async def test_a_decision_is_one_command(
    visit: Visit, verb: str, body: dict[str, str], args: dict[str, str]
) -> None:
    """The target and the arguments are resolved before the row is committed."""
    desk = two_services()
    call = await visit(desk)

    status, _, _ = await call.post(f"/api/v1/incidents/a/{verb}", json={"by": "kim", **body})

    assert status == 202
    assert [(c.kind, c.target, c.by, dict(c.args)) for c in desk.commands] == [
        (verb, "a1", "kim", args)
    ]


async def test_a_snooze_ends_after_its_duration(visit: Visit) -> None:
    """The command holds an absolute end, so it means the same whenever it is applied."""
    desk = two_services()
    call = await visit(desk)

    status, _, _ = await call.post("/api/v1/incidents/a1/snooze", json={"duration": "1h"})

    assert status == 202
    assert abs(float(desk.commands[0].args["until"]) - time.time() - 3600.0) < 60.0


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("incidents/r1/snooze", {"duration": "1h"}, 409, "neither open nor acknowledged"),
        ("incidents/a1/snooze", {}, 400, "either until or duration"),
        ("incidents/a1/snooze", {"duration": "soon"}, 400, "duration"),
        ("incidents/a1/snooze", {"until": 5}, 400, "after now"),
        ("incidents/a1/merge", {"into": "a1"}, 409, "another incident"),
        ("incidents/a1/merge", {}, 400, "into"),
        ("incidents/b2/split", {"entity": "cart"}, 409, "cannot leave"),
        ("incidents/a1/split", {}, 400, "entity"),
        ("silences", {"entity": "x", "duration": "1h"}, 400, "reason"),
        ("silences", {"reason": "x", "duration": "1h"}, 400, "silences everything"),
        ("silences", {"reason": "x", "entity": "x"}, 400, "either until or duration"),
        ("silences/sil_9", {"reason": "x"}, 404, "no silence"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    visit: Visit, path: str, body: dict[str, object], status: int, said: str
) -> None:
    """Nothing is committed; the answer says what to give instead."""
    desk = two_services()
    call = await visit(desk)

    got, answer, _ = await call.post(f"/api/v1/{path}", json=body)

    assert (got, desk.commands) == (status, [])
    assert said in answer["error"]


async def test_a_silence_is_added_and_its_id_known(visit: Visit) -> None:
    """The id in the answer is the one that the engine will give it."""
    desk = FakeDesk()
    call = await visit(desk)

    body = {"entity": "cart*", "severity": "error", "duration": "2h", "reason": "test", "by": "kim"}
    status, told, _ = await call.post("/api/v1/silences", json=body)

    assert (status, told["id"]) == (202, "sil_1")
    (command,) = desk.commands
    assert (command.kind, command.by) == ("silence", "kim")
    assert {k: v for k, v in command.args.items() if k != "until"} == {
        "entity": "cart*",
        "severity": "error",
        "reason": "test",
        "text": "",
    }


async def test_only_an_active_silence_changes(visit: Visit) -> None:
    """Its end or its reason; one that is over stays as it was, and is still listed."""
    now = time.time()
    active = Silence("sil_1", now - 60, now + 3600, "kim", "test", "cart")
    over = Silence("sil_2", now - 3600, now - 60, "kim", "test", "mail")
    planned = Silence("maintenance:db@0", now - 60, now + 60, "configuration", "", "db")
    desk = FakeDesk(quiet=[over, active, planned])
    call = await visit(desk)

    _, listed, _ = await call.get("/api/v1/silences")
    edited, _, _ = await call.post("/api/v1/silences/sil_1", json={"reason": "longer"})
    ended, _, _ = await call.post("/api/v1/silences/sil_1/expire", json={})
    late, _, _ = await call.post("/api/v1/silences/sil_2/expire", json={})
    fixed, _, _ = await call.post("/api/v1/silences/maintenance:db@0/expire", json={})

    assert [(s["id"], s["active"]) for s in listed["silences"]] == [
        *(("maintenance:db@0", True), ("sil_1", True), ("sil_2", False))
    ]
    assert (edited, ended, late, fixed) == (202, 202, 409, 409)
    assert [(c.kind, c.target) for c in desk.commands] == [("silence-edit", "sil_1")] * 2
