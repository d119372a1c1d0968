"""CPU per scrape of 10,000 series: our scanner beside prometheus_client's parser, same run."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families as families

from aiops.detection.counters import CounterRates
from aiops.detection.metrics import MetricDetection
from aiops.model import Points
from aiops.sources.exposition import Scanner

SERIES, ROUNDS = 10_000, 7


def page(rng: random.Random, *, stamped: bool = False) -> bytes:
    lines = []
    for family in range(SERIES // 100):
        kind = "counter" if family % 2 else "gauge"
        name = f"shop_{family}_bytes" + ("_total" if family % 2 else "")
        lines += [f"# HELP {name} Some help.", f"# TYPE {name} {kind}"]
        for i in range(100):
            labels = f'job="shop",instance="10.0.0.{i}:80",path="/api/v1/item/{i}",code="200"'
            stamp = " 1700000000000" if stamped else ""
            lines.append(f"{name}{{{labels}}} {rng.random() * 1e6!r}{stamp}")
    return ("\n".join(lines) + "\n").encode()


def cost(work: Callable[[bytes], object], pages: list[bytes]) -> tuple[float, float]:
    """Return CPU milliseconds: the best and the median over *pages*."""
    spent = []
    for body in pages:
        start = time.process_time()
        work(body)
        spent.append((time.process_time() - start) * 1e3)
    spent.sort()
    return spent[0], spent[len(spent) // 2]


def official(body: bytes) -> int:
    return sum(1 for family in families(body.decode()) for _ in family.samples)


def main() -> None:
    rng = random.Random(7)
    pages = [page(rng) for _ in range(ROUNDS)]
    stamped = [page(rng, stamped=True) for _ in range(ROUNDS)]
    scanner, second, rates = Scanner("service:shop"), Scanner("service:shop"), CounterRates()
    rows: list[tuple[str, tuple[float, float]]] = [
        ("ours, first sight", cost(lambda b: Scanner("service:shop").scan(b), pages[:3])),
    ]
    scanner.scan(pages[0])
    second.scan(stamped[0])
    rows.append(("ours, repeated", cost(scanner.scan, pages)))
    rows.append(("ours, repeated, with timestamps", cost(second.scan, stamped)))
    at = iter(range(0, 10_000, 15))

    def with_rates(body: bytes) -> None:
        scrape = scanner.scan(body)
        rates.rates(scrape.columns, float(next(at)), scrape.values)

    rows.append(("ours, repeated, and rates", cost(with_rates, pages)))
    third, metrics = Scanner("service:shop"), MetricDetection(multivariate="", drift="")

    def judged(body: bytes) -> None:
        scrape = third.scan(body)
        metrics.judge(Points("shop", 1.7e9 + next(at), scrape.columns, scrape.values, 15.0), 9.0)

    rows.append(("ours, first sight, and judged", cost(judged, pages[:1])))
    rows.append(("ours, repeated, and judged", cost(judged, pages[1:])))
    rows.append(("prometheus_client, text", cost(official, pages)))
    print(f"{SERIES} series, {len(pages[0]) / 1e6:.2f} MB a page, CPU ms (best, median)")
    for name, (best, median) in rows:
        print(f"{name:34} {best:8.1f} {median:8.1f}")
    ratio = rows[-1][1][1] / rows[1][1][1]
    print(f"prometheus_client takes {ratio:.0f} times as long as our repeated scrape")
    if ratio < 5:
        sys.exit("the scanner no longer earns its place")


if __name__ == "__main__":
    main()
