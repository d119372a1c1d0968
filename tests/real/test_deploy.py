"""What lies in deploy/ is judged by the tools of those who will use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiops.config import load_settings
from aiops.sources import SOURCES
from aiops.telemetry import Telemetry
from tests.real import servers

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "aiops.json"

PARTS = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}
# What /metrics offers, under the names that queries use: ours and those of the process.
METRICS = {
    metric.name + part
    for metric in Telemetry().registry.collect()
    if metric.name.startswith(("aiops_", "process_"))
    for part in PARTS[metric.type]
}
# A metric's name inside an expression, and not a label's value such as job="aiops".
METRIC = re.compile(r"\b(?:aiops|process)_[a-z_]+\b")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, check=False
    )


def tool(name: str) -> str:
    """Return a program of the development environment that runs these tests."""
    return str(Path(sys.executable).parent / name)


# --- systemd --------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit with a program that exists here in the place of ours."""
    text = (DEPLOY / "systemd" / "aiops.service").read_text(encoding="utf-8")
    copy = tmp_path / "aiops.service"
    copy.write_text(text.replace("/opt/aiops/bin/aiops", sys.executable), encoding="utf-8")
    return copy


def test_unit_is_clean(unit: Path) -> None:
    """The unit has no key that systemd does not know and no order that it cannot keep."""
    result = run(servers.require("systemd-analyze"), "verify", unit)

    assert (result.returncode, result.stderr) == (0, "")


def test_unit_is_hardened(unit: Path) -> None:
    """The exposure that systemd computes for the unit is at most 2.0 of 10."""
    command = ("security", "--offline=true", "--no-pager", "--threshold=20")
    result = run(servers.require("systemd-analyze"), *command, unit)

    assert result.returncode == 0, result.stdout[-300:]


def test_unit_validates_before_it_reloads() -> None:
    """A reload checks the very file that the daemon runs with, and only then signals."""
    lines = (DEPLOY / "systemd" / "aiops.service").read_text(encoding="utf-8").splitlines()
    start = next(line for line in lines if line.startswith("ExecStart="))
    reload = [line for line in lines if line.startswith("ExecReload=")]

    assert reload[0] == start.replace("ExecStart", "ExecReload").replace(" run ", " check ")
    assert reload[1] == "ExecReload=/bin/kill -HUP $MAINPID"


# --- container ------------------------------------------------------------------------------


def containerfile() -> list[str]:
    text = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_image_runs_as_an_ordinary_user() -> None:
    """The last stage runs under a fixed number that is not root's and says when it is ill."""
    lines = containerfile()
    last = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]

    assert [line for line in last if line.startswith("USER ")] == ["USER 10001:10001"]
    assert any(line.startswith("HEALTHCHECK ") for line in last)
    assert sum(line.startswith("FROM ${BASE}") for line in lines) == 2


def test_image_is_built_from_files_that_exist_and_are_sent() -> None:
    """Every file that the image copies from the checkout passes the ignore file."""
    ignore = (ROOT / ".containerignore").read_text(encoding="utf-8").split()
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copies = [line.split()[1:-1] for line in containerfile() if line.startswith("COPY ")]
    copied = {path for paths in copies if "--from=build" not in paths for path in paths}

    assert ignore[0] == "**"
    assert copied == sent
    assert [path for path in copied if not (ROOT / path).exists()] == []


# --- kubernetes -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = run(tool("kubectl"), "kustomize", DEPLOY / "kubernetes")
    assert (result.returncode, result.stderr) == (0, "")
    file = tmp_path_factory.mktemp("kubernetes") / "out.yaml"
    file.write_text(result.stdout, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def objects(manifest: Path) -> dict[str, Any]:
    found = yaml.safe_load_all(manifest.read_text(encoding="utf-8"))
    return {thing["kind"]: thing for thing in found}


def test_manifests_are_valid(manifest: Path) -> None:
    """Every object has the types, and only the fields, that its schema knows."""
    result = run(tool("kubernetes-validate"), "--strict", manifest)

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_misspelt_field_is_found(manifest: Path, tmp_path: Path) -> None:
    """The check above can fail: one misspelt field is enough."""
    wrong = tmp_path / "wrong.yaml"
    text = manifest.read_text(encoding="utf-8")
    wrong.write_text(text.replace("runAsNonRoot:", "runAsNonroot:"), encoding="utf-8")

    assert run(tool("kubernetes-validate"), "--strict", wrong).returncode != 0


def test_pod_meets_the_restricted_standard(objects: dict[str, Any]) -> None:
    """The pod asks for nothing that the restricted pod security standard forbids."""
    pod = objects["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    kinds = {key for volume in pod["volumes"] for key in volume if key != "name"}

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert kinds <= {"configMap", "emptyDir"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["automountServiceAccountToken"] is False
    assert objects["ServiceAccount"]["automountServiceAccountToken"] is False


def test_pod_is_wired(objects: dict[str, Any]) -> None:
    """Ports, probes, the volume and the configuration name one another rightly."""
    stateful = objects["StatefulSet"]["spec"]
    (container,) = stateful["template"]["spec"]["containers"]
    config = tomllib.loads(objects["ConfigMap"]["data"]["aiops.toml"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    port = int(config["web"]["listen"].rpartition(":")[2])

    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert objects["Service"]["spec"]["ports"][0]["port"] == port
    assert stateful["serviceName"] == objects["Service"]["metadata"]["name"]
    assert stateful["replicas"] == 1
    assert config["state"]["directory"].startswith(mounts["state"])
    assert container["args"][-1] == mounts["config"] + "/aiops.toml"
    assert [c["metadata"]["name"] for c in stateful["volumeClaimTemplates"]] == ["state"]
    assert {"requests", "limits"} == container["resources"].keys()


@pytest.mark.parametrize("name", ["container/aiops.toml", "kubernetes/aiops.toml"])
def test_configurations_are_valid(name: str) -> None:
    """The configurations shipped for containers have only known keys and known sources."""
    settings = load_settings(DEPLOY / name)

    assert settings.web.listen == "0.0.0.0:9797"
    assert settings.sources.keys() <= SOURCES.keys()


# --- prometheus -----------------------------------------------------------------------------


def rules() -> list[dict[str, Any]]:
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_rules_are_valid() -> None:
    """The scrape job and the alert rules are what a real Prometheus accepts."""
    folder = DEPLOY / "prometheus"
    promtool = servers.require("promtool")

    assert run(promtool, "check", "rules", folder / "alerts.yml").returncode == 0
    assert run(promtool, "check", "config", folder / "scrape.yml").returncode == 0


def test_rules_fire_and_rest() -> None:
    """Every rule fires on its fault and none on a healthy daemon."""
    file = DEPLOY / "prometheus" / "alerts_test.yml"
    result = run(servers.require("promtool"), "test", "rules", file)
    cases = yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
    checks = [check for case in cases for check in case["alert_rule_test"]]
    fire = {check["alertname"] for check in checks if check.get("exp_alerts")}
    rest = {check["alertname"] for check in checks if not check.get("exp_alerts")}

    assert result.returncode == 0, result.stdout + result.stderr
    assert fire == rest == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_rule_is_well_formed(rule: dict[str, Any]) -> None:
    """A rule has our prefix, a severity, two full sentences, and only metrics that we export."""
    assert rule["alert"].startswith("Aiops")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith(".")
    assert set(METRIC.findall(rule["expr"])) <= METRICS


# --- grafana --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text(encoding="utf-8")))


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])]


def test_dashboard_can_be_imported(dashboard: dict[str, Any]) -> None:
    """The dashboard keeps its uid, belongs to no installation, and asks for its data source."""
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    sources = [panel["datasource"] for panel in dashboard["panels"] if "datasource" in panel]

    assert (dashboard["uid"], dashboard["id"]) == ("aiops-daemon", None)
    assert variables["datasource"]["query"] == "prometheus"
    assert "__inputs" not in dashboard
    assert all(s == {"type": "prometheus", "uid": "${datasource}"} for s in sources)


def test_panels_are_distinct_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    """Panels have unique ids and titles and each its own place in a grid of 24 columns."""
    panels = dashboard["panels"]
    cells = [
        (x, y)
        for p in panels
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]

    assert len({p["id"] for p in panels}) == len({p["title"] for p in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert all(p.get("description") for p in panels if p["type"] != "row")


def test_panels_ask_only_for_metrics_that_exist(dashboard: dict[str, Any]) -> None:
    """Every query uses metrics that we export, and every metric can be narrowed to an instance."""
    asked = [*expressions(dashboard), *(a["expr"] for a in dashboard["annotations"]["list"])]
    for expr in asked:
        names = METRIC.findall(expr)

        assert names
        assert set(names) <= METRICS, expr
        assert expr.count('{job=~"$job",instance=~"$instance"') == len(names), expr


def test_every_metric_is_shown(dashboard: dict[str, Any]) -> None:
    """What the daemon exports stands on the dashboard, or here with the reason why not."""
    not_shown = {
        "aiops_blocks_total",  # a detail of reading; lines and bytes are shown
        "aiops_config_last_reload_successful",  # an alert, not a curve
    }
    shown = {name for expr in expressions(dashboard) for name in METRIC.findall(expr)}
    ours = {re.sub("_(bucket|sum|count)$", "", n) for n in METRICS if n.startswith("aiops_")}

    assert ours - {re.sub("_(bucket|sum|count)$", "", name) for name in shown} == not_shown
