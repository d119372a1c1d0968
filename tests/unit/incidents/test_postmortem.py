"""A post-mortem: everything that is known of an incident, in Markdown that obeys nobody."""

from __future__ import annotations

from dataclasses import replace

from aiops.cases import Case, Similar
from aiops.incidents.postmortem import postmortem
from aiops.model import ChangeEvent, Incident, Severity, State, Suspect
from aiops.phases import Course, Phase
from tests.unit.evidence import T, anomaly, first_sight

HOSTILE = "![x](http://evil/x.png) <img src=x> @here `code` | cell \x1b[31m \u202egnp"

INCIDENT = Incident(
    id="inc_1",
    seq=3,
    state=State.RESOLVED,
    severity=Severity.ERROR,
    title="errors in service cart",
    opened_at=T,
    updated_at=T + 600,
    resolved_at=T + 900,
    entities=("service:cart",),
    suspects=(Suspect("service:db", 0.8, ("first to fail",)), Suspect("service:cart", 0.2, ())),
    anomalies=(anomaly(actual=0.4, expected=0.01, unit="ratio"), first_sight("cannot connect")),
    samples=first_sight("cannot connect").samples,
    changes=(ChangeEvent(T - 60, "deploy", "service:db", "v42"),),
    similar=(Similar("inc_0", 0.9, T - 86400, "errors in service cart", fix="restarted db"),),
    notified_at=(T + 30,),
)
CASE = Case("inc_1", T, 900.0, "", (), cause="service:db", named=True, fix="rolled back v42")


def test_it_holds_what_people_ask_afterwards() -> None:
    """What, when, evidence, suspects, changes, messages, similar ones, cause and fix are there."""
    text = postmortem(
        INCIDENT,
        case=CASE,
        timeline=[(T, "opened"), (T + 900, "resolved")],
        messages=[(T + 1, "opened to ops: sent")],
    )
    parts = ("Timeline", "Evidence", "Severity", "Suspects", "Changes", "Notifications")

    assert text.startswith("# errors in service cart\n")
    assert all(f"\n## {part}\n" in text for part in (*parts, "Similar incidents", "Cause and fix"))
    for part in (
        "lasted 15 min",
        "2023-11-14T22:14:00Z opened",
        "change: deploy v42",
        "40 %",
        "`cannot connect`",
        "1. `service:db` (80%): first to fail",
        "opened to ops: sent",
        "`inc_0`",
        "fix: restarted db",
        "- cause: `service:db` (named by a person)",
        "- fix: rolled back v42",
    ):
        assert part in text, part


def test_what_is_unknown_is_said() -> None:
    """Without suspects, changes or a case the document says so and leaves room."""
    bare = replace(INCIDENT, suspects=(), changes=(), similar=(), notified_at=())
    text = postmortem(bare)

    assert "Not enough evidence." in text
    assert "Nobody was told." in text
    assert text.count("None known.") == 2
    assert "- cause: to be written" in text


def test_hostile_text_stays_text() -> None:
    """Images, tags, mentions, escapes and table cells of a log line are only words."""
    worst = replace(
        INCIDENT,
        title=HOSTILE,
        entities=(HOSTILE,),
        suspects=(Suspect(HOSTILE, 1.0, (HOSTILE,)),),
        anomalies=(anomaly(HOSTILE, HOSTILE, reason=HOSTILE), first_sight(HOSTILE)),
        samples=first_sight(HOSTILE).samples,
        changes=(ChangeEvent(T, HOSTILE, HOSTILE, HOSTILE),),
        similar=(Similar("inc_0", 0.5, T, HOSTILE, HOSTILE, HOSTILE),),
    )
    text = postmortem(worst, case=replace(CASE, cause=HOSTILE, fix=HOSTILE))
    spoken = "".join(text.split("`")[::2])  # what stands outside of code

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "![" not in spoken.replace("\\!\\[", "")
    assert "<img" not in spoken.replace("\\<", "")
    assert "@here" not in spoken
    assert "http://" not in spoken
    for row in (line for line in text.splitlines() if line.startswith("| `")):
        assert row.replace("\\|", "").count("|") == 6


def test_it_says_what_came_and_went() -> None:
    """A series that flapped is listed with how often; a steady one is not."""
    restless = Course("service:cart/errors", Phase.RESOLVED, T, 7)
    steady = Course("service:cart/latency", Phase.RESOLVED, T)
    text = postmortem(replace(INCIDENT, courses=(restless, steady)))

    assert "- `service:cart/errors` came and went 7 times since 2023-11-14T22:14:00Z\n" in text
    assert "service:cart/latency" not in text
