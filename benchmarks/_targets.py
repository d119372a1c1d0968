"""Play scrape targets: pages as node_exporter and instrumented services write them, over HTTP.

Run as a process of its own (with how many series of each page change, after how many requests) it
prints its port and answers ``/metrics/N`` until its input closes.
Half of the targets are machines, half are instances of ten services. A page has about 1,000
samples; counters grow, histograms fill, states hold, and each request is one interval later.
"""

from __future__ import annotations

import asyncio
import gzip
import math
import random
import sys
from collections.abc import Callable

INTERVAL = 15.0
START = 1_700_000_000.0
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
SERVICES = 10

Lines = list[str]
Draw = Callable[[float], float]


class Page:
    """Hold the samples of one target: what stands before a value, and how it goes on."""

    def __init__(self, target: int) -> None:
        self.rng = random.Random(target)
        self.peak = self.rng.random()
        self.rate = self.rng.uniform(5.0, 80.0)
        self._rows: list[tuple[str, Draw | None]] = []
        self.samples = 0

    def family(self, name: str, kind: str, rows: list[tuple[str, Draw]]) -> None:
        self._rows += [(f"# HELP {name} What it says.", None), (f"# TYPE {name} {kind}", None)]
        self._rows += rows
        self.samples += len(rows)

    def wave(self, at: float) -> float:
        return 1.0 + 0.5 * math.sin(2.0 * math.pi * (at / 86400.0 - self.peak))

    def gauge(self, level: float, noise: float = 0.05) -> Draw:
        gauss = self.rng.gauss
        return lambda at: level * self.wave(at) * (1.0 + noise * gauss(0.0, 1.0))

    def held(self, value: float) -> Draw:
        return lambda _: value

    def counter(self, rate: float) -> Draw:
        count = self.rng.uniform(0.0, 1e7)
        gauss = self.rng.gauss

        def draw(at: float) -> float:
            nonlocal count
            count += max(rate * self.wave(at) * INTERVAL * (1.0 + 0.1 * gauss(0.0, 1.0)), 0.0)
            return count

        return draw

    def counts(self, rate: float) -> Draw:
        draw = self.counter(rate)
        return lambda at: float(int(draw(at)))

    def histogram(self, name: str, labels: list[str], edges: tuple[float, ...] = EDGES) -> None:
        rows: list[tuple[str, Draw]] = []
        for one in labels:
            rate, middle = self.rng.uniform(2.0, 40.0), self.rng.uniform(0.02, 0.4)
            shares = [1.0 - math.exp(-edge / middle) for edge in edges]
            total = self.counts(rate)
            last = [0.0]

            def whole(at: float, total: Draw = total, last: list[float] = last) -> float:
                last[0] = total(at)
                return last[0]

            inside = [
                (f'{name}_bucket{{{one},le="{_edge(edge)}"}}', _share(share, last))
                for edge, share in zip(edges, shares, strict=True)
            ]
            rows.append((f"{name}_count{{{one}}}", whole))
            rows += inside
            rows.append((f"{name}_sum{{{one}}}", _share(middle, last, whole=False)))
        self.family(name, "histogram", rows)

    def text(self, at: float, changing: int = 0) -> bytes:
        """Return the page; *changing* series at its end were on no page before."""
        lines = [label if draw is None else f"{label} {draw(at)!r}" for label, draw in self._rows]
        lines += [
            f'session_bytes{{client="{at:.0f}-{n}",region="eu"}} {self.rng.random()!r}'
            for n in range(changing)
        ]
        return ("\n".join(lines) + "\n").encode()


def _share(share: float, last: list[float], *, whole: bool = True) -> Draw:
    return lambda _: float(int(share * last[0])) if whole else share * last[0]


def _edge(edge: float) -> str:
    return "+Inf" if math.isinf(edge) else f"{edge:g}"


def machine(target: int) -> Page:
    """Return a page like node_exporter's: 16 processors, 8 disks, 10 interfaces, 94 units."""
    p = Page(target)
    modes = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
    p.family(
        "node_cpu_seconds_total",
        "counter",
        [
            (f'node_cpu_seconds_total{{cpu="{c}",mode="{m}"}}', p.counter(p.rng.uniform(0.0, 0.7)))
            for c in range(16)
            for m in modes
        ],
    )
    for what in ("bytes_read", "bytes_written", "reads_completed", "writes_completed"):
        name = f"node_disk_{what}_total"
        rows = [(f'{name}{{device="sd{d}"}}', p.counter(900.0)) for d in "abcdefgh"]
        p.family(name, "counter", rows)
    for what in ("io_time", "read_time", "write_time"):
        name = f"node_disk_{what}_seconds_total"
        rows = [(f'{name}{{device="sd{d}"}}', p.counter(0.3)) for d in "abcdefgh"]
        p.family(name, "counter", rows)
    for way in ("receive", "transmit"):
        for what in ("bytes", "packets", "errs", "drop", "fifo", "compressed"):
            name = f"node_network_{way}_{what}_total"
            rate = 40_000.0 if what == "bytes" else 60.0 if what == "packets" else 0.0
            rows = [(f'{name}{{device="eth{d}"}}', p.counts(rate)) for d in range(10)]
            p.family(name, "counter", rows)
    mounts = [f'device="/dev/sd{d}1",fstype="ext4",mountpoint="/data/{d}"' for d in "abcdefgh"]
    for what, level in (("avail_bytes", 2e11), ("free_bytes", 2.2e11), ("files_free", 3e6)):
        name = f"node_filesystem_{what}"
        p.family(name, "gauge", [(f"{name}{{{m}}}", p.gauge(level, 0.001)) for m in mounts])
    for what, level in (("size_bytes", 5e11), ("files", 3e7), ("readonly", 0.0)):
        name = f"node_filesystem_{what}"
        p.family(name, "gauge", [(f"{name}{{{m}}}", p.held(level)) for m in mounts])
    memory = [f"node_memory_Part{i}_bytes" for i in range(48)]
    for name in ("node_memory_MemTotal_bytes", "node_memory_SwapTotal_bytes"):
        p.family(name, "gauge", [(name, p.held(6.4e10))])
    for name in ("node_memory_MemAvailable_bytes", "node_memory_SwapFree_bytes", *memory):
        p.family(name, "gauge", [(name, p.gauge(1.5e10))])
    for name in ("node_load1", "node_load5", "node_load15", "node_procs_running"):
        p.family(name, "gauge", [(name, p.gauge(3.0))])
    for i in range(40):
        name = f"node_vmstat_event{i}_total"
        p.family(name, "counter", [(name, p.counts(20.0 * i))])
    p.family("node_boot_time_seconds", "gauge", [("node_boot_time_seconds", p.held(START - 1e6))])
    states = ("activating", "active", "deactivating", "failed", "inactive")
    p.family(
        "node_systemd_unit_state",
        "gauge",
        [
            (
                f'node_systemd_unit_state{{name="unit-{u}.service",state="{s}",type="simple"}}',
                p.held(1.0 if s == "active" else 0.0),
            )
            for u in range(94)
            for s in states
        ],
    )
    for what in ("temp_celsius", "fan_rpm"):
        name = f"node_hwmon_{what}"
        rows = [(f'{name}{{chip="c{i // 6}",sensor="s{i}"}}', p.gauge(50.0)) for i in range(40)]
        p.family(name, "gauge", rows)
    return p


def service(target: int) -> Page:
    """Return a page of an instrumented service: histograms by route, a runtime, queues, times."""
    p = Page(target)
    routes = [f'code="{c}",method="{m}",path="/api/v1/{w}"' for c, m, w in _routes()]
    p.histogram("http_server_request_duration_seconds", routes[:36])
    p.histogram("db_query_duration_seconds", [f'table="t{i}"' for i in range(15)], EDGES[2:])
    p.family(
        "http_requests_total",
        "counter",
        [(f"http_requests_total{{{r}}}", p.counts(p.rng.uniform(0.0, 40.0))) for r in routes],
    )
    name = "rpc_client_duration_seconds"
    rows: list[tuple[str, Draw]] = []
    for peer in range(12):
        rows += [
            (f'{name}{{peer="p{peer}",quantile="{q}"}}', p.gauge(q * 0.2)) for q in (0.5, 0.9, 0.99)
        ]
        rows.append((f'{name}_count{{peer="p{peer}"}}', p.counts(10.0)))
        rows.append((f'{name}_sum{{peer="p{peer}"}}', p.counter(1.0)))
    p.family(name, "summary", rows)
    for i in range(45):
        p.family(f"runtime_part{i}_bytes", "gauge", [(f"runtime_part{i}_bytes", p.gauge(1e7))])
    for name, level in (
        ("process_open_fds", 200.0),
        ("process_resident_memory_bytes", 4e8),
        ("runtime_threads", 40.0),
    ):
        p.family(name, "gauge", [(name, p.gauge(level))])
    p.family("process_max_fds", "gauge", [("process_max_fds", p.held(65536.0))])
    cpu = "process_cpu_seconds_total"
    p.family(cpu, "counter", [(cpu, p.counter(0.4))])
    for name, many in (("queue_depth", 40), ("pool_connections_in_use", 20)):
        p.family(name, "gauge", [(f'{name}{{of="q{i}"}}', p.gauge(30.0, 0.2)) for i in range(many)])
    for name in ("breaker_healthy", "feature_enabled"):
        p.family(name, "gauge", [(f'{name}{{of="b{i}"}}', p.held(1.0)) for i in range(20)])
    name = "job_last_success_timestamp_seconds"
    p.family(
        name,
        "gauge",
        [(f'{name}{{job="j{i}"}}', lambda at, n=i: at - at % (60.0 * (n + 1))) for i in range(10)],
    )
    for what in ("hits", "misses", "evictions"):
        name = f"cache_{what}_total"
        rows = [(f'{name}{{cache="c{i}"}}', p.counts(p.rate)) for i in range(12)]
        p.family(name, "counter", rows)
    return p


def _routes() -> list[tuple[str, str, str]]:
    words = [f"thing{i}" for i in range(15)]
    return [(c, m, w) for c in ("200", "500") for m in ("GET", "POST") for w in words]


def page(target: int) -> Page:
    """Return target number *target*: machines and services by turns."""
    return service(target) if target % 2 else machine(target)


def service_of(target: int) -> str:
    """Return whose instance a target is, empty for a machine."""
    return f"shop{target // 2 % SERVICES}" if target % 2 else ""


class _Server:
    def __init__(self, changing: int, after: int) -> None:
        self._changing, self._after = changing, after
        self._pages: dict[int, Page] = {}
        self._asked: dict[int, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            target = int(request.split()[1].rpartition(b"/")[2])
            body = gzip.compress(self._answer(target), 1)
            head = (
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    def _answer(self, target: int) -> bytes:
        if target not in self._pages:
            self._pages[target] = page(target)
        n = self._asked[target] = self._asked.get(target, -1) + 1
        changing = self._changing if n >= self._after else 0
        return self._pages[target].text(START + INTERVAL * n, changing)


async def _main() -> None:
    served = _Server(int(sys.argv[1]), int(sys.argv[2]))
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
