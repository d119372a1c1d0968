"""How incidents went, as metrics."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aiops.daemon.outcomes import measure, noise_reduction
from aiops.model import Transition, TransitionKind
from aiops.telemetry import Telemetry
from tests.unit.web.desk import T0, incident


def value(telemetry: Telemetry, sample: str) -> float:
    text = telemetry.exposition().decode()
    (found,) = [
        s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name == sample
    ]
    return float(found)


def happened(kind: TransitionKind, at: float, *, tell: bool = True, **more: Any) -> Transition:
    return Transition(kind, incident("a", T0, **more), at, tell=tell)


def test_times_and_costs_of_a_told_incident() -> None:
    """Ten minutes to the acknowledgement, an hour to the end, three messages, one anomaly."""
    telemetry = Telemetry()
    measure(
        telemetry,
        [
            happened(TransitionKind.ACKNOWLEDGED, T0 + 600),
            happened(TransitionKind.RESOLVED, T0 + 3600, notified_at=(T0, T0 + 600)),
        ],
    )
    assert value(telemetry, "aiops_time_to_acknowledge_seconds_sum") == 600.0
    assert value(telemetry, "aiops_time_to_resolve_seconds_sum") == 3600.0
    assert value(telemetry, "aiops_incident_notifications_sum") == 3.0
    assert value(telemetry, "aiops_incident_anomalies_sum") == 1.0


def test_what_nobody_was_told_of_counts_nowhere() -> None:
    """A silenced incident has no time to acknowledge and cost nobody anything."""
    telemetry = Telemetry()
    silent = happened(TransitionKind.RESOLVED, T0 + 60, tell=False)
    measure(telemetry, [replace(silent, incident=replace(silent.incident, told=False))])
    assert value(telemetry, "aiops_time_to_resolve_seconds_count") == 0.0


def test_noise_reduction_is_unknown_before_there_was_noise() -> None:
    """Then it is the share of anomalies that told nobody anything new."""
    telemetry = Telemetry()
    assert math.isnan(noise_reduction(telemetry))
    telemetry.anomalies.labels("level").inc(49)
    telemetry.anomalies.labels("surge").inc(1)
    telemetry.opened.labels("error").inc(2)
    assert noise_reduction(telemetry) == pytest.approx(0.96)
