"""What is full is a reason of its own among suspects."""

from __future__ import annotations

import pytest

from aiops.correlation.saturation import full
from aiops.correlation.suspects import rank
from aiops.correlation.topology import Topology
from aiops.model import Severity
from tests.unit.evidence import anomaly, first_sight


@pytest.mark.parametrize(
    ("name", "actual", "unit", "words"),
    [
        ("disk_used_percent", 98.2, "%", "its disk is full (98 %)"),
        ("system.filesystem.utilization", 0.99, "ratio", "its disk is full (99 %)"),
        ("node_filesystem_avail_ratio", 0.01, "", "its disk is full (99 %)"),
        ("node_filesystem_files_free_percent inodes", 2.0, "", "its inodes are full (98 %)"),
        ("jvm_heap_used_percent", 97.0, "", "its memory is full (97 %)"),
        ("process_open_fds_ratio", 1.0, "", "its file descriptors are full (100 %)"),
        ("dbPoolUtilization", 1.0, "ratio", "its connection pool is full (100 %)"),
        ("queue_used_percent", 100.0, "%", "its queue is full (100 %)"),
        ("disk_used_percent", 94.0, "%", ""),
        ("disk_used_bytes", 98.0, "bytes", ""),
        ("cpu_used_percent", 100.0, "%", ""),
        ("disk_io_time_percent", 100.0, "%", ""),
        ("memory_hit_ratio", 0.99, "ratio", ""),
    ],
)
def test_a_share_of_what_is_held_says_that_it_is_full(
    name: str, actual: float, unit: str, words: str
) -> None:
    """Space, memory, descriptors, pools and queues can be full; work and amounts cannot."""
    assert full([anomaly(name=name, actual=actual, unit=unit)]) == words


def test_a_forecast_says_it_when_there_is_no_time_left() -> None:
    """Within the hour is about to be full; days ahead is nobody's cause yet."""
    soon = {"kind": "saturation", "unit": "%", "name": "memory_bytes"}
    late = anomaly(**soon, actual=80.0, severity=Severity.WARNING)
    assert full([late]) == ""
    assert full([anomaly(**soon, actual=82.0, severity=Severity.CRITICAL)]) == (
        "its memory is about to be full (82 %)"
    )
    assert full([anomaly(**soon, actual=99.6)]) == "its memory is full (100 %)"


@pytest.mark.parametrize(
    ("line", "resource"),
    [
        ("write /var/lib/a: no space left on device", "disk"),
        ("accept: Too many open files", "file descriptors"),
        ("java.lang.OutOfMemoryError: Java heap space", "memory"),
        ("FATAL: sorry, too many clients already", "connection pool"),
        ("rejected: queue is full", "queue"),
    ],
)
def test_errors_that_only_a_full_resource_gives_say_it_too(line: str, resource: str) -> None:
    """New error lines name it; common words of other lines do not."""
    verb = "are" if resource.endswith("s") else "is"
    assert full([first_sight(line)]) == f"its {resource} {verb} full, as its lines say"
    assert full([first_sight(line)], lines=False) == ""
    assert full([first_sight("connection refused, retry with full backoff")]) == ""


def test_among_two_that_fail_alike_the_full_one_is_suspected() -> None:
    """Its reason is told in words."""
    alike = [anomaly(entity, "errors_ratio") for entity in ("service:a", "service:b")]
    disk = anomaly("service:b", "disk_used_percent", actual=98.0, unit="%")
    usual = anomaly("service:a", "requests_waiting", actual=98.0)
    first = rank([*alike, usual, disk], (), Topology())[0]
    assert first.entity == "service:b"
    assert "its disk is full (98 %)" in first.reasons
