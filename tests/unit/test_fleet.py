"""The simulated fleet of the alert budget's benchmark."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FLEET = Path(__file__).resolve().parents[2] / "benchmarks" / "_fleet.py"


@pytest.fixture(scope="module")
def fleet() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_fleet_under_test", FLEET)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def test_a_seed_decides_every_value(fleet: ModuleType) -> None:
    """Two fleets of one seed agree over days; another seed gives other values."""
    one, two, other = (fleet.Fleet(40, seed=s, interval=3600.0) for s in (7, 7, 8))

    for (_, a), (_, b), (_, c) in zip(one.days(2), two.days(2), other.days(2), strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)


def test_every_family_of_noise_is_there_and_counts_are_counts(fleet: ModuleType) -> None:
    """Column by column the five families take turns; Poisson values are whole numbers."""
    _, values = fleet.Fleet(100, seed=1, interval=3600.0).day(0)

    counts = values[:, fleet.FAMILIES.index("poisson") :: len(fleet.FAMILIES)]
    assert np.array_equal(counts, np.rint(counts))
    assert (counts >= 0.0).all()
    assert np.isfinite(values).all()


def test_correlated_noise_goes_on_over_midnight(fleet: ModuleType) -> None:
    """Of a series with memory the first value of a day leans on the last one of the day before."""
    made = fleet.Fleet(2000, seed=3, interval=300.0)
    part = slice(fleet.FAMILIES.index("ar1"), None, len(fleet.FAMILIES))
    (at, first), (then, second) = made.days(2)
    last = first[-1, part] / made.rhythm(at)[-1, part] - 1.0
    new = second[0, part] / made.rhythm(then)[0, part] - 1.0

    assert np.corrcoef(last, new)[0, 1] > 0.5


def test_faults_never_overlap_and_stay_in_one_entity(fleet: ModuleType) -> None:
    """A told incident can belong to one fault only, and all kinds and sizes come by turns."""
    made = fleet.Fleet(200, seed=5, interval=3600.0)
    unit = fleet.deviations(200, seed=5, interval=3600.0)
    faults = fleet.schedule(made, unit, seed=5, begin=fleet.Start, end=fleet.Start + fleet.WEEK)

    assert all(a.ends < b.begins for a, b in itertools.pairwise(faults))
    assert {f.kind for f in faults} == set(fleet.KINDS)
    assert all(len({i // fleet.PER_ENTITY for i in f.columns}) == 1 for f in faults)


def test_a_fault_changes_its_own_columns_while_it_lasts_and_nothing_else(
    fleet: ModuleType,
) -> None:
    """What is not under a fault keeps its bytes; a level moves by its size."""
    made = fleet.Fleet(40, seed=5, interval=3600.0)
    unit = fleet.deviations(40, seed=5, interval=3600.0)
    at, values = made.day(0)
    one = fleet.Fault("level", 5.0, (0,), float(at[5]), float(at[9]), 1.0, 0)
    changed = fleet.inject(at, values, [one], unit)

    moved = changed != values
    assert np.array_equal(np.argwhere(moved)[:, 0], [5, 6, 7, 8])
    assert set(np.argwhere(moved)[:, 1]) == {0}
    assert np.allclose((changed - values)[5:9, 0], 5.0 * unit[0])
