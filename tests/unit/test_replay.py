"""History through the engine: order, formats and bad input of `aiops replay`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import pytest

from aiops.engine import Engine, EngineSettings
from aiops.errors import ConfigError
from aiops.replay import History, Outcome, parse_series, replay
from aiops.wire import to_json

START = 1_700_000_000


def stamp(second: int) -> str:
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2023-11-15 {hours:02}:{minutes:02}:{seconds:02}"


def write_service(path: Path, *, seconds: int = 2400, fails_at: int | None = None) -> Path:
    """Write a calm service's log, one line a second, with failures for a minute."""
    with path.open("w") as file:
        for second in range(seconds):
            file.write(
                f"{stamp(second)},120 INFO accepted order {second * 7} in {second % 40} ms\n"
            )
            if fails_at is not None and fails_at <= second < fails_at + 60:
                file.write(f"{stamp(second)},130 ERROR payment refused connection for {second}\n")
    return path


def run(**history: list[str]) -> Outcome:
    return replay(History(**history), Engine(EngineSettings()))


def told(outcome: Outcome) -> list[bytes]:
    return [msgspec.json.encode(to_json(i)) for i in outcome.incidents.values()]


def test_a_new_error_line_becomes_one_told_incident(tmp_path: Path) -> None:
    """A line of error severity that was never seen before, repeated, is one told incident."""
    path = write_service(tmp_path / "shop.log", fails_at=1800)

    outcome = run(logs=[str(path)])

    (incident,) = outcome.incidents.values()
    assert incident.told
    assert "service:shop" in incident.entities
    assert "payment" in incident.samples[0].text
    assert incident.state == "resolved"


def test_a_calm_log_tells_nothing(tmp_path: Path) -> None:
    """A log without anything new is replayed in silence."""
    outcome = run(logs=[str(write_service(tmp_path / "shop.log"))])

    assert not outcome.incidents
    assert outcome.lines == 2400


def test_the_same_files_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    """The order in which files are named changes no incident."""
    a = str(write_service(tmp_path / "cart.log", fails_at=1500))
    b = str(write_service(tmp_path / "mail.log", fails_at=1530))

    assert told(run(logs=[a, b])) == told(run(logs=[b, a]))


def test_gzip_and_globs_and_service_labels_are_read(tmp_path: Path) -> None:
    """A gzip file named by a glob with a service label is the same history."""
    plain = write_service(tmp_path / "x.log", fails_at=1800)
    (tmp_path / "y.log.gz").write_bytes(gzip.compress(plain.read_bytes()))

    outcome = run(logs=[f"service=cart:{tmp_path}/*.gz"])

    (incident,) = outcome.incidents.values()
    assert incident.entities == ("service:cart",)


def test_a_change_before_the_fault_is_in_the_story(tmp_path: Path) -> None:
    """A deploy shortly before the first failure is shown with the incident."""
    log = write_service(tmp_path / "shop.log", fails_at=1800)
    changes = tmp_path / "changes.jsonl"
    record = {"at": "2023-11-15T00:29:30Z", "kind": "deploy", "entity": "shop", "title": "v42"}
    changes.write_text(json.dumps(record) + "\n\nnot json\n")

    outcome = run(logs=[str(log)], changes=[str(changes)])

    (incident,) = outcome.incidents.values()
    assert [c.title for c in incident.changes] == ["v42"]
    assert outcome.skipped["--changes line that is no JSON object"] == 1


def test_wide_and_long_metrics_are_the_same_points(tmp_path: Path) -> None:
    """Both CSV layouts carry the same values; a row without a time is counted."""
    wide, long = tmp_path / "wide.csv", tmp_path / "long.csv"
    name = 'latency_ms{service="cart"}'
    rows = [(START + 15 * i, float(i % 5)) for i in range(50)]
    wide.write_text(
        f'timestamp,"{name.replace(chr(34), chr(34) * 2)}"\n'
        + "".join(f"{at},{v}\n" for at, v in rows)
        + "never,1\n"
    )
    long.write_text(
        "timestamp,series,value\n"
        + "".join(f'{at},"{name.replace(chr(34), chr(34) * 2)}",{v}\n' for at, v in rows)
    )

    first, second = run(metrics=[str(wide)]), run(metrics=[str(long)])

    assert first.points == second.points == 50
    assert first.skipped["metrics row without a time"] == 1


@pytest.mark.parametrize(
    ("header", "entity", "name", "kind", "unit"),
    [
        ('latency_ms{service="cart"}', "service:cart", "latency_ms", "gauge", "ms"),
        ("cpu_percent", "service:here", "cpu_percent", "gauge", "%"),
        (
            'x_bytes_total{host="a",disk="sda"}',
            "host:a",
            'x_bytes_total{disk="sda"}',
            "counter",
            "bytes",
        ),
        ('up{entity="pod:p1"}', "pod:p1", "up", "gauge", ""),
    ],
)
def test_a_header_cell_names_entity_metric_and_unit(
    header: str, entity: str, name: str, kind: str, unit: str
) -> None:
    """Labels that name an entity leave the series name; the rest stays."""
    series = parse_series(header, "service:here")

    assert (series.entity, series.name, series.kind, series.unit) == (entity, name, kind, unit)


@pytest.mark.parametrize("kind", ["logs", "metrics", "changes", "alerts"])
def test_a_missing_file_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    """A path that matches nothing is named with its option and a remedy."""
    with pytest.raises(ConfigError, match=f"--{kind} .*none.*no such file"):
        run(**{kind: [str(tmp_path / "none*")]})


def test_metrics_without_timestamps_are_one_clear_error(tmp_path: Path) -> None:
    """A CSV file without a timestamp column says so."""
    path = tmp_path / "m.csv"
    path.write_text("time,value\n1,2\n")

    with pytest.raises(ConfigError, match="no timestamp column"):
        run(metrics=[str(path)])


def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    """What comes before the damage is replayed, and the loss is counted."""
    plain = write_service(tmp_path / "x.log", fails_at=1800)
    packed = tmp_path / "y.log.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-2000])

    outcome = run(logs=[str(packed)])

    assert 0 < outcome.lines < 2460
    assert outcome.skipped[f"rest of {packed}: damaged gzip file"] == 1


def test_alerts_of_others_are_judged(tmp_path: Path) -> None:
    """Alerts that never fired before, on several services at once, are one told incident."""
    lines = []
    for day in range(20):
        lines.append(
            {"at": START + 86400 * day, "status": "firing", "labels": {"alertname": "Backup"}}
        )
        lines.append(
            {
                "at": START + 86400 * day + 60,
                "status": "resolved",
                "labels": {"alertname": "Backup"},
            }
        )
    at = START + 20.5 * 86400
    lines += [
        {"at": at, "status": "firing", "labels": {"alertname": "Errors", "service": name},
         "annotations": {"summary": f"{name} fails"}}
        for name in ("cart", "checkout")
    ]  # fmt: skip
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines))
    outcome = replay(History(alerts=(str(path),)), Engine(EngineSettings()))
    (told,) = [i for i in outcome.incidents.values() if i.told]
    assert told.entities == ("service:cart", "service:checkout")
    assert told.opened_at >= at
    assert "Backup" not in told.title
