"""Measuring the host."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest

from aiops.config import build_component
from aiops.model import Gap, Points
from aiops.sources.host import (
    Disk,
    HostSource,
    Network,
    Reading,
    gauges,
    over_bound,
    read_host,
    why_no_disk,
    why_no_mount,
)
from aiops.testing import MemoryIntake

FIRST = Reading(
    cpu={"user": 100.0, "system": 50.0, "idle": 800.0, "iowait": 40.0, "steal": 10.0},
    processors=4,
    load1=2.0,
    memory_used=0.25,
    swap_used=None,
    mounts={"/": 0.5},
    disks={"sda": Disk(1000, 2000, 5.0)},
    networks={"eth0": Network(100, 200, 1, 2)},
    processes=77,
)
LATER = replace(
    FIRST,
    cpu={"user": 110.0, "system": 55.0, "idle": 820.0, "iowait": 45.0, "steal": 10.0},
    disks={"sda": Disk(2000, 2500, 10.0)},
    networks={"eth0": Network(1100, 200, 1, 12)},
)


def values(now: Reading, before: Reading | None, elapsed: float = 10.0) -> dict[str, float]:
    return {name: v for (name, _), v in gauges(now, before, elapsed, 64).items()}


def test_levels_need_one_look_and_flows_two() -> None:
    """The first look knows levels; flows are unknown, not 0."""
    found = values(FIRST, None)
    assert found["host_load1_per_cpu"] == 0.5
    assert found["host_memory_used_ratio"] == 0.25
    assert found['host_disk_used_ratio{mount="/"}'] == 0.5
    assert found["host_processes"] == 77
    assert "host_swap_used_ratio" not in found
    flows = [name for name in found if "per_second" in name or "cpu_" in name or "busy" in name]
    assert all(math.isnan(found[name]) for name in flows)
    assert found.keys() == values(LATER, FIRST).keys()


def test_flows_are_per_second_and_shares_add_up() -> None:
    """Processor time is a share of all time that passed, counters become flows."""
    found = values(LATER, FIRST)
    assert found["host_cpu_user_ratio"] == 0.25
    assert found["host_cpu_busy_ratio"] == 0.375
    assert found["host_cpu_iowait_ratio"] == 0.125
    assert found['host_disk_read_bytes_per_second{device="sda"}'] == 100
    assert found['host_disk_busy_ratio{device="sda"}'] == 0.5
    assert found['host_network_received_bytes_per_second{device="eth0"}'] == 100
    assert found['host_network_drops_per_second{device="eth0"}'] == 1


def test_a_device_that_starts_anew_has_no_flow() -> None:
    """Counters that went back give no rate, and iowait that went back gives no negative share."""
    found = values(FIRST, LATER)
    assert math.isnan(found['host_disk_read_bytes_per_second{device="sda"}'])
    back = replace(LATER, cpu={**LATER.cpu, "iowait": 30.0})
    assert values(back, FIRST)["host_cpu_iowait_ratio"] == 0


def test_only_so_many_of_a_kind() -> None:
    """Mounts beyond the bound are left out, and the source can say how many."""
    many = replace(FIRST, mounts={f"/m{i:02}": 0.1 for i in range(10)})
    found = gauges(many, None, 10.0, 3)
    assert sum("mount=" in name for name, _ in found) == 3
    assert over_bound(many, 3) == {"mount": 7}


def a_source(*readings: Reading) -> HostSource:
    source = HostSource(hostname="web1")
    left = list(readings)
    source.read = lambda: left.pop(0) if len(left) > 1 else left[0]
    return source


async def test_each_interval_gives_points_under_one_set() -> None:
    """Looks come each interval under the host's entity and one set of columns."""
    intake = MemoryIntake(asleep_limit=2)
    await until_cancelled(a_source(FIRST, LATER), intake)
    first, second, _ = (item for item in intake.items if isinstance(item, Points))
    assert (first.source, second.at - first.at, first.interval) == ("host", 10.0, 10.0)
    assert first.columns is second.columns
    assert {series.entity for series in first.columns.series} == {"host:web1"}
    assert {series.kind for series in first.columns.series} == {"gauge"}
    assert np.isnan(first.values).any()
    assert not np.isnan(second.values).any()


async def test_a_sleep_of_the_host_is_a_gap() -> None:
    """After more than three intervals the source says that it did not watch, and flows restart."""

    class Suspended(MemoryIntake):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds + 100.0)

    intake = Suspended(asleep_limit=1)
    await until_cancelled(a_source(FIRST, LATER), intake)
    first, gap, second = intake.items
    assert isinstance(first, Points)
    assert isinstance(second, Points)
    assert gap == Gap("host", first.at, second.at, "suspended")
    assert np.isnan(second.values).sum() == np.isnan(first.values).sum()


async def until_cancelled(source: HostSource, intake: MemoryIntake) -> None:
    with pytest.raises(asyncio.CancelledError):
        await source.run(intake)


def test_this_host_can_be_read() -> None:
    """A real look is finite, its ratios lie between 0 and 1, and the screen says what it covers."""
    reading = read_host()
    found = gauges(reading, reading, 1.0, 64)
    ratios = [v for (_, unit), v in found.items() if unit == "ratio" and not math.isnan(v)]
    assert ratios
    assert all(0 <= ratio <= 1 for ratio in ratios)
    assert reading.processes > 0
    said = dict(HostSource().describe())
    assert said["CPU and load"] == "watched"


def test_what_is_no_disk_is_named() -> None:
    """Memory, images, layers and remote file systems are skipped with a reason; twins once."""
    seen: set[str] = set()
    assert why_no_mount("ext4", "/", "/dev/sda1", seen) == ""
    assert why_no_mount("ext4", "/", "/dev/sda1", seen) == "/dev/sda1 is mounted twice"
    assert why_no_mount("tmpfs", "/run", "tmpfs", seen) == "tmpfs is no disk"
    assert why_no_mount("nfs4", "/home", "server:/home", seen) == "nfs4 is not of this host"
    assert why_no_mount("proc", "/proc", "proc", seen) == "pseudo"
    assert why_no_disk("loop0") == "pseudo"


def test_the_configuration_builds_the_source() -> None:
    """A table becomes a source; its hidden door for tests is no key."""
    source = build_component(HostSource, {"interval": "30s", "hostname": "x"}, "sources.host[0]")
    assert (source.interval, source.hostname) == (30.0, "x")
