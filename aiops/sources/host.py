"""Measure the host this runs on: CPU, memory, swap, disks, network, processes."""

from __future__ import annotations

import asyncio
import math
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import AfterValidator

from aiops.config import Duration
from aiops.model import Gap, Points, Series
from aiops.sources.columns import Columns

if TYPE_CHECKING:
    from aiops.protocols import Intake

# File systems that hold data of this host. Images are always full, memory is counted as memory,
# layers of containers repeat the disk below them, and asking a dead server blocks.
_REAL = frozenset(
    "bcachefs btrfs exfat ext2 ext3 ext4 f2fs jfs ntfs ntfs3"  # noqa: SIM905 - reads as a table
    " nilfs2 reiserfs ufs vfat xfs zfs apfs hfs".split()
)
_REMOTE = frozenset(("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "9p"))
_NO_DISK = re.compile(r"(?:loop|ram|zram|fd|sr|dm-|md|nbd)\d*")
_NO_NETWORK = re.compile(
    r"(?:lo\d*$|veth|docker|br-|virbr|cni|cali|flannel|tun|tap|dummy|ifb|kube)"
)


class Disk(NamedTuple):
    """What one disk has done since it was attached."""

    read_bytes: float
    write_bytes: float
    busy_seconds: float


class Network(NamedTuple):
    """What one interface has done since it came up."""

    received_bytes: float
    sent_bytes: float
    errors: float
    drops: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Hold one look at the host; ``None`` or a missing key is "not known here"."""

    cpu: Mapping[str, float]  # seconds by mode, of all processors together
    processors: int
    load1: float | None
    memory_used: float  # ratios
    swap_used: float | None
    mounts: Mapping[str, float]
    disks: Mapping[str, Disk]
    networks: Mapping[str, Network]
    processes: int


@dataclass(kw_only=True)
class HostSource:
    """Measure this host each ``interval`` as gauges of entity ``host:NAME``.

    Utilisations are ratios from 0 to 1, flows are per second since the look before. When the
    host (or the process) slept for more than three intervals, a ``Gap`` says so and the flows
    start anew. Mounts, disks and interfaces over ``most`` of a kind are left out and counted.
    """

    interval: Annotated[Duration, AfterValidator(lambda s: max(1.0, s))] = 10.0
    """Time between two looks, at least a second."""
    hostname: str = ""
    """Name of the entity; empty is this host's name."""
    most: int = 64
    """Mounts, disks and interfaces measured of each; more are left out and counted."""
    read: Callable[[], Reading] | None = field(default=None, init=False, repr=False)

    async def run(self, intake: Intake) -> None:
        name = self.hostname or socket.gethostname()
        source, entity = "host", f"host:{name}"
        columns = Columns()
        before: Reading | None = None
        before_at = math.nan
        read = self.read or read_host
        while True:
            at = intake.now()
            # Off the loop: a mount on a dying disk blocks whoever asks for its size.
            reading = await asyncio.to_thread(read)
            elapsed = at - before_at
            if elapsed > 3 * self.interval:
                await intake.put(Gap(source, before_at, at, "suspended"))
            if not 0 < elapsed <= 3 * self.interval:
                before = None
            for kind, over in over_bound(reading, self.most).items():
                intake.report("series_skipped", kind, over)
            measured = gauges(reading, before, elapsed, self.most)
            places = [
                columns.place(Series(entity, series, "gauge", unit)) for series, unit in measured
            ]
            values = np.full(len(columns), np.nan)
            values[places] = list(measured.values())
            present = np.zeros(len(columns), np.bool_)
            present[places] = True
            moved = columns.age(present)
            if moved is not None:
                values = values[moved >= 0]
            await intake.put(Points(source, at, columns.current, values, self.interval))
            before, before_at = reading, at
            await intake.sleep(self.interval - (intake.now() - at) % self.interval)

    def describe(self) -> list[tuple[str, str]]:
        """Return what is measured and what is not, with the reason, for the start screen."""
        import psutil  # noqa: PLC0415 - only a process that measures its host needs it

        found = [(what, "watched") for what in ("CPU and load", "memory and swap", "processes")]
        seen: set[str] = set()
        for part in psutil.disk_partitions(all=True):
            why = why_no_mount(part.fstype, part.mountpoint, part.device, seen)
            if why != "pseudo":
                found.append((f"disk space of {part.mountpoint}", why or "watched"))
        for disk in sorted(psutil.disk_io_counters(perdisk=True) or {}):
            if why := why_no_disk(disk):
                if why != "pseudo":
                    found.append((f"disk {disk}", why))
            else:
                found.append((f"disk {disk}", "watched"))
        for nic in sorted(psutil.net_io_counters(pernic=True)):
            virtual = _NO_NETWORK.match(nic)
            found.append((f"network {nic}", "virtual interface" if virtual else "watched"))
        return list(dict.fromkeys(found))


def gauges(
    now: Reading, before: Reading | None, elapsed: float, most: int
) -> dict[tuple[str, str], float]:
    """Return (name, unit) → value; flows are NaN without a reading before."""
    found: dict[tuple[str, str], float] = {}
    for mode, share in _shares(now, before).items():
        found[f"host_cpu_{mode}_ratio", "ratio"] = share
    if now.load1 is not None:
        found["host_load1_per_cpu", ""] = now.load1 / now.processors
    found["host_memory_used_ratio", "ratio"] = now.memory_used
    if now.swap_used is not None:
        found["host_swap_used_ratio", "ratio"] = now.swap_used
    found["host_processes", ""] = float(now.processes)
    for mount in _first(now.mounts, most):
        key = mount.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        found[f'host_disk_used_ratio{{mount="{key}"}}', "ratio"] = now.mounts[mount]
    for name in _first(now.disks, most):
        then = before.disks.get(name) if before else None
        read, written, busy = _flows(now.disks[name], then, elapsed)
        label = f'{{device="{name}"}}'
        found[f"host_disk_read_bytes_per_second{label}", "bytes/s"] = read
        found[f"host_disk_written_bytes_per_second{label}", "bytes/s"] = written
        found[f"host_disk_busy_ratio{label}", "ratio"] = min(busy, 1.0)
    for name in _first(now.networks, most):
        was = before.networks.get(name) if before else None
        received, sent, errors, drops = _flows(now.networks[name], was, elapsed)
        label = f'{{device="{name}"}}'
        found[f"host_network_received_bytes_per_second{label}", "bytes/s"] = received
        found[f"host_network_sent_bytes_per_second{label}", "bytes/s"] = sent
        found[f"host_network_errors_per_second{label}", "/s"] = errors
        found[f"host_network_drops_per_second{label}", "/s"] = drops
    return found


def over_bound(reading: Reading, most: int) -> dict[str, int]:
    """Return how many mounts, disks and interfaces are beyond the bound."""
    kinds = {"mount": reading.mounts, "disk": reading.disks, "network": reading.networks}
    return {kind: len(all_) - most for kind, all_ in kinds.items() if len(all_) > most}


def _shares(now: Reading, before: Reading | None) -> dict[str, float]:
    modes = ("busy", "user", "system", "iowait", "steal")
    if before is None:
        return dict.fromkeys((m for m in modes if m == "busy" or m in now.cpu), math.nan)
    # The kernel lets iowait go back a little; a negative time is none.
    spent = {mode: max(0.0, now.cpu[mode] - before.cpu.get(mode, 0.0)) for mode in now.cpu}
    total = sum(spent.values())
    if total <= 0:
        return dict.fromkeys((m for m in modes if m == "busy" or m in spent), math.nan)
    spent["busy"] = total - spent.get("idle", 0.0) - spent.get("iowait", 0.0)
    return {mode: spent[mode] / total for mode in modes if mode in spent}


def _flows(now: tuple[float, ...], before: tuple[float, ...] | None, elapsed: float) -> list[float]:
    # A device that was unplugged and came back counts from 0: no rate rather than a wrong one.
    if before is None or any(b > n for n, b in zip(now, before, strict=True)):
        return [math.nan] * len(now)
    return [(n - b) / elapsed for n, b in zip(now, before, strict=True)]


def _first(names: Iterable[str], most: int) -> list[str]:
    return sorted(names)[:most]


def why_no_mount(fstype: str, mountpoint: str, device: str, seen: set[str]) -> str:
    """Return why a mount is not measured, "" when it is; *seen* gathers the devices."""
    kind = fstype.removeprefix("fuse.").lower()
    if kind in _REMOTE:
        return f"{fstype} is not of this host"
    if kind in {"overlay", "squashfs", "tmpfs", "iso9660"}:
        return f"{fstype} is no disk"
    if kind not in _REAL and fstype != "fuseblk":
        return "pseudo"
    if mountpoint.startswith(("/snap/", "/var/lib/docker/", "/var/lib/kubelet/", "/proc/")):
        return "belongs to a container"
    if not Path(mountpoint).is_dir():
        return "no directory"
    if device in seen:
        return f"{device} is mounted twice"
    seen.add(device)
    return ""


def why_no_disk(name: str) -> str:
    """Return why a block device is not measured, "" when it is."""
    if _NO_DISK.match(name):
        return "pseudo"
    if not Path("/sys/block").is_dir() or Path("/sys/block", name.replace("/", "!")).exists():
        return ""
    return "pseudo"


def read_host() -> Reading:
    """Look at the host once; takes a few milliseconds."""
    import psutil  # noqa: PLC0415 - only a process that measures its host needs it

    times = psutil.cpu_times()._asdict()
    # The kernel counts guests in user and nice already.
    for guest, inside in (("guest", "user"), ("guest_nice", "nice")):
        times[inside] = times.get(inside, 0.0) - times.pop(guest, 0.0)
    try:
        load1 = os.getloadavg()[0]
    except OSError:
        load1 = None
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    mounts: dict[str, float] = {}
    seen: set[str] = set()
    for part in psutil.disk_partitions(all=True):
        if why_no_mount(part.fstype, part.mountpoint, part.device, seen):
            continue
        try:
            space = psutil.disk_usage(part.mountpoint)
        except OSError:
            continue
        if space.used + space.free > 0:
            mounts[part.mountpoint] = space.used / (space.used + space.free)
    disks = {
        name: Disk(io.read_bytes, io.write_bytes, getattr(io, "busy_time", 0) / 1000)
        for name, io in (psutil.disk_io_counters(perdisk=True, nowrap=False) or {}).items()
        if not why_no_disk(name)
    }
    networks = {
        name: Network(io.bytes_recv, io.bytes_sent, io.errin + io.errout, io.dropin + io.dropout)
        for name, io in psutil.net_io_counters(pernic=True, nowrap=False).items()
        if not _NO_NETWORK.match(name)
    }
    return Reading(
        cpu=times,
        processors=psutil.cpu_count() or 1,
        load1=load1,
        memory_used=1 - memory.available / memory.total,
        swap_used=swap.used / swap.total if swap.total else None,
        mounts=mounts,
        disks=disks,
        networks=networks,
        processes=len(psutil.pids()),
    )
