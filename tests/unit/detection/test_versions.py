"""Versions that metrics state in their labels: what changes there is a deploy."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from aiops.detection.claims import change_title, claims
from aiops.detection.metrics import MetricDetection, MetricRule
from aiops.detection.versions import AROUND, MOST_VALUES, RESTLESS, TOGETHER, Versions
from aiops.engine import Engine, EngineSettings
from aiops.model import ChangeEvent, Points, Series, SeriesSet
from aiops.sources.exposition import Scanner
from tests.unit.evidence import T

MINUTE = 60.0
CART = "service:cart"


def pod(name: str, image: str, **more: str) -> str:
    labels = {"namespace": "shop", "pod": name, "container": "cart", "image": image, **more}
    inside = ",".join(f'{k}="{v}"' for k, v in labels.items())
    return f"kube_pod_container_info{{{inside}}}"


class Cluster:
    """Expose info metrics once a minute; each page is what stands there then."""

    def __init__(self, most: int = 100_000) -> None:
        self.metrics = MetricDetection(max_series=most, multivariate="", drift="")
        self.scanners: dict[str, Scanner] = {}
        self.at = T

    def see(self, *lines: str, source: str = "s", entity: str = CART) -> list[ChangeEvent]:
        self.at += MINUTE
        scanner = self.scanners.setdefault(source, Scanner(entity, instance=source))
        scrape = scanner.scan("".join(f"{line} 1\n" for line in lines).encode())
        points = Points(source, self.at, scrape.columns, scrape.values, MINUTE)
        assert self.metrics.judge(points, 6.0) == []
        return self.metrics.take_changes()

    def again(self) -> None:
        sections = {s.name: s for s in self.metrics.to_sections()}
        self.metrics = MetricDetection(multivariate="", drift="")
        self.metrics.restore(sections)


def build(version: str, more: str = "") -> str:
    return f'cart_build_info{{version="{version}"{more}}}'


def titles(changes: list[ChangeEvent]) -> list[str]:
    return [change.title for change in changes]


# --- one service ----------------------------------------------------------------------------


def test_a_version_that_changes_is_a_deploy() -> None:
    """The first sight tells nothing, the new version is told once, on who runs it."""
    shop = Cluster()
    assert [shop.see(build("1.2")) for _ in range(10)] == [[]] * 10
    assert shop.see(build("1.3")) == [
        ChangeEvent(shop.at, "deploy", CART, "version 1.2 -> 1.3"),
    ]
    assert [shop.see(build("1.3")) for _ in range(10)] == [[]] * 10


def test_a_deploy_is_told_across_restarts() -> None:
    """What ran is part of the state: after a restart the same is no news, another version is."""
    shop = Cluster()
    shop.see(build("1.2"))
    shop.again()
    assert shop.see(build("1.2")) == []
    shop.again()
    assert titles(shop.see(build("1.3"))) == ["version 1.2 -> 1.3"]


def test_a_version_is_the_same_after_nobody_looked() -> None:
    """A gap is no deploy; a version that came meanwhile is."""
    shop = Cluster()
    both = (pod("cart-0", "cart:1"), pod("cart-1", "cart:2"))
    shop.see(*both)
    shop.at += 86400.0
    assert shop.see(*both) == []
    shop.at += 86400.0
    assert titles(shop.see(pod("cart-2", "cart:3"))) == ["image cart:2 -> cart:3"]


def test_a_failed_scrape_is_no_deploy() -> None:
    """A page without the metric says nothing of it."""
    shop = Cluster()
    shop.see(build("1.2"))
    assert shop.see("up") == []
    assert shop.see(build("1.2")) == []


def test_a_rollback_is_told_when_the_newer_version_is_gone() -> None:
    """Dated when it was last seen; while both run somewhere it is nothing."""
    shop = Cluster()
    shop.see(build("1.2"))
    assert titles(shop.see(build("1.3"))) == ["version 1.2 -> 1.3"]
    last = shop.at
    found = [change for _ in range(20) for change in shop.see(build("1.2"))]
    assert found == [ChangeEvent(last, "deploy", CART, "version 1.3 -> 1.2")]


def test_a_rollback_to_what_ran_long_ago_is_told_at_once() -> None:
    """What was not seen for a while is new again."""
    shop = Cluster()
    shop.see(build("1.2"))
    shop.see(build("1.3"))
    for _ in range(int(AROUND / MINUTE) + 2):
        shop.see(build("1.3"))
    assert titles(shop.see(build("1.2"))) == ["version 1.3 -> 1.2"]


# --- many pods, many metrics ------------------------------------------------------------------


def test_a_rolling_update_is_one_deploy() -> None:
    """Pods are replaced one by one, and come back under other names."""
    shop = Cluster()
    pods = [pod(f"cart-7d9f8b6c5d-{x}x4z{x}", "reg/cart:1.2") for x in "bcdfgh"]
    shop.see(*pods)
    found = []
    for n, x in enumerate("bcdfgh"):
        pods[n] = pod(f"cart-5c6d7f8b9-{x}x4z{x}", "reg/cart:1.3")
        found += shop.see(*pods)
    found += [change for _ in range(20) for change in shop.see(*pods)]
    assert [(c.entity, c.title) for c in found] == [(CART, "image cart:1.2 -> cart:1.3")]


def test_replicas_that_are_scraped_one_by_one_are_one_deploy() -> None:
    """Each replica is a target of its own and states its version itself."""
    shop = Cluster()
    versions = ["1.2"] * 4
    found = []
    for turn in range(12):
        versions[: turn // 2] = ["1.3"] * min(turn // 2, 4)
        for n in range(4):
            shop.at -= MINUTE * 3 / 4
            found += shop.see(build(versions[n]), source=f"cart-{n}:80")
    assert titles(found) == ["version 1.2 -> 1.3"]


def test_two_versions_in_turn_are_told_once() -> None:
    """Behind a load balancer every scrape may meet another replica."""
    shop = Cluster()
    shop.see(build("1.2"))
    found = [c for n in range(40) for c in shop.see(build("1.3" if n % 3 else "1.2"))]
    assert titles(found) == ["version 1.2 -> 1.3"]


def test_several_metrics_of_one_deploy_tell_it_once() -> None:
    """The label that says most is told; a deploy soon after is another one."""
    shop = Cluster()
    shop.see(build("1.2", ',revision="aa"'), pod("cart-0", "cart:1.2"))
    found = shop.see(build("1.2", ',revision="aa"'), pod("cart-0", "cart:1.3"))
    found += shop.see(build("1.3", ',revision="bb"'), pod("cart-0", "cart:1.3"))
    assert titles(found) == ["image cart:1.2 -> cart:1.3"]
    found = shop.see(build("1.4", ',revision="cc"'), pod("cart-0", "cart:1.4"))
    assert titles(found) == ["image cart:1.3 -> cart:1.4"]
    shop.at += TOGETHER
    found = shop.see(build("1.5", ',revision="dd"'), pod("cart-0", "cart:1.4"))
    assert titles(found) == ["version 1.4 -> 1.5"]


def test_each_container_has_its_own_version() -> None:
    """What stays in the labels tells series of one workload apart: a side-car is no deploy."""
    shop = Cluster()
    app, proxy = pod("cart-0", "cart:1"), pod("cart-0", "proxy:7").replace('"cart",', '"proxy",')
    assert shop.see(app, proxy) == []
    assert shop.see(app, proxy) == []
    assert titles(shop.see(app, proxy.replace("proxy:7", "proxy:8"))) == [
        "image proxy:7 -> proxy:8"
    ]


# --- bounds -----------------------------------------------------------------------------------


def test_what_changes_all_the_time_is_no_version() -> None:
    """So many deploys a day are told; the rest is counted."""
    shop = Cluster()
    found = []
    for n in range(60):
        shop.at += AROUND
        found += shop.see(build(f"1.{n}"))
    assert RESTLESS <= len(found) < 30
    shop.see(build("2"), "up")
    assert shop.metrics.facts["kinds_refused"] == 59 - len(found)


def test_dozens_of_versions_at_a_time_are_no_deploys() -> None:
    """What a workload has many of at a time is counted by them, and not deployed."""
    versions = Versions()
    names = [f'disk_info{{firmware_version="{n}"}}' for n in range(3 * MOST_VALUES)]
    stating = versions.bind([Series(CART, name) for name in names], ())
    for turn in range(100):
        row = np.full(len(names), np.nan)
        row[(turn + np.arange(MOST_VALUES + 2)) % len(names)] = 1.0
        versions.see(stating, T + turn * MINUTE, row)
    assert versions.changes == []


def test_labels_are_bounded_and_forgotten() -> None:
    """Beyond the bound labels are refused and counted; what is gone for a day makes room."""
    versions = Versions(most=3)
    old = versions.bind([Series(CART, f'a_info{{name="{n}",version="1"}}') for n in range(5)], ())
    versions.see(old, T, np.ones(5))
    assert versions.take_refused() == 2
    new = versions.bind([Series(CART, f'b_info{{name="{n}",version="1"}}') for n in range(5)], ())
    versions.see(new, T + 2 * 86400.0, np.ones(5))
    assert versions.take_refused() == 2
    assert len(versions.to_section().header["labels"]) == 3


# --- whose, and what --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "entity", "labels"),
    [
        ('cart_build_info{version="1",goarch="amd64"}', "service:x", {"version"}),
        ('target_info{service_name="cart",service_version="1"}', CART, {"service_version"}),
        ('target_info{job="shop/cart",service_version="1"}', CART, {"service_version"}),
        ('target_info{"service.name"="x"}', "service:x", set()),
        (pod("cart-7d9f8b6c5d-x2x4z", "a", image_id="b", uid="c"), CART, {"image"}),
        ('kube_node_info{node="n1",kubelet_version="1",pod_cidr="x"}', "host:n1", {
            "kubelet_version"
        }),
        ('node_uname_info{nodename="n1",release="6.1.0-13"}', "host:n1", {"release"}),
        ('chart_info{release="shop"}', "service:x", set()),
        ('app_info{appVersion="1",buildDate="2026"}', "service:x", {"appVersion"}),
        ('app_info{gitCommit="a",branch="b"}', "service:x", {"gitCommit", "branch"}),
    ],
)  # fmt: skip
def test_labels_say_whose_version_it_is(name: str, entity: str, labels: set[str]) -> None:
    """Workloads run versions, not their instances; ids, nodes and times are none."""
    found = claims("service:x", name)
    assert {claim.label for claim in found} == labels
    assert {claim.entity for claim in found} <= {entity}


def test_instances_share_what_they_claim() -> None:
    """Two pods of a workload on two nodes make one key."""
    one, two = (
        claims("service:x", pod(f"cart-7d9f8b6c5d-x2x4{z}", "a", node=z)) for z in ("b", "c")
    )
    assert one == two


def test_long_versions_are_shown_short() -> None:
    """Images lose their registry, hashes their end; nothing is longer than a line."""
    sha = "0123456789abcdef0123456789abcdef01234567"
    assert change_title("image", f"reg.io/shop/cart@sha256:{sha}", "reg.io/shop/cart:2") == (
        "image cart@0123456789ab -> cart:2"
    )
    assert len(change_title("version", "v" * 500, "w" * 500)) < 100


def test_a_metric_that_is_ignored_tells_no_deploy() -> None:
    """What people say of a metric goes before what its name says."""
    rule = MetricRule("cart_build_info", kind="ignore")
    metrics = MetricDetection(multivariate="", drift="", rules=[rule])
    for n in range(3):
        columns = SeriesSet((Series(CART, build(f"1.{n}")),))
        metrics.judge(Points("s", T + n * MINUTE, columns, np.ones(1), MINUTE), 6.0)
    assert metrics.take_changes() == []


# --- in the engine ----------------------------------------------------------------------------


def run(*, restart: bool) -> tuple[bytes, list[ChangeEvent]]:
    engine = Engine(EngineSettings(multivariate="", drift=""))
    transitions = []
    for n in range(160):
        version = "1.2" if n < 120 else "1.3"
        columns = SeriesSet((Series(CART, build(version)), Series(CART, "errors_ratio")))
        row = np.array([1.0, 0.5 if n > 121 else 0.001 * (n % 3)])
        transitions += engine.feed(Points("s", T + n * 15.0, columns, row, 15.0))
        if restart and n % 50 == 0:
            again = Engine(engine.settings)
            assert again.restore(engine.to_sections()) == []
            engine = again
    transitions += engine.finish()
    return msgspec.json.encode(transitions), [
        change for t in transitions[-1:] for change in t.incident.changes
    ]


def test_a_story_names_the_deploy_before_it() -> None:
    """An incident after a new version has it among its changes, restarted or not."""
    whole, changes = run(restart=False)
    assert [(c.kind, c.title) for c in changes] == [("deploy", "version 1.2 -> 1.3")]
    assert run(restart=True) == (whole, changes)
