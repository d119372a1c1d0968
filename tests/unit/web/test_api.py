"""The JSON API answers programs."""

from __future__ import annotations

import io
import time

import pytest

from aiops.incidents.muting import Silence
from aiops.model import State
from aiops.phases import Course, Phase
from aiops.storage import DeadLetter
from tests.unit.web.conftest import Visit
from tests.unit.web.desk import T0, FakeDesk, incident

FIELDS = {
    *("id", "state", "severity", "title", "opened_at", "resolved_at", "told", "entities"),
    *("suspects", "anomalies", "changes", "samples", "similar", "notified_at"),
}


async def test_incidents_are_listed_newest_first(visit: Visit) -> None:
    """Living and past incidents come in one list, newest first, with the contract's fields."""
    desk = FakeDesk(
        living=(incident("b", T0 + 20),),
        past=(incident("c", T0 + 30, State.RESOLVED), incident("a", T0)),
    )
    call = await visit(desk)

    status, body, _ = await call.get("/api/v1/incidents")

    assert status == 200
    assert [i["id"] for i in body["incidents"]] == ["c", "b", "a"]
    assert set(body["incidents"][0]) == FIELDS


async def test_living_picture_wins(visit: Visit) -> None:
    """Of an incident that still lives the engine's picture is shown, not its older copy."""
    past = incident("a", T0)
    call = await visit(FakeDesk(living=(incident("a", T0, State.ACKNOWLEDGED),), past=(past,)))

    _, body, _ = await call.get("/api/v1/incidents")

    assert [i["state"] for i in body["incidents"]] == ["acknowledged"]


async def test_candidates_are_shown_only_when_asked_for(visit: Visit) -> None:
    """What nobody was told of stays out of the list unless candidates are asked for."""
    call = await visit(FakeDesk(living=(incident("a", state=State.CANDIDATE),)))

    shown = [
        (await call.get(f"/api/v1/incidents{query}"))[1]["incidents"]
        for query in ("", "?candidates=1", "?state=candidate")
    ]

    assert [len(found) for found in shown] == [0, 1, 1]


async def test_list_is_filtered_and_limited(visit: Visit) -> None:
    """``state`` and ``limit`` choose among the incidents."""
    past = tuple(incident(f"i{n}", T0 + n, State.RESOLVED) for n in range(5))
    call = await visit(FakeDesk(past=past, living=(incident("o"),)))

    _, some, _ = await call.get("/api/v1/incidents?state=resolved&limit=2")
    _, none, _ = await call.get("/api/v1/incidents?state=closed")

    assert [i["id"] for i in some["incidents"]] == ["i4", "i3"]
    assert none == {"incidents": []}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=99999", "limit"),
        ("limit=²", "limit"),
        ("state=opened", "state"),
        ("stat=open", "stat"),
    ],
)
async def test_wrong_parameters_are_named(visit: Visit, query: str, named: str) -> None:
    """A wrong or unknown parameter is refused with its name."""
    call = await visit(FakeDesk())

    status, body, _ = await call.get(f"/api/v1/incidents?{query}")

    assert status == 400
    assert named in body["error"]


async def test_one_incident_says_who_has_it_and_what_hides_it(visit: Visit) -> None:
    """Beside the fields of the list: the people, what hides it, and how its series go."""
    goes = Course("service:cart/errors", Phase.CLEARING, T0, 3, flapping=True)
    held = incident("a", acknowledged_by="kim", assigned_to="lee", courses=(goes,))
    ends = time.time() + 3600
    quiet = [Silence("sil_1", T0, ends, entity="cart"), Silence("sil_2", T0, ends, entity="mail")]
    call = await visit(FakeDesk(living=(held,), quiet=quiet))

    _, body, _ = await call.get("/api/v1/incidents/a")

    assert (body["acknowledged_by"], body["assigned_to"]) == ("kim", "lee")
    assert body["muted_by"] == ["sil_1"]
    assert [(s["series"], s["phase"], s["times"], s["flapping"]) for s in body["series"]] == [
        ("service:cart/errors", "clearing", 3, True)
    ]


async def test_one_incident_is_found_by_its_beginning(visit: Visit) -> None:
    """The beginning of an id is enough while it is the only one that begins so."""
    call = await visit(FakeDesk(living=(incident("abc1"), incident("abd2"))))

    whole = await call.get("/api/v1/incidents/abc1")
    short = await call.get("/api/v1/incidents/abd")
    many = await call.get("/api/v1/incidents/ab")
    none = await call.get("/api/v1/incidents/zzz")

    assert (whole[1]["id"], short[1]["id"]) == ("abc1", "abd2")
    assert (many[0], none[0]) == (404, 404)
    assert "2 incidents begin" in many[1]["error"]
    assert "no incident" in none[1]["error"]


async def test_one_incident_carries_its_story(visit: Visit) -> None:
    """A single incident is told in words too, and no secret is in it."""
    call = await visit(FakeDesk(living=(incident("a"),)))

    _, body, _ = await call.get("/api/v1/incidents/a")

    assert body["story"].startswith("OPENED error")
    assert "hunter2" not in str(body)
    assert body["anomalies"][0]["actual"] is None


@pytest.mark.parametrize("verb", ["ack", "resolve"])
async def test_commands_are_committed_with_their_author(visit: Visit, verb: str) -> None:
    """An acknowledgement or resolution is handed over for the whole id, with who did it."""
    desk = FakeDesk(living=(incident("abc1"),))
    call = await visit(desk)

    status, body, _ = await call.post(f"/api/v1/incidents/abc/{verb}", json={"by": "kim"})

    assert status == 202
    assert body == {"id": "abc1", "command": verb, "seq": 1}
    assert [(c.kind, c.target, c.by) for c in desk.commands] == [(verb, "abc1", "kim")]


async def test_body_of_a_command_is_optional(visit: Visit) -> None:
    """An acknowledgement needs no body."""
    desk = FakeDesk(living=(incident("a"),))
    call = await visit(desk)

    status, _, _ = await call.post("/api/v1/incidents/a/ack")

    assert status == 202
    assert desk.commands[0].by == ""


async def test_what_is_over_is_not_acknowledged(visit: Visit) -> None:
    """A command about an incident that is over, or that nobody knows, is refused."""
    desk = FakeDesk(
        living=(incident("c", state=State.CANDIDATE),), past=(incident("r", state=State.RESOLVED),)
    )
    call = await visit(desk)

    statuses = [
        (await call.post(f"/api/v1/incidents/{name}/ack"))[0] for name in ("c", "r", "nobody")
    ]

    assert statuses == [409, 409, 404]
    assert desk.commands == []


async def test_reading_never_acts(visit: Visit) -> None:
    """A GET on a command's address is no command."""
    desk = FakeDesk(living=(incident("a"),))
    call = await visit(desk)

    status, body, headers = await call.get("/api/v1/incidents/a/ack")

    assert status == 405
    assert headers["Allow"] == "POST"
    assert "GET" in body["error"]
    assert desk.commands == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2023-11-14T22:13:20Z", T0),
        ("2023-11-14T23:13:20+01:00", T0),
        (T0, T0),
        (f"{T0:.0f}", T0),
    ],
)
async def test_change_is_taken(visit: Visit, at: object, expected: float) -> None:
    """A change is handed over with its time in any of the written forms."""
    desk = FakeDesk()
    call = await visit(desk)

    status, body, _ = await call.post(
        "/api/v1/changes", json={"title": "cart 2.4 token=abc123", "entity": "cart", "at": at}
    )

    assert status == 202
    (event,) = desk.changes
    assert (event.at, event.kind, event.entity) == (expected, "deploy", "service:cart")
    assert "abc123" not in event.title
    assert body["at"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"title": "x"}', "entity"),
        (b'{"title": "x", "entity": "y", "when": 3}', "when"),
        (b'{"title": "", "entity": "y"}', "title"),
        (b'{"title": "x", "entity": "y", "at": "soon"}', "at"),
        (b'{"title": "x", "entity": "y", "at": NaN}', "body"),
        (b'{"title": "x", "entity": "y", "at": -1}', "at"),
        (b'{"title": "' + b"x" * 501 + b'", "entity": "y"}', "title"),
        (b'{"title": "\xff", "entity": "y"}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"title": {"a": 1}, "entity": "y"}', "title"),
        (b"title=x", "body"),
    ],
)
async def test_wrong_change_is_refused_by_name(visit: Visit, body: bytes, named: str) -> None:
    """A body that is wrong in any way is refused with what is wrong, and nothing is taken."""
    desk = FakeDesk()
    call = await visit(desk)

    status, said, _ = await call.post("/api/v1/changes", data=body)

    assert status == 400
    assert named in said["error"]
    assert desk.changes == []


async def test_large_body_is_refused(visit: Visit) -> None:
    """A body over 1 MiB is refused."""
    call = await visit(FakeDesk())

    status, body, _ = await call.post("/api/v1/changes", data=io.BytesIO(b" " * (2**20 + 1)))

    assert status == 413
    assert "larger" in body["error"]


async def test_templates_have_the_contract_s_fields(visit: Visit) -> None:
    """Templates are listed with id, severity, text and count alone."""
    call = await visit(FakeDesk())

    _, body, _ = await call.get("/api/v1/templates")

    expected = {"id": "t1", "severity": "error", "template": "failed <*>", "count": 7}
    assert body == {"templates": [expected]}


async def test_status_tells_of_every_source(visit: Visit) -> None:
    """The status holds what doctor needs: sources, figures, warm-up and drops."""
    desk = FakeDesk(warming_up=True, cold=["logs"])
    desk.telemetry.dropped.labels("engine", "streams_refused").inc(3)
    call = await visit(desk)

    _, body, _ = await call.get("/api/v1/status")

    (source,) = body["sources"]
    assert (source["name"], source["state"], source["lines"]) == ("file", "running", 120)
    assert source["last_seen"] == "2023-11-14T22:13:25Z"
    assert source["lag"] is None
    assert body["dropped"] == {"engine/streams_refused": 3}
    assert body["figures"]["templates"] == 3
    assert body["figures"]["calls"] == 2
    assert body["warming_up"]
    assert body["cold"] == ["logs"]


async def test_broken_disk_is_an_answer(visit: Visit) -> None:
    """When the state cannot be read the answer says so and how to mend it."""
    call = await visit(FakeDesk(broken=True))

    status, body, _ = await call.get("/api/v1/incidents")

    assert status == 503
    assert "disk full" in body["error"]


async def test_dead_letters_are_shown(visit: Visit) -> None:
    """A message that was given up is there to see: to whom, of what, why, after how many tries."""
    letter = DeadLetter("ntf_1", "ops", "inc_1", "opened", T0, T0 + 60, 3, "gave_up")
    call = await visit(FakeDesk(dead=[letter, letter]))

    status, body, _ = await call.get("/api/v1/dead-letters?limit=1")

    assert status == 200
    assert body["dead_letters"] == [
        {
            "key": "ntf_1",
            "receiver": "ops",
            "incident": "inc_1",
            "kind": "opened",
            "told_at": "2023-11-14T22:13:20Z",
            "given_up_at": "2023-11-14T22:14:20Z",
            "attempts": 3,
            "reason": "gave_up",
        }
    ]
    assert (await call.get("/api/v1/dead-letters?limit=all"))[0] == 400


async def test_the_call_graph_is_shown_as_declared_and_as_learned(visit: Visit) -> None:
    """What is declared wins: whose calls are declared has learned none."""
    desk = FakeDesk()
    desk.plan.settings.topology.calls["gateway"] = ["cart"]
    call = await visit(desk)

    status, body, _ = await call.get("/api/v1/topology")

    assert status == 200
    assert body["declared"] == {"service:gateway": ["service:cart"]}
    assert body["learned"] == [{"caller": "service:cart", "callee": "service:redis", "seen": 9.0}]

    status, body, _ = await call.post("/api/v1/topology/forget", json={"by": "kim"})
    assert (status, body["command"]) == (202, "forget-calls")
    assert [c.kind for c in desk.commands] == ["forget-calls"]
