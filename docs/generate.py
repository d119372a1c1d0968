#!/usr/bin/env python3
"""Write the reference documents from the code: ``make docs``; ``--check`` says what is stale.

``configs/reference.toml`` and ``docs/configuration.md`` come from the fixed tables of
``aiops.config`` and from the fields of every source and channel (the string below a field is its
description), ``docs/metrics.md`` from ``aiops.telemetry``, and the numbers of
``docs/detection.md`` (the table of constants, the plain words) from the modules that hold them.
``--demo`` puts what ``aiops demo --seed 1`` prints into the README.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from plain import plain_words
from reference import GENERATED, configuration, reference

from aiops import telemetry

ROOT = Path(__file__).resolve().parent.parent

# --- metrics --------------------------------------------------------------------------------

METRICS = f"""\
# Metrics of the daemon

<!-- {GENERATED} -->

At `/metrics`, in the Prometheus text format, beside the usual `process_...` and `python_...` ones.
Labels have bounded values. [operations.md](operations.md) says which of them are worth an alert.

| metric | type | labels | what it says |
| --- | --- | --- | --- |"""


def metrics() -> str:
    """Return ``docs/metrics.md``."""
    out = [METRICS]
    for name, kind, labels, text in sorted(_metrics()):
        shown = ", ".join(f"`{label}`" for label in labels)
        out.append(f"| `{name}` | {kind} | {shown} | {text} |")
    return "\n".join(out) + "\n"


def _metrics() -> Iterable[tuple[str, str, list[str], str]]:
    for node in ast.walk(ast.parse(inspect.getsource(telemetry))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        kind = node.func.id.lower()
        if kind not in ("counter", "gauge", "histogram") or len(node.args) < 2:
            continue
        name, text, *rest = (ast.literal_eval(one) for one in node.args)
        yield name + "_total" * (kind == "counter"), kind, rest[0] if rest else [], text


# --- constants of detection -------------------------------------------------------------------

# Where each one stands and what it is; a renamed one is an error here, so that the page is read.
CONSTANTS = (
    ("detectors.bank_look", "WARMUP", "samples before a series says anything"),
    ("detectors.bank_learn", "CALM_AFTER", "calm samples in a row that end a departure"),
    ("detectors.bank_learn", "USEFUL", "share of the spread a season must leave to be used"),
    ("detectors.bank_learn", "USELESS", "share of it from which it is used no more"),
    ("detectors.bank_learn", "RAMP", "seconds over which a season comes into use"),
    ("detectors.bank:SeriesBank", "memory", "seconds of long memory"),
    ("detectors.bank:SeriesBank", "flag", "surprise that begins a departure"),
    ("detectors.bank:SeriesBank", "accept_after", "seconds until a departure is the new normal"),
    ("detectors.level", "STILL", "share of its size that is one step of a series at rest"),
    ("detectors.level", "OUTLIER", "deviations beyond which a value moves no estimate further"),
    ("detectors.shift", "SHARE", "weight of one sample in the mean that finds shifts"),
    ("detectors.season", "TRUSTED", "passes of a slot before it is believed"),
    ("detectors.week", "SETTLED", "seconds of life through which parts of the week have one base"),
    ("detectors.week", "PROVEN", "seconds of life after which a week is no guess"),
    ("detectors.week", "USEFUL", "share of the usual day's error a week may leave and be used"),
    ("detectors.growth", "SPEED", "speed at which noise that grows with the level is learned"),
    ("detectors.calibrate", "TAIL_SHARE", "share of samples above the tracked point"),
    ("detectors.calibrate", "PRIOR_COUNT", "weight of the prior tail, in exceedances"),
    ("detectors.calibrate", "DOUBT", "standard error to spare in every estimated tail"),
    ("detectors.calibrate", "LIGHT_SHAPE", "tail of a mean of clipped samples"),
    ("detectors.calibrate", "CLIP", "mean excesses that one exceedance teaches at most"),
    ("detectors.sessions", "SESSION_ALPHA", "surprise from which a session is an anomaly"),
    ("detectors.sessions", "MEMORY", "sessions after which one has lost 1/e of its weight"),
    ("detectors.sessions", "WARMUP", "sessions before one is judged"),
    ("detectors.novelty", "WARMUP_WINDOWS", "windows of a workload before a new line is weighed"),
    ("detectors.novelty", "MOST_RECURRENCE", "decades that coming again adds at most"),
    ("aiops.detection.firsts", "KEEP_TELLING", "seconds a new line stays news while it recurs"),
    ("aiops.detection.rarity", "APART", "seconds without a line that end an episode"),
    ("aiops.detection.rarity", "RARE", "seconds between episodes from which on a line is rare"),
    ("aiops.detection.siblings", "FEWEST", "instances that one of them can be unlike"),
    ("aiops.detection.siblings", "MINORITY", "one instance in so many may be unlike the others"),
    ("aiops.detection.mixes", "EVERY", "seconds between two looks at a mix"),
    ("detectors.mix", "ENOUGH", "lines that the distance of a mix needs"),
    ("aiops.detection.parameters", "STEADY", "lines in a window that make a kind steady"),
    ("aiops.detection.parameters", "FEWEST", "samples that judging a number in lines needs"),
    ("detectors.parameters", "STUDY", "lines that tell which numbers are measurements"),
    ("aiops.detection.flows", "FEWEST_LINES", "lines before the share of errors says anything"),
    ("aiops.detection.rows", "EVIDENCE_MARGIN", "decades below the threshold that still confirm"),
    ("aiops.detection.rows", "EVIDENCE_FLOOR", "least surprise of any anomaly"),
    ("aiops.detection.together", "TOGETHER_EVERY", "seconds between two looks at an entity"),
    ("aiops.detection.named", "MAX_NAMED", "series with a River detector of their own"),
    ("aiops.detection.named", "FLAG", "surprise from which such a value is evidence"),
    ("aiops.detection.flows", "SELDOM_QUIET", "share of quiet minutes below which lines count"),
    ("aiops.detection.flows", "PAUSE_MEMORY", "seconds over which quiet minutes are remembered"),
    ("aiops.detection.table", "FORGET", "seconds unseen after which a full table forgets"),
    ("detectors.mahalanobis", "MEMORY", "looks over which what goes together is forgotten"),
    ("aiops.detection.together", "MAX_TOGETHER", "series of one entity seen together"),
    ("aiops.detection.histograms", "ENOUGH", "observations that a quantile of 99 % needs"),
    ("aiops.detection.saturation", "REACH", "forecast over the length of the line it extends"),
    ("aiops.detection.saturation", "WATCHED", "forecast over the time the series was watched"),
    ("aiops.detection.saturation", "HORIZON", "longest forecast, in seconds"),
    ("aiops.detection.saturation", "HIGHER", "share of the room left at a peak that must be gone"),
    ("aiops.detection.states", "CONFIRM", "seconds that a bad state must last to be told"),
    ("aiops.detection.missing", "FOR", "seconds after which a metric is missing"),
    ("aiops.detection.versions", "AROUND", "seconds unseen after which a version is new again"),
    ("aiops.detection.versions", "TOGETHER", "seconds in which all labels tell of one deploy"),
    ("aiops.detection.versions", "RESTLESS", "changes a day from which it is no version"),
    ("aiops.correlation.gate", "YOUNG", "samples before a series may open an incident alone"),
    ("aiops.correlation.gate", "BELIEVED", "decades beyond what it saw that a young series says"),
    ("aiops.correlation.gate", "DEPENDENT", "weight of evidence that shares causes"),
    ("aiops.correlation.gate", "COMPANY", "decades asked on top where only all pieces suffice"),
    ("aiops.correlation.gate", "USAGE", "decades asked on top of work alone"),
    ("aiops.correlation.first_week", "MANY", "others that shift in their first week: the calendar"),
    ("aiops.correlation.first_week", "NIGHT", "seconds in which they are counted"),
    ("aiops.correlation.gate", "LASTING", "seconds that work alone must be unusual"),
    ("aiops.correlation.gate", "COMMON", "entities whose work rises together: traffic"),
    (
        "aiops.correlation.suspects",
        "CHANGE_REACH",
        "seconds before its onset a change may be a cause",
    ),
    ("aiops.correlation.saturation", "FULL", "percent of a resource from which it is full"),
    ("aiops.correlation.spans", "SUPPORT", "calls seen before a learned one is believed"),
    ("aiops.correlation.spans", "MEMORY", "seconds over which seen calls fade"),
    ("aiops.incidents.inhibition", "SURE", "share of belief from which a suspect is the root"),
    ("aiops.incidents.firing", "PERSISTS", "seconds of signs, or a sample, until a series fires"),
    ("aiops.incidents.firing", "STATES", "last states in which flapping is looked for"),
    ("aiops.incidents.firing", "HIGH", "share of changes of state from which a series flaps"),
    ("aiops.incidents.firing", "LOW", "share of changes of state below which it does no more"),
    ("aiops.incidents.firing", "CALM", "times its longest pause after which it is calm"),
    ("aiops.incidents.firing", "LASTS", "times its usual length: a departure outlasts it"),
    ("aiops.incidents.opening", "TOGETHER", "seconds within which evidence is counted together"),
    (
        "aiops.incidents.ledger:LedgerSettings",
        "patience",
        "seconds a story may gather before it is told",
    ),
    (
        "aiops.incidents.ledger:LedgerSettings",
        "grace",
        "seconds after a change for its own new lines",
    ),
    (
        "aiops.incidents.ledger:LedgerSettings",
        "reopen_within",
        "seconds in which the same is not new",
    ),
)
FROM, TO = "<!-- constants: generated -->", "<!-- end of constants -->"
PLAIN, PLAIN_END = "<!-- generated from plain.md.in -->", "<!-- end of plain words -->"


def detection() -> str:
    """Return ``docs/detection.md`` with the values that the code holds now."""
    rows = ["| constant | value | what it is |", "| --- | --- | --- |"]
    for place, name, text in CONSTANTS:
        rows.append(f"| `{place.replace(':', '.')}.{name}` | {_value(place, name):g} | {text} |")
    now = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    now = _between(now, PLAIN, PLAIN_END, f"\n{plain_words()}\n")
    return _between(now, FROM, TO, "\n".join(rows))


def _value(place: str, name: str) -> float:
    module, _, cls = place.partition(":")
    holder: Any = importlib.import_module(module)
    try:
        if cls:
            value = inspect.signature(getattr(holder, cls)).parameters[name].default
        else:
            value = getattr(holder, name)
    except (AttributeError, KeyError):
        raise SystemExit(f"{place}.{name} is gone: read docs/detection.md again") from None
    return float(value)


def _between(text: str, begin: str, end: str, body: str) -> str:
    head, begun, rest = text.partition(begin)
    _, ended, tail = rest.partition(end)
    if not (begun and ended):
        raise SystemExit(f"the marks {begin} and {end} are missing")
    return f"{head}{begin}\n{body}\n{end}{tail}"


# --- the README's demo ----------------------------------------------------------------------

BEGIN, END = "<!-- demo output: generated -->", "<!-- end of demo output -->"
SHOWN = 30


def with_demo(readme: str) -> str:
    """Return the README with what the demo prints between its two marks."""
    command = [sys.executable, "-m", "aiops", "demo", "--seed", "1"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return _between(readme, BEGIN, END, f"```\n{_excerpt(printed)}\n```")


def _excerpt(printed: str) -> str:
    """Return the last incident from its opening on, and say how much is left out around it."""
    lines = printed.rstrip().splitlines()
    first = max((n for n, line in enumerate(lines) if line.startswith("OPENED")), default=0)
    while first and lines[first - 1].startswith("-- "):
        first -= 1
    last = first + SHOWN
    left = len(lines) - last
    before = [f"... {first} line{'s' * (first != 1)} before"] * (first > 0)
    after = [f"... {left} more line{'s' * (left != 1)}"] * (left > 0)
    return "\n".join([*before, *lines[first:last], *after])


# --- the face -------------------------------------------------------------------------------

DOCUMENTS = {
    "configs/reference.toml": reference,
    "docs/configuration.md": configuration,
    "docs/metrics.md": metrics,
    "docs/detection.md": detection,
}


def stale() -> list[str]:
    """Return a short difference for each document that is not what the code says."""
    found = []
    for name, make in DOCUMENTS.items():
        path = ROOT / name
        now = path.read_text(encoding="utf-8") if path.exists() else ""
        changed = difflib.unified_diff(now.splitlines(), make().splitlines(), name, name, "", "", 0)
        found += ["\n".join(list(changed)[:12])] if now != make() else []
    return found


def main() -> int:
    """Write the documents, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    parser.add_argument("--demo", action="store_true", help="renew the README's demo output too")
    args = parser.parse_args()
    if args.check:
        found = stale()
        for one in found:
            sys.stdout.write(one + "\n")
        if found:
            sys.stdout.write("stale documents: run `make docs`\n")
        return 1 if found else 0
    for name, make in DOCUMENTS.items():
        (ROOT / name).write_text(make(), encoding="utf-8")
    if args.demo:
        readme = ROOT / "README.md"
        readme.write_text(with_demo(readme.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
