"""Who falls ill with whom, and how late each source tells."""

from __future__ import annotations

from collections import Counter

import pytest

from aiops.correlation import companions
from aiops.correlation.companions import LEAST, MOST, SUPPORT, Companions
from tests.unit.evidence import T, anomaly

HOUR = 3600.0


def together(times: int, apart: float = 30.0) -> Companions:
    """Let two entities fall ill together every few hours."""
    made = Companions(Counter())
    for n in range(times):
        made.see("a", T + 3 * n * HOUR)
        made.see("b", T + 3 * n * HOUR + apart)
    return made


def test_company_is_believed_after_some_support() -> None:
    """A few times may be chance; often is not, and the more the surer."""
    assert together(int(SUPPORT) - 1).of("a") == {}
    some, many = (together(n).of("a")["b"] for n in (10, 40))
    assert 0.0 < some < many < MOST


def test_company_is_mutual_and_has_a_direction() -> None:
    """Both know it, and who begins first is known too."""
    made = together(10)
    assert made.of("b")["a"] == made.of("a")["b"]
    assert made.follows("b", "a") == pytest.approx(30.0)
    assert made.follows("a", "b") == pytest.approx(-30.0)


def test_who_is_always_ill_is_nobodys_company() -> None:
    """What begins every few minutes meets everybody by chance."""
    made = Companions(Counter())
    for n in range(200):
        made.see("noisy", T + n * 310.0)
        if n % 20 == 0:
            made.see("a", T + n * 310.0 + 10.0)
    assert made.of("a").get("noisy", 0.0) < 0.3


def test_a_storm_teaches_nothing() -> None:
    """When everybody begins at once nobody is anybody's company in particular."""
    made = Companions(Counter())
    for n in range(10):
        for e in range(60):
            made.see(f"e{e}", T + n * HOUR + e)
    assert made.of("e59") == {}


def test_one_onset_counts_once() -> None:
    """An entity that goes on departing has not begun again."""
    made = Companions(Counter())
    for n in range(50):
        made.see("a", T + n * 20.0)
        made.see("b", T + n * 20.0)
    assert made.of("a") == {}


def test_company_fades() -> None:
    """What was so a year ago is forgotten."""
    made = together(int(SUPPORT) + 1)
    assert made.of("a")
    year = 365 * 24 * HOUR
    made.see("a", T + year)
    made.see("b", T + year + 30.0)
    assert made.of("a") == {}


def test_pairs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pair that was not seen for longest is forgotten, and that is counted."""
    monkeypatch.setattr(companions, "MAX_PAIRS", 1)
    facts: Counter[str] = Counter()
    made = Companions(facts)
    for n in range(10):
        made.see("a", T + 3 * n * HOUR)
        made.see("b", T + 3 * n * HOUR + 1)
    assert made.of("a")
    made.see("c", T + 100 * HOUR)
    made.see("d", T + 100 * HOUR)
    assert made.of("a") == {}
    assert facts["companions_forgotten"] == 1


def test_a_prompt_source_has_a_short_memory() -> None:
    """Onsets that always lie close together make links decay sooner; late ones, later."""
    prompt, late = Companions(Counter()), Companions(Counter())
    one = anomaly()
    for _ in range(200):
        prompt.late(one, 5.0)
        late.late(one, 120.0)
    assert LEAST <= prompt.lag(one, 300.0) < Companions(Counter()).lag(one, 300.0)
    assert prompt.lag(one, 300.0) < late.lag(one, 300.0) <= 300.0


def test_a_time_constant_spans_a_few_samples() -> None:
    """What is seen every five minutes cannot be told apart within one."""
    made = Companions(Counter())
    for _ in range(200):
        made.late(anomaly(pace=300.0), 0.0)
    assert made.lag(anomaly(pace=300.0), 300.0) == 900.0
