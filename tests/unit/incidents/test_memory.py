"""Cases: what ended is remembered, and found again by what was seen where."""

from __future__ import annotations

from dataclasses import replace

from aiops.cases import Case
from aiops.incidents.memory import MAX_CASES, Memory, token, what
from tests.unit.evidence import T, anomaly, first_sight


def case(name: str, *tokens: str, at: float = T, **more: object) -> Case:
    return Case(name, at, 60.0, f"story {name}", tuple(sorted(tokens)), **more)  # type: ignore[arg-type]  # given by name


def memory(*cases: Case) -> Memory:
    made = Memory()
    for one in cases:
        made.learn(one)
    return made


def test_what_is_rare_weighs_more_than_what_is_common() -> None:
    """One symptom that hardly anything shares beats two that everything shares."""
    usual = [case(f"usual{n}", "a\tslow", "b\tslow", f"x{n}\tother") for n in range(8)]
    told = memory(*usual, case("rare", "db\tfull", "c\tdown"))

    assert told.recall(("a\tslow", "b\tslow", "db\tfull"))[0].id == "rare"


def test_the_best_three_are_shown_best_first() -> None:
    """Never more than three, in order of likeness, the newer one first among equals."""
    alike = {n: ["a\tx", "b\ty", "c\tz"] for n in (4, 7, 8)}
    told = memory(*(case(f"c{n}", *alike.get(n, ()), f"n{n}\ty", at=T + n) for n in range(9)))
    found = told.recall((*alike[4], "n4\ty"))

    assert [one.id for one in found] == ["c4", "c8", "c7"]
    assert found[0].score == 1.0


def test_strangers_are_not_similar() -> None:
    """An incident that shares nothing with the past has no similar ones."""
    assert memory(case("c", "a\tx")).recall(("b\ty",)) == ()


def test_what_a_named_cause_explains_weighs_more_than_what_comes_and_goes() -> None:
    """Once people named causes, what one always shows says more than weather that is shared."""
    weather = ("a\twarm", "b\twarm", "c\twarm")
    disk = [case(f"d{n}", "db\tfull", cause="disk") for n in range(4)]
    net = [case(f"n{n}", "lb\tslow", *weather[: n % 4], cause="net") for n in range(8)]
    asked = ("db\tfull", *weather)
    named = [replace(one, named=True) for one in (*disk, *net)]

    assert memory(*disk, *net).recall(asked)[0].cause == "net"
    assert memory(*named).recall(asked)[0].cause == "disk"


def test_a_cause_with_its_fix_is_shown_once() -> None:
    """Three times the same answer is one; another answer is worth its place."""
    same = [
        case(f"s{n}", "a\tx", "b\ty", at=T + n, cause="service:a", named=True, fix="restart")
        for n in range(3)
    ]
    other = case("o", "a\tx", "c\tz", cause="service:c", named=True, fix="roll back")
    strangers = [case(f"u{n}", f"u{n}\ty") for n in range(8)]
    found = memory(*same, other, *strangers).recall(("a\tx", "b\ty"))

    assert [one.id for one in found] == ["s2", "o"]


def test_an_incident_is_not_similar_to_itself() -> None:
    """The case that an incident became before it was reopened is left out."""
    assert memory(case("c", "a\tx")).recall(("a\tx",), besides="c") == ()


def test_the_base_is_bounded_and_keeps_what_people_said() -> None:
    """The oldest case goes first, one with a fix last."""
    told = memory(case("old", "a\tx", fix="restarted", at=0.0))
    for n in range(MAX_CASES):
        told.learn(case(f"c{n}", "a\tx", at=1.0 + n))

    assert len(told) == MAX_CASES
    assert told.get("old") is not None
    assert told.get("c0") is None


def test_a_forgotten_case_leaves_nothing_behind() -> None:
    """What is forgotten is not found and weighs no more; forgetting twice says so."""
    told = memory(case("c", "a\tx"), case("d", "a\tx", "b\ty"))
    fresh = memory(case("d", "a\tx", "b\ty"))

    assert told.forget("c")
    assert not told.forget("c")
    assert told.recall(("a\tx",)) == fresh.recall(("a\tx",))


def test_a_saved_memory_recalls_the_same() -> None:
    """Restoring gives the same cases in the same order, and another version nothing."""
    more = {"felt": ("a\tx",), "fix": "restarted"}
    told = memory(*(case(f"c{n}", "a\tx", f"n{n}\ty", **more) for n in range(5)))
    saved = told.to_section("memory", [])
    again, other = Memory(), Memory()

    assert again.restore(saved)
    assert again.cases == told.cases
    assert again.recall(("a\tx", "n3\ty")) == told.recall(("a\tx", "n3\ty"))
    assert not other.restore(type(saved)("memory", 99, saved.header, saved.arrays))
    assert len(other) == 0


def test_a_token_says_who_and_what_and_which_way() -> None:
    """Metrics differ by direction, lines and alerts only by their names."""
    high = anomaly(name="latency", actual=2.0, expected=1.0)
    low = anomaly(name="latency", actual=0.5, expected=1.0)

    assert (token(high), token(low)) == ("service:cart\tlatency up", "service:cart\tlatency down")
    assert token(first_sight("boom")) == "service:cart\ttemplate boom"
    assert what(token(high)) == "latency up"
