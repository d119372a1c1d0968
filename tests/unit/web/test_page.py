"""The page of one incident: where the link of a message leads."""

from __future__ import annotations

from aiops.model import ChangeEvent, State
from tests.unit.web.conftest import Visit
from tests.unit.web.desk import T0, FakeDesk, incident


async def test_a_link_leads_to_all_that_is_known(visit: Visit) -> None:
    """Story, who looks after it, severity, changes, evidence, what happened, who knows."""
    change = ChangeEvent(T0 - 90, "deploy", "service:cart", "deploy v42")
    one = incident("inc_1", changes=(change,), acknowledged_by="ann", assigned_to="bob")
    call = await visit(FakeDesk(past=(one,)))

    status, body, headers = await call.get("/incidents/inc_1")

    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    for words in (
        *("OPENED error", "change: deploy v42 on service cart", "acknowledged by ann"),
        *("assigned to bob", "Severity", "Evidence", "Timeline", "opened to ops: sent"),
    ):
        assert words in body, words


async def test_nothing_on_it_acts_or_is_obeyed(visit: Visit) -> None:
    """What logs and people say stays text, secrets stay out, and nothing asks to be pressed."""
    name = '"><script>alert(1)</script>'
    call = await visit(FakeDesk(past=(incident("inc_1", acknowledged_by=name, assigned_to=name),)))

    _, body, _ = await call.get("/incidents/inc_1")

    assert "&lt;script&gt;" in body
    for word in ("<script", "<form", "<button", "hunter2", "<b>"):
        assert word not in body


async def test_the_first_page_links_to_it_wherever_it_is_served(visit: Visit) -> None:
    """Links are relative: a proxy may put the pages under a path of its own."""
    call = await visit(FakeDesk(past=(incident("inc_1", state=State.RESOLVED),)))

    _, first, _ = await call.get("/")
    _, one, _ = await call.get("/incidents/inc_1")

    assert '<a href="incidents/inc_1">' in first
    assert '<a href="../">' in one
    assert '<a href="../api/v1/incidents/inc_1">' in one


async def test_an_unknown_incident_has_no_page(visit: Visit) -> None:
    """It is said, and where the known ones are."""
    call = await visit(FakeDesk())
    status, body, _ = await call.get("/incidents/inc_9")
    assert status == 404
    assert "/api/v1/incidents" in body["error"]
