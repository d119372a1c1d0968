"""A configuration becomes parts, or every problem of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiops.assembly import build
from aiops.config import Settings
from aiops.errors import ConfigError
from aiops.model import Severity


def problems(paths: tuple[str, ...] = (), **tables: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(Settings(**tables), paths=paths)
    return caught.value.problems


def test_every_problem_is_told_at_once() -> None:
    """Wrong kinds, wrong values, twin names and a wrong address: one line each."""
    found = problems(
        sources={"fiel": [{}], "file": [{"paths": []}]},
        notifiers={"stdout": [{"name": "a"}, {"name": "a"}]},
        web={"listen": "nowhere"},
        detection={"drift": "river.drift.ADWINN"},
    )
    assert len(found) == 5
    assert any('did you mean "file"?' in p for p in found)
    assert any("ADWIN" in p for p in found)


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("127.0.0.1:9797", "localhost:9797"),
        ("0.0.0.0:9797", "127.0.0.1:9797"),
        ("[::]:9797", "http://[::1]:9797/metrics"),
        ("monitor.example:9797", "monitor.example:9797"),
        ("127.0.0.1:80", "http://127.0.0.1/metrics"),
    ],
)
def test_our_own_page_is_refused_as_a_target(listen: str, target: str) -> None:
    """Whatever the name of this host, scraping ourselves is a mistake."""
    found = problems(web={"listen": listen}, sources={"prometheus": [{"targets": [target]}]})
    assert len(found) == 1
    assert "our own web.listen" in found[0]


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("127.0.0.1:9797", "localhost:9798"),
        ("127.0.0.1:9797", "other.example:9797"),
        ("", "localhost:9797"),
    ],
)
def test_other_pages_are_targets(listen: str, target: str) -> None:
    """Another port or another host is not us."""
    settings = Settings(web={"listen": listen}, sources={"prometheus": [{"targets": [target]}]})
    assert len(build(settings).sources) == 1


def test_a_path_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """What a person typed must exist; a glob may match later."""
    (tmp_path / "a.log").write_text("")
    missing = str(tmp_path / "b.log")
    assert problems(paths=(str(tmp_path / "a.log"), missing)) == [
        f"{missing}: no such file; give log files, globs, directories or -"
    ]
    assert len(build(Settings(), paths=[str(tmp_path / "*.txt")]).sources) == 1


def test_paths_and_pipes_stand_in_for_configured_sources() -> None:
    """The command line wins over the configuration, and nothing at all is this host."""
    settings = Settings(sources={"host": [{}]})
    assert [s.kind for s in build(settings, paths=["/tmp"], stdin=True).sources] == [
        "file",
        "stdin",
    ]
    assert [s.kind for s in build(settings).sources] == ["host"]
    assert {"host", "file"} <= {s.kind for s in build(Settings()).sources}


def test_every_channel_has_its_route_and_pace() -> None:
    """Severities come from the channels; only chat services are slow."""
    notifiers = {
        "stdout": [{"min_severity": "error"}],
        "slack": [{"url": "https://hooks.slack.com/services/a"}],
        "webhook": [{"name": "ops", "url": "http://127.0.0.1:1/"}],
    }
    plan = build(Settings(notifiers=notifiers))
    routes = {r.name: r.min_severity for r in plan.routes}
    assert routes["stdout"] is Severity.ERROR
    assert set(plan.paces) == {"stdout", "slack", "ops"}
    assert plan.paces["slack"].rate == 1.0
    assert min(plan.paces["stdout"].rate, plan.paces["ops"].rate) >= 10.0


def test_a_channel_sets_its_own_pace() -> None:
    """rate is what the channel says, and no attempt is cut off before its timeout."""
    notifiers: dict[str, Any] = {
        "ntfy": [{"topic": "a", "rate": 0.5, "timeout": "1m"}],
        "exec": [{"command": ["true"]}],
    }
    plan = build(Settings(notifiers=notifiers))

    assert (plan.paces["ntfy"].rate, plan.paces["ntfy"].deadline) == (0.5, 120.0)
    assert (plan.paces["exec"].rate, plan.paces["exec"].deadline) == (5.0, 20.0)


def test_session_tables_reach_the_windows() -> None:
    """What names sessions is in the settings that streams are decoded with."""
    plan = build(Settings(sessions=[{"name": "request", "field": "trace_id", "idle": "30s"}]))
    (rule,) = plan.engine.window.sessions

    assert (rule.name, rule.field, rule.idle, rule.streams) == ("request", "trace_id", 30.0, "*")


def test_wrong_session_tables_are_told() -> None:
    """Twin names, a pattern that is none and a table that names nothing: one line each."""
    found = problems(
        sessions=[{"name": "a", "pattern": "("}, {"name": "a"}, {"name": "b", "field": "x"}]
    )

    assert len(found) == 3
    assert any("two tables are named 'a'" in p for p in found)
    assert any("sessions[0]: pattern = '('" in p for p in found)
    assert any("sessions[1]: give either pattern or field" in p for p in found)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            {"detector": "river.anomaly.LODAA"},
            (
                "metrics[0].detector = 'river.anomaly.LODAA': no such detector;"
                ' did you mean "river.anomaly.LODA"?'
            ),
        ),
        ({"detector": "os.system"}, "metrics[0].detector = 'os.system': no such detector; known:"),
        (
            {"detector": "river.anomaly.LODA", "params": {"cuts": 9}},
            "metrics[0].params.cuts = 9: unknown parameter; known: n_bins, n_random_cuts, seed",
        ),
        (
            {"detector": "river.anomaly.LODA", "params": {"n_random_cuts": "many"}},
            "metrics[0].params = {'n_random_cuts': 'many'}: river.anomaly.LODA",
        ),
        ({"detector": "river.anomaly.QuantileFilter"}, "metrics[0].params = {}: river.anomaly."),
        ({"params": {"n_bins": 9}}, "metrics[0].params = {'n_bins': 9}: they belong to a detector"),
    ],
)
def test_wrong_detectors_of_metrics_are_told(table: dict[str, Any], told: str) -> None:
    """A detector that is not there, or not with these parameters, is one line with a remedy."""
    (found,) = problems(metrics=[{"match": "latency_*", **table}])

    assert found.startswith(told)
    assert "\n" not in found


@pytest.mark.parametrize("name", ["mahalanobis", "river.anomaly.LODA", ""])
def test_what_looks_at_an_entity_can_be_chosen(name: str) -> None:
    """Our own, one of River's, or none."""
    assert build(Settings(detection={"multivariate": name})).engine.multivariate == name


@pytest.mark.parametrize("key", ["detector", "params"])
def test_a_detector_of_a_source_is_told_its_place(key: str) -> None:
    """Detectors judge series; the table that names series is said, also for its parameters."""
    source = {"targets": ["127.0.0.1:9100"], key: "river.anomaly.LODA"}
    with pytest.raises(ConfigError) as caught:
        build(Settings(sources={"prometheus": [source]}))
    (problem,) = caught.value.problems
    where, _, said = problem.partition(": ")
    assert where == f"sources.prometheus[0].{key}"
    remedy = f'write [[metrics]] match = "ENTITY/METRIC" (globs) and there {key} = ...'
    assert said == f"series have detectors, sources have not; {remedy}"


def test_a_misspelt_detector_of_entities_is_told() -> None:
    """With the name that was meant, ours among them."""
    (found,) = problems(detection={"multivariate": "mahalanobos"})

    assert 'no such detector; did you mean "mahalanobis"?' in found


def test_a_detector_of_metrics_reaches_the_engine() -> None:
    """The rule of the engine holds the named detector and its parameters."""
    table = {"match": "a", "detector": "river.drift.KSWIN", "params": {"window_size": 60}}
    settings = Settings(metrics=[table])  # type: ignore[list-item]

    (rule,) = build(settings).engine.metrics

    assert (rule.detector, rule.params) == ("river.drift.KSWIN", {"window_size": 60})


@pytest.mark.parametrize(
    "url", ["aiops.example", "ftp://aiops.example", "https://", "https://a/?b=c", "https://a:x/"]
)
def test_an_address_that_no_reader_can_follow_is_refused(url: str) -> None:
    """The external address is a URL of a server, for it stands in every message."""
    with pytest.raises(ConfigError) as caught:
        build(Settings(web={"external_url": url}))

    assert caught.value.problems == [
        f"web.external_url = {url!r}: write a URL like https://aiops.example"
    ]


def test_a_short_secret_of_links_is_refused(tmp_path: Path) -> None:
    """What signs links is long, or cannot be guessed wrong often enough."""
    key = tmp_path / "link.key"
    key.write_text("short")

    with pytest.raises(ConfigError, match="holds 5 characters; put 32 random ones"):
        build(Settings(web={"link_secret_file": str(key)}))


def test_a_missing_secret_of_links_is_named(tmp_path: Path) -> None:
    """A file that is not there is a problem of the configuration."""
    with pytest.raises(ConfigError, match=r"link_secret_file .* cannot be read"):
        build(Settings(web={"link_secret_file": str(tmp_path / "absent")}))


def test_templates_are_tried_with_all_other_problems(tmp_path: Path) -> None:
    """A broken template is a problem of the configuration, with its file and line."""
    (tmp_path / "slack.j2").write_text("fine\n{{ nothing }}")

    with pytest.raises(ConfigError) as caught:
        build(Settings(templates={"directory": str(tmp_path)}, web={"listen": "nowhere"}))

    listen, template = caught.value.problems
    assert "web.listen" in listen
    assert f"{tmp_path}/slack.j2:2: 'nothing' is unknown" in template


def test_every_channel_is_worded_by_its_kind(tmp_path: Path) -> None:
    """Two channels of one kind share its template, whatever they are called."""
    (tmp_path / "stdout.j2").write_text("{{ title }}")
    tables = {"stdout": [{"name": "a"}, {"name": "b"}]}
    plan = build(Settings(templates={"directory": str(tmp_path)}, notifiers=tables))

    assert sorted(plan.rendering.templates) == ["stdout"]
    assert plan.rendering.kinds == {"a": "stdout", "b": "stdout"}
