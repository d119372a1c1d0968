"""Each fault shows where it should and nowhere else; normal days are normal."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from aiops.model import Block, Points
from aiops.shop import CALLS, KINDS, Fault, Shop
from aiops.shop.faults import effects
from aiops.shop.roster import SERVICES, callers
from aiops.shop.scenarios import ROOTS
from aiops.shop.styles import STYLES, parse

HOUR = 1_741_168_800.0  # 2025-03-05 10:00 UTC
START, END = HOUR + 900, HOUR + 2700

SIGNS = {
    "bad_deploy": [("error_ratio", 5.0), ("request_duration_p99_ms", 2.0)],
    "memory_leak": [("memory_bytes", 1.5)],
    "dependency_outage": [("request_rate", 0.5), ("connections", 0.3)],
    "slow_database": [("request_duration_p50_ms", 3.0), ("cpu_percent", 1.3)],
    "error_burst": [("error_ratio", 10.0)],
    "silence": [("request_rate", 0.1)],
    "traffic_surge": [("request_rate", 2.5)],
    "flash_sale": [("request_rate", 1.4)],
    "disk_full": [("disk_used_percent", 1.2)],
    "config_error": [("error_ratio", 5.0)],
    "certificate_expired": [("request_rate", 0.6)],
    "queue_backlog": [("queue_length", 20.0)],
    "network_drop": [("request_rate", 0.7)],
    "crash_loop": [("error_ratio", 10.0)],
    "cpu_saturation": [("cpu_percent", 1.8), ("request_duration_p95_ms", 1.8)],
    "log_flood": [],
}
"""Kind → metrics of the root and the least factor (below 1: the most) by which they change."""

SAID = {
    "bad_deploy": None,
    "memory_leak": r"timed out|deadline|timeout|Slow|slow|upstream",
    "dependency_outage": r"refused|ECONNREFUSED|unavailable|is down|not\s+available",
    "slow_database": r"timed out|deadline|timed|answered after|[Ss]low",
    "error_burst": None,
    "certificate_expired": r"certificate|CERT_|PKIX|SSL",
    "network_drop": r"[Rr]eset|ECONNRESET|i/o timeout|No route",
    "crash_loop": r"refused|ECONNREFUSED|is down",
}
"""Kind → what callers say about the root; ``None`` is any error that names it."""


@cache
def read(kind: str, service: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return the log text and metrics, during the fault only, of one hour; "" is no fault."""
    faults = [Fault(kind, service, START, END)] if kind else []
    shop = Shop(11, HOUR, HOUR + 3600, faults=faults)
    text: dict[str, list[bytes]] = {s.name: [] for s in SERVICES}
    rows = []
    for item in shop.inputs():
        if isinstance(item, Block) and START + 10 < item.arrived <= END:
            text[item.stream.entity.removeprefix("service:")].append(item.data)
        elif isinstance(item, Points) and START < item.at <= END:
            rows.append(item.values)
    table = np.array(rows)
    return (
        {name: b"".join(parts).decode() for name, parts in text.items()},
        {name: table[:, i] for i, name in enumerate(shop.columns)},
    )


def fresh(kind: str, service: str, name: str) -> str:
    """Return the lines of *name* during the fault whose words normal days do not know."""
    known = normal(name)
    found = [x for x in read(kind, service)[0][name].splitlines() if bare(x) not in known]
    return "\n".join(found)


@cache
def normal(name: str) -> frozenset[str]:
    return frozenset(bare(line) for line in read("", "")[0][name].splitlines())


def bare(line: str) -> str:
    return re.sub(r"[\w./:-]*\d[\w./:-]*", "", line)


@pytest.mark.parametrize("kind", KINDS)
def test_the_root_shows_it_in_its_metrics(kind: str) -> None:
    """Each kind of fault moves the metrics of its root that it should move."""
    service = ROOTS[kind][0]
    _, calm = read("", "")
    _, sick = read(kind, service)
    for metric, factor in SIGNS[kind]:
        name = f"service:{service}/{metric}"
        change = sick[name].mean() / max(calm[name].mean(), 1e-6)
        assert change >= factor if factor > 1 else change <= factor, (name, change)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"silence", "flash_sale", "cpu_saturation"}))
def test_somebody_logs_it(kind: str) -> None:
    """Each kind that has words for it brings lines that normal days do not know."""
    service = ROOTS[kind][0]
    names = [service, *callers(service)]
    assert any(len(fresh(kind, service, n).splitlines()) >= 5 for n in names)


@pytest.mark.parametrize("kind", SAID)
def test_callers_name_the_callee(kind: str) -> None:
    """Callers of the root log failures that name it, in the words of that failure."""
    service = ROOTS[kind][0]
    near = [e.service for e in effects(Fault(kind, service, START, END), 11) if e.hop == 1]
    assert near
    for caller in near:
        lines = [
            x
            for x in read(kind, service)[0][caller].splitlines()
            if re.search(service, x, re.IGNORECASE)
        ]
        new = [x for x in lines if re.search(SAID[kind] or "", x)]
        assert len(new) >= 2, (kind, caller)


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_reaches_callers_later_and_weaker(kind: str) -> None:
    """Along the call graph effects start later and are smaller with every hop."""
    for service in ROOTS[kind]:
        found = effects(Fault(kind, service, START, END), 11)
        root = found[0]
        by_name = {e.service: e for e in found if e.hop > 0}
        for effect in by_name.values():
            assert effect.service in callers(effect.callee)
            callee = by_name.get(effect.callee, root)
            assert effect.start > callee.start
            if effect.hop > 1:
                assert effect.errors <= callee.errors
                assert effect.latency <= callee.latency


def test_callees_of_the_root_get_less_work() -> None:
    """What nobody asks for is not passed on: load drops behind a failing service."""
    _, calm = read("", "")
    _, sick = read("error_burst", "checkout")
    name = "service:payment/request_rate"
    assert sick[name].mean() < 0.9 * calm[name].mean()


def test_a_silent_worker_says_nothing_at_all() -> None:
    """While a worker is silent not even its heartbeat is logged, and its queue grows."""
    text, sick = read("silence", "worker")
    assert len(read("", "")[0]["worker"]) > 10_000
    assert len(text["worker"]) < 1000
    assert sick["service:worker/queue_length"][-1] > 500


def test_a_flood_is_lines_alone() -> None:
    """A forgotten debug switch multiplies lines and leaves the other services as they were."""
    assert len(read("log_flood", "cart")[0]["cart"]) > 5 * len(read("", "")[0]["cart"])
    assert read("log_flood", "cart")[0]["catalog"] == read("", "")[0]["catalog"]


def test_a_leak_ends_in_a_restart() -> None:
    """Memory creeps up, the process dies for lack of it, and comes back small."""
    fault = Fault("memory_leak", "checkout", START, END)
    shop = Shop(11, HOUR, HOUR + 3600, faults=[fault])
    column = shop.columns.index("service:checkout/memory_bytes")
    points = [i for i in shop.inputs() if isinstance(i, Points)]
    text = b"".join(
        i.data
        for i in shop.inputs()
        if isinstance(i, Block) and i.stream.id == "shop:checkout-1" and i.arrived > END
    )
    before = next(p for p in points if p.at >= END - 15).values[column]
    after = next(p for p in points if p.at >= END + 30).values[column]
    assert before > 2 * after
    assert text.index(b"OutOfMemoryError") < text.index(b"Starting Application")


def test_normal_days_bring_no_new_errors() -> None:
    """Every error line of a day without faults is one of the catalogue's harmless ones."""
    known = []
    for service in SERVICES:
        for log in service.logs:
            for message in parse(log.catalogue):
                if message.level in {"error", "critical"}:
                    line = STYLES[log.style].write(message).split("\n")[0]
                    pieces = re.split(r"\{\w+\}", line)
                    known.append(re.compile(".*".join(re.escape(p) for p in pieces)))
    mark = re.compile(
        r" ERROR |\[error\]|\[crit\]|level=(error|fatal)|\"level\":(50|60|\"error\")"
        r"|^E\d{4}|ERROR:|FATAL:|\" 5\d\d "
    )
    seen = 0
    for item in Shop(4, HOUR, HOUR + 2 * 3600).inputs():
        if isinstance(item, Block):
            for line in item.data.decode().splitlines():
                if mark.search(line):
                    seen += 1
                    assert any(k.match(line.rstrip()) for k in known), line
    assert seen > 10


def test_harmless_errors_are_met_early() -> None:
    """Harmless errors come many times a day, so that a young watcher learns them in time."""
    for service in SERVICES:
        for log in service.logs:
            messages = parse(log.catalogue)
            total = sum(m.weight for m in messages)
            for message in messages:
                if message.level in {"error", "critical"} and message.weight:
                    assert 86400 * log.lines * message.weight / total >= 8, message.text
                elif message.level in {"error", "critical"}:
                    assert message.daily >= 8, message.text


def test_days_and_weeks_have_a_rhythm() -> None:
    """Evenings are busier than nights, and Sundays differ from Tuesdays."""
    shop = Shop(11, HOUR, HOUR + 60)
    tuesday, sunday = 1_741_046_400, 1_741_478_400

    def level(day: int, hour: int) -> float:
        at = day + hour * 3600 + np.arange(0.0, 3600.0, 15.0)
        return float(np.median(shop._climate.traffic(day + hour * 3600, at)))

    assert level(tuesday, 19) > 3 * level(tuesday, 3)
    assert level(sunday, 15) > 1.15 * level(tuesday, 15)


def test_the_call_graph_is_closed() -> None:
    """Every service has its place in the call graph and nobody calls a stranger."""
    assert set(CALLS) == {s.name for s in SERVICES}
    assert all(callee in CALLS for callees in CALLS.values() for callee in callees)
