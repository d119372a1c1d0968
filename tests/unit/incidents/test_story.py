"""A story answers, in order: what, where, since when, how far, which line, what before, why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.cases import Similar
from aiops.incidents.story import change_words, story, title, to_json
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Incident,
    SampleLine,
    Series,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)

T = 1_767_225_600.0  # 2026-01-01T00:00:00Z

LATENCY = Anomaly(
    id="a1",
    series=Series("service:cart", "latency_p99", "gauge", "s"),
    kind="level",
    at=T + 60,
    since=T,
    surprise=9.0,
    threshold=6.0,
    severity=Severity.ERROR,
    reason="level",
    detector="level",
    actual=2.1,
    expected=0.18,
    low=0.12,
    high=0.26,
)
LINE = "payment client: connection refused by 10.0.0.7:8443"
REFUSED = Anomaly(
    id="a2",
    series=Series("service:checkout", "template:7f", "log"),
    kind="new_template",
    at=T + 70,
    since=T + 10,
    surprise=8.0,
    threshold=6.0,
    severity=Severity.ERROR,
    reason="new",
    detector="novelty",
    actual=42,
    expected=0,
    samples=(SampleLine(T + 12, "file:/var/log/checkout.log", LINE, (16, 34)),),
)
DEPLOY = ChangeEvent(T - 180, "deploy", "service:cart", "v42")
OPEN = Incident(
    id="INC-7f3a",
    seq=1,
    state=State.OPEN,
    severity=Severity.ERROR,
    title="",
    opened_at=T + 60,
    updated_at=T + 70,
    told=True,
    entities=("service:cart", "service:checkout"),
    suspects=(
        Suspect(DEPLOY.id, 0.62, ("3 min before the start", "on the first failing service")),
        Suspect("service:checkout", 0.2, ()),
    ),
    anomalies=(REFUSED, LATENCY),
    changes=(DEPLOY,),
    samples=REFUSED.samples,
    similar=(Similar("INC-11aa", 0.8, T - 9e5, "as now", "service:cart", "rolled back"),),
    notified_at=(T + 61.5,),
)

OPENED = """\
OPENED error: latency_p99 above usual on service cart and 1 more
since 2026-01-01T00:00:00Z, for 2 min
affects service cart, service checkout; called by web
now: latency_p99 on service cart: 2.1 s, usual 180 ms (120 to 260 ms), 11.7 times usual
now: new error line in service checkout: 42 lines, usual 0 lines
  payment client: »connection refused« by 10.0.0.7:8443
change: deploy v42 on service cart, 3 min before
likely cause: deploy v42 on service cart (62 %): 3 min before the start; on the first failing \
service — or service checkout (20 %)
seen before: INC-11aa; last fix: rolled back
next: aiops incidents show INC-7f3a"""

UPDATED = """\
UPDATED error: latency_p99 above usual on service cart and 1 more
since 2026-01-01T00:00:00Z, for 14 min, last sign 13 min ago
affects service cart, service checkout
at worst: latency_p99 on service cart: 2.1 s, usual 180 ms (120 to 260 ms), 11.7 times usual
at worst: new error line in service checkout: 42 lines, usual 0 lines
  payment client: »connection refused« by 10.0.0.7:8443
likely cause: not enough evidence
next: aiops incidents show INC-7f3a"""

ESCALATED = """\
ESCALATED critical: usual lines stopped in host web1
since 2026-01-01T00:00:00Z, for 5 min, last sign 4 min ago
at worst: usual lines stopped in host web1: 0 lines, usual 120 lines (80 to 160 lines)
likely cause: host web1 (90 %): first to fail
next: aiops incidents show INC-7f3a"""

RESOLVED = """\
RESOLVED error: latency_p99 above usual on service cart and 1 more
from 2026-01-01T00:00:00Z to 2026-01-01T00:20:00Z, lasted 20 min
affects service cart, service checkout
then: latency_p99 on service cart: 2.1 s, usual 180 ms (120 to 260 ms), 11.7 times usual
then: new error line in service checkout: 42 lines, usual 0 lines
  payment client: »connection refused« by 10.0.0.7:8443
change: deploy v42 on service cart, 3 min before
likely cause: deploy v42 on service cart (62 %): 3 min before the start; on the first failing \
service — or service checkout (20 %)
seen before: INC-11aa; last fix: rolled back
next: aiops incidents show INC-7f3a"""

SILENT = replace(
    REFUSED,
    series=Series("host:web1", "lines", "log"),
    kind="silence",
    at=T + 60,
    since=T,
    severity=Severity.CRITICAL,
    reason="silence",
    actual=0,
    expected=120,
    low=80,
    high=160,
    samples=(),
)


def test_an_opened_incident_is_told_in_full() -> None:
    """The story of an opening has every part, in the order of a reader's questions."""
    told = story(Transition(TransitionKind.OPENED, OPEN, T + 120), calls={"web": ["cart"]})

    assert told == OPENED


def test_an_update_says_how_long_nothing_new_was_seen() -> None:
    """Without suspects the cause is honest, without changes and memories there is no such line."""
    incident = replace(OPEN, seq=2, suspects=(), changes=(), similar=())

    assert story(Transition(TransitionKind.UPDATED, incident, T + 870)) == UPDATED


def test_signs_that_go_on_are_signs_though_none_is_worse() -> None:
    """A series is shown at its worst; when it was last bad is another matter."""
    lasting = replace(OPEN, updated_at=T + 850)
    told = story(Transition(TransitionKind.UPDATED, lasting, T + 870))
    assert "last sign" not in told
    assert "at worst: latency_p99 on service cart: 2.1 s" in told


def test_an_escalation_names_the_new_severity() -> None:
    """A silent talker is told with 0 as the measurement it is."""
    incident = replace(
        OPEN,
        updated_at=T + 60,
        severity=Severity.CRITICAL,
        entities=("host:web1",),
        anomalies=(SILENT,),
        suspects=(Suspect("host:web1", 0.9, ("first to fail",)),),
        samples=(),
        changes=(),
        similar=(),
    )

    assert story(Transition(TransitionKind.ESCALATED, incident, T + 300)) == ESCALATED


def test_a_resolution_says_from_when_to_when() -> None:
    """A resolved incident is told in the past, with its whole length."""
    incident = replace(OPEN, state=State.RESOLVED, resolved_at=T + 1200)

    assert story(Transition(TransitionKind.RESOLVED, incident, T + 1260)) == RESOLVED


def test_an_acknowledgement_names_who() -> None:
    """The headline of an acknowledgement says who took it."""
    incident = replace(OPEN, state=State.ACKNOWLEDGED, acknowledged_by="eve\u202e")
    told = story(Transition(TransitionKind.ACKNOWLEDGED, incident, T + 300))

    assert told.startswith("ACKNOWLEDGED error (by eve\\u202e): latency_p99 above usual")


def test_what_does_not_fit_is_counted() -> None:
    """Anomalies, entities, changes and memories beyond the first few appear as "+N more"."""
    many = tuple(
        replace(LATENCY, id=f"m{i}", series=Series("service:cart", f"m{i}"), surprise=5 - i / 10)
        for i in range(6)
    )
    incident = replace(
        OPEN,
        entities=tuple(f"service:s{i}" for i in range(7)),
        anomalies=(LATENCY, *many),
        changes=(DEPLOY, ChangeEvent(T - 600, "config", "service:web", "pool=5")),
        similar=tuple(Similar(f"INC-{i}", 0.5) for i in range(9)),
    )
    told = story(Transition(TransitionKind.OPENED, incident, T + 120))

    assert "service s3 (+3 more)" in told
    assert "(+4 more)" in told.splitlines()[5]
    assert "change: deploy v42 on service cart, 3 min before (+1 more)" in told
    assert "INC-3 (+5 more)" in told


def test_of_one_series_only_the_weightiest_anomaly_speaks() -> None:
    """Ten anomalies of one series are one line."""
    incident = replace(
        OPEN, anomalies=tuple(replace(LATENCY, id=str(i), surprise=i) for i in range(10))
    )
    told = story(Transition(TransitionKind.UPDATED, incident, T + 120))

    assert told.count("now: ") == 1
    assert "more)" not in told


def test_a_change_after_the_start_is_not_called_before() -> None:
    """A change made during the incident says so."""
    incident = replace(OPEN, suspects=(), changes=(replace(DEPLOY, at=T + 90),))

    assert "change: deploy v42 on service cart, 1 min 30 s after the start" in story(
        Transition(TransitionKind.UPDATED, incident, T + 120)
    )


def test_a_title_that_names_its_kind_says_it_once() -> None:
    """People write "deploy v42" of a deploy, pipelines write "v42": both read alike."""
    told = [change_words(ChangeEvent(T, "deploy", "service:a", t)) for t in ("deploy v42", "v42")]
    assert told == ["deploy v42 on service a"] * 2


def test_an_unknown_value_is_not_told_as_zero() -> None:
    """None is "don't know": no actual and no usual value means no number."""
    blind = replace(LATENCY, actual=None, expected=None, low=None, high=None, reason="stale")
    half = replace(LATENCY, expected=None, low=None, high=None)

    told = [
        story(Transition(TransitionKind.OPENED, replace(OPEN, anomalies=(a,)), T + 120))
        for a in (blind, half)
    ]

    assert "now: latency_p99 on service cart: stale" in told[0]
    assert "now: latency_p99 on service cart: 2.1 s, no usual value known" in told[1]


def test_a_long_line_is_shown_around_what_is_new() -> None:
    """The new part of a long line is in sight, and the cut ends are marked."""
    text = "a" * 3000 + " boom happened here " + "b" * 3000
    sample = SampleLine(T, "s", text, (3001, 3019))
    told = story(Transition(TransitionKind.OPENED, replace(OPEN, samples=(sample,)), T + 120))

    line = next(line for line in told.splitlines() if line.startswith("  "))
    assert "»boom happened here«" in line
    assert line.startswith("  …a")
    assert line.endswith("b…")
    assert len(line) <= 200


def test_of_a_json_line_the_message_is_shown() -> None:
    """A long structured line is shown around its message, and the title quotes that alone."""
    text = '{"ts":1,' + '"pad":"' + "x" * 300 + '","msg":"amount in the wrong unit","v":0}'
    sample = SampleLine(T, "s", text)
    incident = replace(OPEN, samples=(sample,), anomalies=(replace(REFUSED, samples=(sample,)),))
    told = story(Transition(TransitionKind.OPENED, incident, T + 120))

    line = next(line for line in told.splitlines() if line.startswith("  "))
    assert '"msg":"amount in the wrong unit"' in line
    assert "»" not in line
    assert told.splitlines()[0].endswith(
        'in service checkout and 1 more, "amount in the wrong unit"'
    )


def test_secrets_and_acting_characters_never_reach_a_reader() -> None:
    """Hostile text in any field comes out redacted and plain, and adds no line."""
    bad = "x\n\x1b[2J\u202e password=hunter2 \u2028"
    sample = SampleLine(T, bad, bad, (0, len(bad)))
    incident = replace(
        OPEN,
        title=bad,
        entities=(bad, "service:a"),
        samples=(sample,),
        changes=(ChangeEvent(T - 5, bad, bad, bad),),
        suspects=(Suspect(bad, 0.5, (bad,)),),
        anomalies=(
            replace(REFUSED, reason=bad, series=Series(bad, bad, "log"), samples=(sample,)),
        ),
    )
    told = story(Transition(TransitionKind.OPENED, incident, T + 120), calls={bad: [bad]})
    both = told + title(incident) + str(to_json(incident))

    assert "hunter2" not in both
    assert not any(c in both for c in "\x1b\u202e\u2028")
    assert len(told.splitlines()) <= 14


def test_marks_follow_a_line_that_redaction_changed() -> None:
    """The new part stays marked when a secret before it became shorter or longer."""
    text = "token=abc refused refused"
    sample = SampleLine(T, "s", text, (18, 25))

    assert to_json(replace(OPEN, samples=(sample,)))["samples"] == [
        {
            "at": "2026-01-01T00:00:00Z",
            "stream": "s",
            "text": "token=<redacted> refused refused",
            "new": [25, 32],
        }
    ]


@pytest.mark.parametrize(
    ("anomaly", "expected"),
    [
        (LATENCY, "latency_p99 above usual on service cart and 1 more"),
        (replace(LATENCY, actual=0.01), "latency_p99 below usual on service cart and 1 more"),
        (REFUSED, 'new error line in service checkout and 1 more, "connection refused"'),
        (SILENT, "usual lines stopped in host web1 and 2 more"),
        (
            replace(SILENT, kind="surge", reason="surge", severity=Severity.WARNING),
            "surge of lines in host web1 and 2 more",
        ),
        (
            replace(SILENT, kind="error_share", reason="share"),
            "share of error lines above usual in host web1 and 2 more",
        ),
        (
            replace(LATENCY, actual=None, reason="unusual together: cpu +4.0 sd"),
            "latency_p99 unusual together on service cart and 1 more",
        ),
        (
            replace(SILENT, reason="the health check stopped"),
            "the health check stopped in host web1 and 2 more",
        ),
    ],
)
def test_a_title_says_what_and_where(anomaly: Anomaly, expected: str) -> None:
    """The title comes from the most important anomaly and names its entity."""
    assert title(replace(OPEN, anomalies=(anomaly,))) == expected


def test_a_title_exists_without_anomalies() -> None:
    """An incident without anomalies still has a title."""
    assert title(replace(OPEN, anomalies=())) == "incident INC-7f3a"


def test_json_has_exactly_the_promised_fields() -> None:
    """The JSON of an incident has the contract's fields, with RFC 3339 times."""
    shape = to_json(replace(OPEN, title="cart is slow"))

    assert shape == {
        "id": "INC-7f3a",
        "state": "open",
        "severity": "error",
        "title": "cart is slow",
        "opened_at": "2026-01-01T00:01:00Z",
        "resolved_at": None,
        "told": True,
        "entities": ["service:cart", "service:checkout"],
        "suspects": [
            {
                "entity": DEPLOY.id,
                "score": 0.62,
                "reasons": ["3 min before the start", "on the first failing service"],
            },
            {"entity": "service:checkout", "score": 0.2, "reasons": []},
        ],
        "anomalies": [
            {
                "series": "service:checkout/template:7f",
                "entity": "service:checkout",
                "at": "2026-01-01T00:01:10Z",
                "surprise": 8.0,
                "expected": 0,
                "actual": 42,
                "reason": "new",
            },
            {
                "series": "service:cart/latency_p99",
                "entity": "service:cart",
                "at": "2026-01-01T00:01:00Z",
                "surprise": 9.0,
                "expected": 0.18,
                "actual": 2.1,
                "reason": "level",
            },
        ],
        "changes": [
            {
                "at": "2025-12-31T23:57:00Z",
                "kind": "deploy",
                "entity": "service:cart",
                "title": "v42",
            }
        ],
        "samples": [
            {
                "at": "2026-01-01T00:00:12Z",
                "stream": "file:/var/log/checkout.log",
                "text": LINE,
                "new": [16, 34],
            }
        ],
        "similar": [
            {
                "id": "INC-11aa",
                "score": 0.8,
                "opened_at": "2025-12-21T14:00:00Z",
                "title": "as now",
                "cause": "service:cart",
                "fix": "rolled back",
            }
        ],
        "notified_at": ["2026-01-01T00:01:01.500Z"],
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_json_says_null_for_what_is_not_a_number(value: float | None) -> None:
    """A number JSON cannot hold is null."""
    shape = to_json(replace(OPEN, anomalies=(replace(LATENCY, actual=value),)))

    assert shape["anomalies"][0]["actual"] is None


@given(
    st.text(max_size=300),
    st.none() | st.tuples(st.integers(0, 300), st.integers(0, 300)),
    st.floats(),
    st.floats(-1e12, 1e14),
)
def test_no_incident_is_untellable(
    text: str, new: tuple[int, int] | None, value: float, at: float
) -> None:
    """Whatever text, span, number or time it holds, an incident has a bounded story."""
    sample = SampleLine(at, text, text, new)
    anomaly = replace(LATENCY, actual=value, low=-value, high=value, at=at, since=at, reason=text)
    incident = replace(OPEN, anomalies=(anomaly, REFUSED), samples=(sample,), opened_at=at)
    told = story(Transition(TransitionKind.OPENED, incident, T))

    assert 6 <= len(told.splitlines()) <= 14
    assert max(map(len, told.splitlines())) <= 220
    to_json(incident)
    told.encode()


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ("mix", 'lines in other shares than usual: "a" 50 % instead of 20 %, "b" 1 %', "usual"),
        ("parameter", "number in lines above usual: 900 ms instead of 20 ms", "usual"),
        ("siblings", "web-1 says less than its siblings: 3 lines/min", "siblings"),
    ],
)
def test_a_title_leaves_the_figures_to_the_story(kind: str, reason: str, words: str) -> None:
    """What a detector says in a sentence is the title up to its colon, and whole in the story."""
    series = Series("service:cart", "shares", "log", "ratio")
    said = replace(REFUSED, kind=kind, reason=reason, series=series, samples=())
    incident = replace(OPEN, anomalies=(said,), samples=(), entities=("service:cart",))

    assert title(incident) == f"{reason.partition(':')[0]} in service cart"
    assert title(incident).endswith(f"{words} in service cart")
    assert reason in story(Transition(TransitionKind.OPENED, incident, T + 90))
