"""What the name of a metric says."""

from __future__ import annotations

import pytest

from aiops.detection.direction import bad_direction, is_symptom, is_usage


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("http_request_errors_total", 1),
        ("request_duration_p99_ms", 1),
        ("availability", -1),
        ("disk_free_bytes", -1),
        ("temperature", None),
        ('queue_length{topic="up"}', 1),
    ],
)
def test_the_bad_direction_follows_convention(name: str, bad: int | None) -> None:
    """More errors and less room are bad; of the unknown either may be."""
    assert bad_direction(name) == bad


@pytest.mark.parametrize("name", ["cpu_percent", "request_rate", "memory_bytes", "connections"])
def test_work_is_usage(name: str) -> None:
    """What only says how much is done is no symptom."""
    assert is_usage(name)
    assert not is_symptom(name, "", 3.0, 1.0)


@pytest.mark.parametrize("name", ["request_errors", "latency", "queue_length", "gc_pause_ms", "x"])
def test_what_is_felt_is_a_symptom(name: str) -> None:
    """Errors, waiting and whatever has no known name are felt."""
    assert is_symptom(name, "", 3.0, 1.0)


def test_full_usage_is_felt() -> None:
    """A processor at its limit and work that ended are symptoms."""
    assert is_symptom("cpu_percent", "%", 99.0, 20.0)
    assert is_symptom("request_rate", "1/s", 0.0, 5.0)
    assert not is_symptom("request_rate", "1/s", 2.0, 5.0)
