"""The scores of groupings: the published definitions, on groupings whose score is known."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import _grouped as grouped
import _regimes as regimes

from aiops.model import Incident, Severity, State, Transition, TransitionKind
from aiops.shop.scenarios import fault

TRUE = [0, 0, 1, 1, 2, 2]


def test_the_truth_scores_one() -> None:
    """Names of groups do not matter."""
    table = grouped.contingency(TRUE, ["c", "c", "a", "a", "b", "b"])
    assert grouped.v_measure(table) == pytest.approx(1.0)
    assert grouped.adjusted_rand(table) == pytest.approx(1.0)


def test_one_group_for_all_says_nothing() -> None:
    """Everything in one heap is complete, not homogeneous."""
    table = grouped.contingency(TRUE, ["a"] * 6)
    assert grouped.v_measure(table) == pytest.approx(0.0)
    assert grouped.adjusted_rand(table) == pytest.approx(0.0)


def test_a_known_case_scores_as_published() -> None:
    """Two of three pairs found, and one divided: ARI 0.57 as the formula of 1985 gives."""
    table = grouped.contingency([0, 0, 1, 1], ["a", "a", "b", "c"])
    assert grouped.adjusted_rand(table) == pytest.approx(4.0 / 7.0)
    assert grouped.v_measure(table) == pytest.approx(0.8)


def test_a_told_incident_is_of_the_fault_it_was_told_for() -> None:
    """What it takes in later makes that fault merged, and it no false one."""
    faults = [fault("error_burst", "cart", regimes.START, 10.0)]
    faults.append(fault("error_burst", "mail", regimes.START + 600.0, 10.0))
    truth = regimes.Truth(regimes.world(1, 1.0, faults), faults)
    found = [
        regimes.Departure(
            f"{n}",
            at,
            at,
            f"service:{who}/x",
            f"service:{who}",
            at,
            truth.of(f"service:{who}", at),
            "i",
            "i",
        )
        for n, (who, at) in enumerate(
            [("cart", regimes.START + 60.0)] + [("mail", regimes.START + 700.0)] * 3
        )
    ]
    told = {"i": regimes.Told(regimes.START + 90.0, ["service:cart"], 3)}

    score = grouped.score(truth, found, told, 1.0, group=lambda d: d.group, story=lambda d: d.story)

    assert (score.own, score.merged, score.false, score.top[1]) == (1, 1, 0, 1)


def test_a_storm_is_no_incident_of_anybody() -> None:
    """A digest of many stories is neither a fault's own incident nor a false or second one."""
    watch = regimes.Watch(regimes.engine())
    at = regimes.START + 86400.0
    bare = Incident("storm_1", 1, State.OPEN, Severity.WARNING, "", at, at, entities=("service:x",))
    watch.hear([Transition(TransitionKind.OPENED, bare, at)])

    found = grouped.compared(regimes.Truth(regimes.world(1, 1.0), []), watch, 1.0)["aiops"]

    assert (found.own, found.false, found.duplicates, found.messages) == (0, 0, 0, 1)
