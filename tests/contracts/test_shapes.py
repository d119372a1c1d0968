"""Every shape of log lines keeps its contract: severity survives, state is plain values."""

from __future__ import annotations

from itertools import combinations

import pytest

from aiops.decoding.kinds import KindCache
from aiops.decoding.shapes import SHAPES, Shape, find_shape, is_stamped, shape_from_state
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.detection.logs import LogDetection
from aiops.model import Block, LineKind, Stream

STREAM = Stream("file:/a", "file", "service:a", "service:a")
NEAR = 1_741_068_000.0

# What a human calls different severities, as each family of loggers writes them.
UPPER = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "FATAL")
LOWER = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")
PYTHON = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
STATUS = ("100", "204", "302", "404", "503")
TEXT = "order 4711 handled by worker 12 in zone west"

# name of the shape → name of the case → (line with one %s, levels)
CASES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "plain": {
        "iso": (f"2025-03-04T06:00:00.123Z %s {TEXT}", UPPER),
        "iso with a zone": (
            f"2025-03-04 06:00:00,123 +0200 [main] %s com.shop.Cart - {TEXT}",
            UPPER,
        ),
        "syslog": (f"Mar  4 06:00:00 web1 cart[321]: %s {TEXT}", UPPER),
        "python logging": (f"2025-03-04 06:00:00,123 - shop.cart - %s - {TEXT}", PYTHON),
        "python, level first": (f"%s:2025-03-04 06:00:00:shop.cart:{TEXT}", PYTHON),
        "log4j": (f"25/03/04 06:00:00 %s Cart: {TEXT}", UPPER),
        "hdfs": (f"250304 060000 123 %s dfs.Cart: {TEXT}", UPPER),
        "klog": (f"%s0304 06:00:00.123456   4711 cart.go:12] {TEXT}", ("I", "W", "E", "F")),
        "nginx error": (f"2025/03/04 06:00:00 [%s] 12#12: *5 {TEXT}", LOWER),
        "apache error": (f"[Tue Mar 04 06:00:00.123456 2025] [core:%s] [pid 9] {TEXT}", LOWER),
        "epoch": (f"1741068000.123 %s {TEXT}", UPPER),
        "postgres": (
            f"2025-03-04 06:00:00.123 UTC [99] %s:  {TEXT}",
            ("DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "LOG", "FATAL", "PANIC"),
        ),
        "jul": (f"2025-03-04 06:00:00 %s: {TEXT}", ("FINE", "CONFIG", "INFO", "WARNING", "SEVERE")),
    },
    "access": {
        "combined": (
            '1.2.3.4 - - [04/Mar/2025:06:00:00 +0000] "GET /cart/7?id=3 HTTP/1.1" %s 12 "-" "curl"',
            STATUS,
        ),
        "common": ('h - bob [04/Mar/2025:06:00:00 +0000] "POST /a HTTP/1.0" %s -', STATUS),
    },
    "syslog": {
        "3164": (f"<%s>Mar  4 06:00:00 web1 cart[9]: {TEXT}", tuple(str(24 + n) for n in range(8))),
        "5424": (
            f"<%s>1 2025-03-04T06:00:00Z web1 cart 9 - - {TEXT}",
            tuple(str(8 * 16 + n) for n in range(8)),
        ),
        "with a level in the text": (
            f"<%s>Mar  4 06:00:00 web1 cart[9]: ERROR {TEXT}",
            tuple(str(24 + n) for n in range(8)),
        ),
    },
    "json": {
        "pino": (
            f'{{"level":%s,"time":1741068000123,"pid":1,"msg":"{TEXT}"}}',
            ("10", "20", "30", "40", "50", "60"),
        ),
        "bunyan": (
            f'{{"name":"a","level":%s,"msg":"{TEXT}","time":"2025-03-04T06:00:00.123Z","v":0}}',
            ("10", "20", "30", "40", "50", "60"),
        ),
        "zap": (
            f'{{"level":"%s","ts":1741068000.12,"msg":"{TEXT}"}}',
            ("debug", "info", "warn", "error", "panic", "fatal"),
        ),
        "logback": (
            f'{{"@timestamp":"2025-03-04T06:00:00.1Z","level":"%s","message":"{TEXT}"}}',
            UPPER,
        ),
        "numeric strings": (
            f'{{"time":1741068000,"level":"%s","msg":"{TEXT}"}}',
            ("20", "30", "50"),
        ),
        "http status": ('{"ts":1741068000,"msg":"request done","status":%s}', STATUS[1:]),
        "http status under one level": (
            '{"ts":1741068000,"level":"info","msg":"request done","status":%s}',
            STATUS[1:],
        ),
        "docker": (
            f'{{"log":"%s {TEXT}\\n","stream":"stdout","time":"2025-03-04T06:00:00.1Z"}}',
            UPPER,
        ),
    },
    "logfmt": {
        "words": (f'time="2025-03-04T06:00:00Z" level=%s msg="{TEXT}"', (*LOWER, "trace", "fatal")),
        "words, key values": (f"ts=1741068000 level=%s a=b c=d msg={TEXT[:5]}", (*LOWER, "trace")),
        "numbers": (
            f'time="2025-03-04T06:00:00Z" level=%s msg="{TEXT}"',
            ("10", "20", "30", "40", "50", "60"),
        ),
        "http status": ("ts=1741068000 level=info method=GET path=/a status=%s", STATUS[1:]),
    },
    "cri": {
        "plain": (f"2025-03-04T06:00:00.123456789Z stdout F %s {TEXT}", UPPER),
        "json": (
            f'2025-03-04T06:00:00.123456789Z stderr F {{"level":"%s","msg":"{TEXT}"}}',
            ("debug", "info", "warn", "error", "fatal"),
        ),
    },
}
ALL = [
    pytest.param(line, levels, id=f"{shape}: {name}")
    for shape, cases in CASES.items()
    for name, (line, levels) in cases.items()
]


def _kinds(shape: Shape, lines: list[str]) -> list[LineKind]:
    keys = shape.read("".join(line + "\n" for line in lines).encode()).keys
    cache = KindCache()
    return [cache.resolve(shape, key) for key in keys]


def _shape(line: str) -> Shape:
    shape = find_shape(line.encode(), NEAR)
    assert shape is not None
    return shape


def test_every_shape_has_cases() -> None:
    """No shape is on the shelf without cases for its severities."""
    assert set(CASES) == set(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_line_tells_its_shape(name: str) -> None:
    """Every case is read by the shape it stands under, time included."""
    for line, levels in CASES[name].values():
        shape = _shape(line % levels[0])
        assert shape.name == name
        assert is_stamped(shape, (line % levels[0]).encode())


@pytest.mark.parametrize(("line", "levels"), ALL)
def test_severities_never_share_a_kind(line: str, levels: tuple[str, ...]) -> None:
    """Two lines that differ only in severity are never of one kind."""
    lines = [line % level for level in levels]
    kinds = _kinds(_shape(lines[0]), lines)
    for (a, one), (b, two) in combinations(zip(levels, kinds, strict=True), 2):
        assert one != two, f"{a} and {b} are both {one}"


@pytest.mark.parametrize(("line", "levels"), ALL)
def test_severities_never_share_a_template(line: str, levels: tuple[str, ...]) -> None:
    """Whatever is learned of lines that differ only in severity, their template ids differ."""
    logs = LogDetection()
    windows = StreamWindows(STREAM, WindowSettings(), KindCache())
    for variant in ("order", "queue", "stock", "parcel", "letter", "invoice"):
        data = "".join((line % level).replace("order", variant) + "\n" for level in levels)
        windows.add(Block(STREAM, data.encode(), "", -NEAR))
    for window in windows.flush():
        logs.judge(window, 6.0)
    shape = _shape(line % levels[0])
    kinds = _kinds(shape, [line % level for level in levels])
    ids = [logs.template_id("service:a", kind) for kind in kinds]
    assert None not in ids
    assert len(set(ids)) == len(levels)


@pytest.mark.parametrize(("line", "levels"), ALL)
def test_ids_that_are_read_away_change_no_kind(line: str, levels: tuple[str, ...]) -> None:
    """Keys without ids are fewer, and of the kinds that the keys with them are."""
    ids = ("6f3cbf058c2765548a39ad724905d6a1", "0b23bd3e-876a-4af3-b920-c50a90c90b04")
    lines = [
        line.replace("%s", level).replace(TEXT[:5], f"{TEXT[:5]} {some} ")
        for level in levels
        for some in ids
    ]
    data = "".join(text + "\n" for text in lines).encode()
    shape = _shape(lines[0])

    whole, reduced = shape.read(data).keys, shape.read(data, ids=True).keys

    cache = KindCache()
    assert len(set(reduced)) <= len(set(whole))
    assert [cache.resolve(shape, key) for key in whole] == [
        cache.resolve_many(shape, [key], reduced=True)[key] for key in reduced
    ]


@pytest.mark.parametrize(("line", "levels"), ALL)
def test_a_saved_shape_reads_the_same(line: str, levels: tuple[str, ...]) -> None:
    """A shape rebuilt from its plain values reads the same keys and times."""
    data = "".join(line % level + "\n" for level in levels).encode()
    shape = _shape(line % levels[0])
    again = shape_from_state(shape.to_state())
    if shape.stamps is not None and again.stamps is not None:
        again.stamps.near = shape.stamps.near  # the stream's business
    one, two = shape.read(data), again.read(data)
    assert (one.keys, one.seconds) == (two.keys, two.seconds)
    assert None not in one.seconds


@pytest.mark.parametrize("name", SHAPES)
def test_a_block_is_its_lines(name: str) -> None:
    """A block of any lines of a shape, strangers among them, says what its lines say alone."""
    rows = [line % level for line, levels in CASES[name].values() for level in levels]
    rows += [
        "",
        "\tat a.b(C.java:1)",
        "x\x00 12",
        "2025-03-04T06:00:00.1Z stdout F",
        '{"msg":',
        "[1]",
    ]
    rows += [f"2025-03-04T06:00:0{n}.1Z stdout {flag} {TEXT}" for n, flag in enumerate("PPFF")]
    rows += ['{"log":"{\\"msg\\":\\"in\\"}\\n","stream":"stdout"}'] * 5
    data = [f"{row}\n".encode() for row in rows + rows[::-1]]
    for line, levels in CASES[name].values():
        whole, alone = (_shape(line % levels[0]) for _ in range(2))
        together = whole.read(b"".join(data))
        each = [alone.read(row) for row in data]
        assert together.raw == [raw for one in each for raw in one.raw]
        assert together.keys == [key for one in each for key in one.keys]
        assert together.seconds == [second for one in each for second in one.seconds]
        assert together.unreadable == sum(one.unreadable for one in each)
        assert together.partial == sum(one.partial for one in each)
        assert whole.to_state() == alone.to_state()
