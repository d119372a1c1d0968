"""The logs look like what real services write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache

import pytest

from aiops.model import Block
from aiops.shop import Fault, Shop
from aiops.shop.catalogue.trouble import TROUBLE
from aiops.shop.draws import DRAWS, NUMERIC
from aiops.shop.roster import SERVICES
from aiops.shop.scenarios import deploy
from aiops.shop.styles import STYLES, lay_out, parse

HOUR = 1_741_168_800.0  # 2025-03-05 10:00 UTC

SHAPES = {
    "access": (
        r'[\d.]+ - - \[05/Mar/2025:10:\d\d:\d\d \+0000\] "[A-Z]+ \S+ HTTP/\d\.\d" \d{3} \d+ '
        r'"[^"]*" "[^"]*"'
    ),
    "nginx-error": r"2025/03/05 10:\d\d:\d\d \[(notice|warn|error|crit)\] 31#31: (\*\d+ )?\S.*",
    "logback": (
        r"2025-03-05 10:\d\d:\d\d\.\d{3} ( INFO| WARN|ERROR|DEBUG) 1 --- \[.{15}\] \S+ +: .+"
    ),
    "python": r"2025-03-05 10:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) +\[[\w.]+\] .+",
    "logfmt": r'ts=2025-03-05T10:\d\d:\d\d\.\d{3}Z level=\w+ msg="[^"]+"( [\w.]+=("[^"]*"|\S+))*',
    "klog": r'[IWEF]0305 10:\d\d:\d\d\.\d{6} +1 shipping\.go:\d+\] "[^"]+"( \w+=("[^"]*"|[\d.]+))*',
    "postgres": (
        r"2025-03-05 10:\d\d:\d\d\.\d{3} UTC \[\d+\] (\S+@\S+ )?"
        r"(LOG|WARNING|ERROR|FATAL|DETAIL|STATEMENT|HINT):  .+"
    ),
    "redis": r"(1:M|\d+:C) 05 Mar 2025 10:\d\d:\d\d\.\d{3} [.*#-] .+",
    "syslog": r"Mar  5 10:\d\d:\d\d mail-1 [\w/.-]+(\[\d+\])?: .+",
}
CONTINUED = re.compile(r"\t|  |[A-Za-z.$_]+(Error|Exception)\b|Traceback|Caused by:")


@cache
def hour() -> Shop:
    """One hour in which much goes wrong, so that lines of every kind occur."""
    kinds = [
        ("bad_deploy", "checkout"),
        ("dependency_outage", "postgres"),
        ("certificate_expired", "payment"),
        ("disk_full", "redis"),
        ("queue_backlog", "mail"),
        ("network_drop", "catalog"),
        ("traffic_surge", "frontend"),
        ("memory_leak", "auth"),
    ]
    changes = [deploy(s.name, HOUR + 1000, "1.2.3") for s in SERVICES]
    faults = [Fault(k, s, HOUR + 1200, HOUR + 3000) for k, s in kinds]
    return Shop(3, HOUR, HOUR + 3600, faults=faults, changes=changes)


@cache
def blocks() -> list[Block]:
    return [item for item in hour().inputs() if isinstance(item, Block)]


def lines(style: str) -> Iterator[str]:
    names = {f"shop:{i}" for s in SERVICES for g in s.logs if g.style == style for i in s.names(g)}
    for item in blocks():
        if item.stream.id in names:
            yield from item.data.decode().splitlines()


@pytest.mark.parametrize("style", SHAPES)
def test_lines_have_the_shape_of_their_format(style: str) -> None:
    """Every line of a text format matches that format or is a continuation of the one before."""
    shape, heads = re.compile(SHAPES[style]), 0
    for line in lines(style):
        if shape.fullmatch(line):
            heads += 1
        else:
            assert style in {"logback", "python"}, line
            assert CONTINUED.match(line), line
    assert heads > 20


@pytest.mark.parametrize(
    ("style", "stamp", "level"),
    [("pino", "time", int), ("bunyan", "time", int), ("zap", "ts", str)],
)
def test_json_lines_load(style: str, stamp: str, level: type) -> None:
    """Each line of a JSON format is one object with its stamp, level and message."""
    found = [json.loads(line) for line in lines(style)]
    assert len(found) > 50
    for record in found:
        assert record[stamp]
        assert type(record["level"]) is level
        assert record["msg"]
    assert style == "zap" or any(isinstance(v, dict) for r in found for v in r.values())


def test_stamps_of_a_stream_never_go_back() -> None:
    """Within a stream entries come in order of their stamps."""
    for style, pattern in [
        ("access", r"\[(.{20})"),
        ("python", r"(\d{4}-.{18}) [A-Z]"),
        ("zap", r'"ts":([\d.]+)'),
        ("postgres", r"(.{23}) UTC"),
    ]:
        last: dict[str, str] = {}
        names = {i for s in SERVICES for g in s.logs if g.style == style for i in s.names(g)}
        for item in blocks():
            if item.stream.instance in names:
                for stamp in re.findall("(?m)^.*?" + pattern, item.data.decode()):
                    assert stamp >= last.get(item.stream.id, ""), stamp
                    last[item.stream.id] = stamp


def test_lines_lie_in_the_step_that_brings_them() -> None:
    """A line's stamp is never later than the end of the step in which it arrives."""
    for item in Shop(3, HOUR, HOUR + 900).inputs():
        if isinstance(item, Block) and item.stream.entity == "service:payment":
            for line in item.data.splitlines():
                assert item.arrived - 10.0 <= json.loads(line)["time"] / 1000 < item.arrived


def test_request_ids_are_shared_between_services() -> None:
    """A trace id of the gateway is met again in the catalog."""
    gateway = {t for line in lines("logfmt") for t in re.findall(r"trace_id=(\w+)", line)}
    catalog = {t for line in lines("zap") for t in re.findall(r'"trace_id":"(\w+)"', line)}
    assert len(gateway & catalog) > 50


def test_catalogues_are_rich() -> None:
    """Each service has its own words: dozens of messages, rare ones among them."""
    for service in SERVICES:
        messages = parse(service.logs[0].catalogue)
        texts = {m.text for m in messages}
        assert len(texts) >= 12, service.name
        assert any(m.daily and m.daily < 1 for m in messages), service.name
    everything = {m.text for s in SERVICES for g in s.logs for m in parse(g.catalogue)}
    assert len(everything) > 230


def test_every_message_can_be_written() -> None:
    """No message names a variable part that cannot be drawn, whatever its style."""
    words = {"host": "h-1", "service": "s", "callee": "c", "Callee": "C", "callee_port": "1"}
    words |= {"version": "1.0.0", "target": "c:1"}
    for service in SERVICES:
        for log in service.logs:
            tables = [log.catalogue, log.defects, *TROUBLE[log.family].values()]
            for message in (m for table in tables for m in parse(table)):
                template = lay_out(STYLES[log.style], message, words)
                assert "stamp" in DRAWS
                assert template.draws
    assert set(DRAWS) >= NUMERIC


def test_a_deploy_restarts_the_service() -> None:
    """After a deploy each instance says goodbye and then its new version."""
    shop = Shop(3, HOUR, HOUR + 600, changes=[deploy("cart", HOUR + 100, "9.8.7")])
    text: dict[str, bytes] = {}
    for item in shop.inputs():
        if isinstance(item, Block):
            text[item.stream.id] = text.get(item.stream.id, b"") + item.data
    for instance in ("shop:cart-1", "shop:cart-2"):
        assert 0 < text[instance].index(b"received SIGTERM") < text[instance].index(b"cart 9.8.7")
