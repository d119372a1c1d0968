"""A link in a message: a GET shows, a POST acts once, and no page gives back what it was given."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from aiops.incidents.lessons import VERDICTS
from aiops.links import Links, Verb
from aiops.model import State, Suspect
from tests.unit.web.conftest import Visit
from tests.unit.web.desk import FakeDesk, incident

LINKS = Links(b"k" * 32, 3600.0)


def desk(**more: Any) -> FakeDesk:
    first = incident("one", suspects=(Suspect("service:cart", 0.6, ()), Suspect("db<b>", 0.2, ())))
    return FakeDesk(living=(first,), links=LINKS, **more)


def link(verb: Verb, about: str = "one", at: float | None = None) -> str:
    made = time.time() if at is None else at
    (offer,) = LINKS.offers("", about, "ops", [verb], made)
    return offer.url


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(visit: Visit, verb: Verb, method: str) -> None:
    """However often a program fetches a link, nothing is decided."""
    told = desk()
    call = await visit(told)
    for _ in range(3):
        status, body, headers = await call(method, link(verb))

        assert status == 200
        assert method == "HEAD" or "<form method=post>" in body
        assert "<script" not in body
        assert headers["Cache-Control"] == "no-store"

    assert (told.commands, told.spent) == ([], set())


@pytest.mark.parametrize(
    ("verb", "form", "kind", "args"),
    [
        (Verb.ACK, {"by": "kim"}, "ack", {}),
        (Verb.USEFUL, {}, "feedback", {"verdict": "useful"}),
        (Verb.NOISE, {}, "feedback", {"verdict": "noise"}),
        (Verb.WRONG_CAUSE, {"choice": "0"}, "feedback", {"verdict": "wrong-cause"}),
        (Verb.EXPECTED, {"span": "a day"}, "feedback", {"verdict": "expected-until"}),
    ],
)
async def test_pressing_acts_once(
    visit: Visit, verb: Verb, form: dict[str, str], kind: str, args: dict[str, str]
) -> None:
    """The first POST is one command; the second says that the link was used."""
    told = desk()
    call = await visit(told)
    where = link(verb)

    first, done, _ = await call.post(where, data=form)
    second, used, _ = await call.post(where, data=form)
    shown, again, _ = await call.get(where)

    (command,) = told.commands
    assert (first, second, shown) == (200, 410, 410)
    assert "Done" in done
    assert "This link was used" in used
    assert "This link was used" in again
    assert (command.kind, command.target) == (kind, "one")
    assert command.by == form.get("by", "a reader of ops")
    assert args.items() <= command.args.items()
    assert command.args.get("verdict", "useful") in VERDICTS


async def test_a_cause_is_chosen_or_written(visit: Visit) -> None:
    """A suspect after the first can be chosen by its place, anything else is written."""
    told = desk()
    call = await visit(told)
    _, page, _ = await call.get(link(Verb.WRONG_CAUSE))
    await call.post(link(Verb.WRONG_CAUSE, at=time.time() - 1), data={"choice": "0"})
    written = {"choice": "0", "cause": "disk of\x1b[31m db-1"}
    await call.post(link(Verb.WRONG_CAUSE, at=time.time() - 5), data=written)

    assert "db&lt;b&gt;" in page
    assert [c.args["cause"] for c in told.commands] == ["db<b>", "disk of db-1"]


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        (Verb.WRONG_CAUSE, {}),
        (Verb.WRONG_CAUSE, {"choice": "99"}),
        (Verb.WRONG_CAUSE, {"choice": "-1"}),
        (Verb.EXPECTED, {}),
        (Verb.EXPECTED, {"span": "a year"}),
    ],
)
async def test_a_form_that_says_too_little_uses_nothing_up(
    visit: Visit, verb: Verb, form: dict[str, str]
) -> None:
    """Without a cause or a time there is no command, and the link still counts."""
    told = desk()
    call = await visit(told)

    status, _, _ = await call.post(link(verb), data=form)

    assert (status, told.commands, told.spent) == (400, [], set())


async def test_what_is_given_is_never_shown(visit: Visit) -> None:
    """Neither a wrong token nor any field comes back in a page."""
    call = await visit(desk())
    marker = "<i>xyzzy</i>"
    answers = [
        await call.get("/act", params={"token": marker, "by": marker}),
        await call.post("/act", params={"token": marker}, data={"by": marker}),
        await call.post(link(Verb.ACK), data={"by": marker, "cause": marker, "more": marker}),
        await call.post(link(Verb.EXPECTED), data={"span": marker}),
        await call.get("/act"),
    ]

    assert [status for status, _, _ in answers] == [400, 400, 200, 400, 400]
    assert not any("xyzzy" in body for _, body, _ in answers)


async def test_hostile_text_of_an_incident_is_escaped(visit: Visit) -> None:
    """What a log line put into a title is shown as text."""
    call = await visit(desk())

    _, body, _ = await call.get(link(Verb.ACK))

    assert "<script>" not in body
    assert "&lt;script&gt;" in body


async def test_an_expired_link_says_so(visit: Visit) -> None:
    """After its time a link does nothing and says why."""
    told = desk()
    call = await visit(told)
    where = link(Verb.NOISE, at=time.time() - 4000)

    for answer in (await call.get(where), await call.post(where)):
        assert answer[0] == 410
        assert "expired" in answer[1]
    assert told.commands == []


async def test_what_is_over_is_not_acknowledged_but_judged(visit: Visit) -> None:
    """An incident that ended can be called noise, and nobody takes it any more."""
    told = FakeDesk(past=(incident("one", state=State.CLOSED),), links=LINKS)
    call = await visit(told)

    late, _, _ = await call.post(link(Verb.ACK))
    judged, _, _ = await call.post(link(Verb.NOISE))

    assert (late, judged) == (409, 200)
    assert [c.kind for c in told.commands] == ["feedback"]


async def test_who_comes_second_hears_who_was_first(visit: Visit) -> None:
    """What somebody took already is not taken twice, and it is said by whom."""
    taken = incident("one", state=State.ACKNOWLEDGED, acknowledged_by="kim <b>")
    told = FakeDesk(living=(taken,), links=LINKS)
    call = await visit(told)

    status, page, _ = await call.post(link(Verb.ACK))

    assert (status, told.commands) == (409, [])
    assert "kim &lt;b&gt; looks after it already." in page


async def test_two_who_press_at_once_are_one_command(visit: Visit) -> None:
    """Both saw a link that was not used: the commit decides, and the second is told so."""

    class Late(FakeDesk):
        async def is_spent(self, nonce: str) -> bool:
            return False

    told = Late(living=(incident("one"),), links=LINKS)
    call = await visit(told)
    where = link(Verb.NOISE)

    answers = [(await call.post(where))[0] for _ in range(2)]

    assert answers == [200, 410]
    assert len(told.commands) == 1


async def test_an_incident_that_is_gone_is_said_to_be(visit: Visit) -> None:
    """A link outlives its incident's record without breaking."""
    call = await visit(desk())

    assert (await call.post(link(Verb.NOISE, "inc_gone")))[0] == 410


async def test_without_links_there_is_no_page(visit: Visit) -> None:
    """A daemon that makes no links takes none."""
    told = desk()
    told.links = None
    call = await visit(told)

    assert (await call.get(link(Verb.ACK)))[0] == 404
    assert (await call.post(link(Verb.ACK)))[0] == 404


async def test_a_browser_may_send_the_form_and_nobody_sees_the_key(visit: Visit) -> None:
    """The page may post to itself, tells no other site its address, and stands in no frame."""
    call = await visit(desk())

    _, _, headers = await call.get(link(Verb.ACK))

    policy = headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_site_cannot_press_the_button(visit: Visit, headers: dict[str, str]) -> None:
    """A form that another page sends is refused even with a good token."""
    told = desk()
    call = await visit(told)

    status, _, _ = await call.post(link(Verb.NOISE), headers=headers)

    assert (status, told.commands) == (403, [])


async def test_the_pages_own_form_is_taken(visit: Visit) -> None:
    """What a browser sends from the page itself passes."""
    told = desk()
    call = await visit(told)
    headers = {"Origin": call.url, "Sec-Fetch-Site": "same-origin"}

    status, _, _ = await call.post(link(Verb.NOISE), headers=headers, data={"by": ""})

    assert (status, len(told.commands)) == (200, 1)


@pytest.mark.parametrize("body", [b"a" * 9000, b"&".join([b"a=1"] * 50), b"\xff\xfe=%ff"])
async def test_a_strange_form_breaks_nothing(visit: Visit, body: bytes) -> None:
    """Too large, too many fields or no text: a page, and never a defect."""
    call = await visit(desk())
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    status, page, _ = await call.post(link(Verb.EXPECTED), data=body, headers=kind)

    assert status in (400, 413)
    assert re.search("<h1>.+</h1>", page)


async def test_trouble_of_the_state_is_a_page(visit: Visit) -> None:
    """When the disk fails the reader is told to try again, and no file is named."""

    class Full(FakeDesk):
        async def command(self, *_: Any, **__: Any) -> Any:
            from aiops.errors import StateError

            raise StateError("/var/lib/aiops: disk full")

    call = await visit(Full(living=(incident("one"),), links=LINKS))

    status, page, _ = await call.post(link(Verb.NOISE))

    assert status == 503
    assert "/var/lib" not in page
