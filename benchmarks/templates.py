"""Compare the template miner with Drain3 and logfold: accuracy, speed, and a novel stream.

Run ``python benchmarks/templates.py [accuracy|speed|hostile|constants]``. The data is found by
AIOPS_SHARED (default: ``../shared`` beside the checkout); without it only ``hostile`` runs.
Clock speed of small machines drifts, so only the ratios inside one table mean something.

Speed is told twice: ``aiops`` counts lines by template, ``ids`` also lists the id of every line, as
logfold has to (it learns a window of lines, then matches them). Both peers get lines in memory,
already decoded; aiops splits and decodes blocks of bytes itself.
"""

from __future__ import annotations

import argparse
import collections
import csv
import dataclasses
import gzip
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectors.collapse import collapse_digits, collapse_ids
from detectors.masking import Masker
from detectors.template_fields import Evidence
from detectors.templates import TemplateMiner

SYSTEMS = [
    *("HDFS", "Spark", "Zookeeper", "BGL", "HPC"),
    *("HealthApp", "Apache", "OpenSSH", "OpenStack", "Mac"),
]
SHARED = Path(os.environ.get("AIOPS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LOGS = SHARED / "data" / "logs"
BLOCK = 256 * 1024
# What Drain3's example configuration masks: ids, addresses, sequences, hex and decimal numbers.
_LEFT, _RIGHT = r"((?<=[^A-Za-z0-9])|^)", r"((?=[^A-Za-z0-9])|$)"
DRAIN_MASKS = [
    (_LEFT + r"(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))" + _RIGHT, "ID"),
    (_LEFT + r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})" + _RIGHT, "IP"),
    (_LEFT + r"([0-9a-f]{6,} ?){3,}" + _RIGHT, "SEQ"),
    (_LEFT + r"([0-9A-F]{4} ?){4,}" + _RIGHT, "SEQ"),
    (_LEFT + r"(0x[a-f0-9A-F]+)" + _RIGHT, "HEX"),
    (_LEFT + r"([\-\+]?\d+)" + _RIGHT, "NUM"),
]


class Reader:
    """Turn text into template counts the way the engine does: blocks, keys, masks, windows."""

    def __init__(
        self, *, window: int = 50_000, evidence: Evidence | None = None, assign: bool = False
    ) -> None:
        self.masker = Masker()
        self.miner = TemplateMiner("bench", evidence=evidence)
        self.window = window
        self.known: dict[bytes, bytes] = {}
        self.counts: collections.Counter[bytes] = collections.Counter()
        self.open_lines = 0
        self.at = 0.0
        self.dense = 0
        self.ids: dict[bytes, str] = {}
        self.assign = assign
        self.open_forms: list[bytes] = []
        self.assigned: list[str] = []

    def feed(self, block: bytes) -> None:
        keys = collapse_digits(block)
        if self.dense:
            self.dense -= 1
            keys = collapse_ids(keys)
        lines = keys.split(b"\n")
        lines.pop()
        counts = collections.Counter(lines)
        fresh = [key for key in counts if key not in self.known]
        if fresh:
            if len(fresh) * 4 > len(lines):
                self.dense = 64
            if len(self.known) > 65_536:
                self.known = {k: self.known[k] for k in counts if k in self.known}
            self.known.update(zip(fresh, self.masker.mask_many(fresh), strict=True))
        for key, count in counts.items():
            self.counts[self.known[key]] += count
        if self.assign:
            self.open_forms += map(self.known.__getitem__, lines)
        self.open_lines += len(lines)
        if self.open_lines >= self.window:
            self.close()

    def close(self) -> None:
        self.at += 10.0
        self.ids.update(self.miner.learn(self.counts.items(), self.at))
        self.assigned = list(map(self.ids.__getitem__, self.open_forms))
        self.open_forms.clear()
        self.counts.clear()
        self.open_lines = 0
        if len(self.ids) > 65_536:
            self.ids.clear()


def blocks_of(data: bytes) -> list[bytes]:
    blocks, at = [], 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + BLOCK) + 1 or data.find(b"\n", at) + 1 or len(data)
        blocks.append(data[at:end])
        at = end
    return blocks


def templates_of(
    lines: list[str], *, window: int = 50_000, evidence: Evidence | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return the final template id of every line and the text of every id."""
    reader = Reader(window=window, evidence=evidence)
    masked: list[bytes] = []
    for start in range(0, len(lines), window):
        some = lines[start : start + window]
        data = b"".join(line.replace("\n", " ").encode() + b"\n" for line in some)
        keys = collapse_digits(data).split(b"\n")[:-1]
        forms = reader.masker.mask_many(keys)
        reader.counts.update(forms)
        reader.close()
        masked += forms
    ids = [reader.miner.resolve(reader.ids[form]) for form in masked]
    return ids, {t.id: t.text for t in reader.miner.templates()}


def drain() -> Any:
    from drain3 import TemplateMiner as Drain  # noqa: PLC0415  # an optional peer
    from drain3.masking import MaskingInstruction  # noqa: PLC0415
    from drain3.template_miner_config import TemplateMinerConfig  # noqa: PLC0415

    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(p, m) for p, m in DRAIN_MASKS]
    config.profiling_enabled = False
    return Drain(config=config)


def drain_templates(lines: list[str]) -> tuple[list[str], dict[str, str]]:
    miner = drain()
    ids = [str(miner.add_log_message(line)["cluster_id"]) for line in lines]
    return ids, {str(c.cluster_id): c.get_template() for c in miner.drain.clusters}


def has_logfold() -> bool:
    return importlib.util.find_spec("logfold") is not None


def logfold_lines(lines: list[str], window: int = 50_000) -> tuple[list[str], Any]:
    """Return the id of every line at the end of its window, and the miner."""
    from logfold import Miner  # noqa: PLC0415  # an optional peer

    miner = Miner()
    ids: list[str] = []
    for start in range(0, len(lines), window):
        some = lines[start : start + window]
        miner.add_many(some)
        ids = [found.id if found else "" for found in miner.match_many(some)]
    return ids, miner


def logfold_templates(lines: list[str]) -> tuple[list[str], dict[str, str]]:
    ids, miner = logfold_lines(lines)
    return ids, {t.id: t.text for t in miner.result().templates}


def scorer() -> Callable[..., dict[str, float]]:
    path = SHARED / "tools" / "template_score.py"
    spec = importlib.util.spec_from_file_location("template_score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., dict[str, float]] = module.score
    return found


def labelled(system: str) -> tuple[list[str], list[str], list[str]]:
    path = LOGS / "templates" / f"{system}_2k.structured_corrected.csv.gz"
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
    return [[row[c] for row in rows] for c in ("Content", "EventId", "EventTemplate")]  # type: ignore[return-value]


def accuracy() -> None:
    score = scorer()
    peers = {"aiops": templates_of, "Drain3": drain_templates}
    if has_logfold():
        peers["logfold"] = logfold_templates
    print(f"{'accuracy':12}" + "".join(f"{name + ' GA':>12}{'FGA':>7}{'FTA':>7}" for name in peers))
    totals = [0.0] * 3 * len(peers)
    for system in SYSTEMS:
        lines, groups, texts = labelled(system)
        row = []
        for mine in peers.values():
            ids, text = mine(lines)
            result = score(groups, ids, text, texts)
            row += [result["GA"], result["FGA"], result["FTA"]]
        totals = [t + r / len(SYSTEMS) for t, r in zip(totals, row, strict=True)]
        _accuracy_row(system, row)
    _accuracy_row("mean", totals)


def _accuracy_row(name: str, row: list[float]) -> None:
    print(f"{name:12}" + "".join(f"{n:{7 if i % 3 else 12}.3f}" for i, n in enumerate(row)))


def constants() -> None:
    """Show how the mean over the systems moves with each constant of the evidence."""
    score = scorer()
    data = {system: labelled(system) for system in SYSTEMS}
    base = Evidence()
    trials = [("default", base)]
    for name, values in {
        "wild": (2, 3),
        "unit": (2, 3),
        "named": (2, 3, 4),
        "name": (2, 3, 4, 5),
        "word": (3, 4, 5, 6, 8),
        "deciding": (6, 12, 24),
        "first": (3, 5, 10, 20),
        "anchors": (3, 4, 5, 6, 8, 100),
    }.items():
        trials += [(f"{name}={v}", dataclasses.replace(base, **{name: v})) for v in values]
    for label, evidence in trials:
        means = collections.Counter[str]()
        for lines, groups, texts in data.values():
            ids, text = templates_of(lines, evidence=evidence)
            for key, value in score(groups, ids, text, texts).items():
                means[key] += value / len(data)  # type: ignore[assignment]
        print(f"{label:12} GA {means['GA']:.3f} FGA {means['FGA']:.3f} FTA {means['FTA']:.3f}")


def _read_lines(name: str) -> list[bytes]:
    if name == "hdfs":
        return gzip.decompress((LOGS / "hdfs/hdfs_events.log.gz").read_bytes()).split(b"\n")[:-1]
    if name == "lo2":
        runs = sorted((LOGS / "lo2").glob("correct_*.tsv.gz"))
        lines = b"".join(gzip.decompress(run.read_bytes()) for run in runs).split(b"\n")[:-1]
        return [line.partition(b"\t")[2] for line in lines]
    if name == "nezha":
        path = LOGS / "nezha_trainticket/2023-01-29.logs.jsonl.gz"
        records = gzip.decompress(path.read_bytes()).splitlines()
        return [json.loads(r)["log"].replace("\n", " ").encode() for r in records]
    seed = random.Random(name)
    lines = [line.encode() for line in labelled(name)[0]]
    digits = [bytes([seed.choice(b"123456789")]) for _ in range(4096)]
    out = []
    for line in lines * 250:
        mapped = bytes.maketrans(b"0123456789", b"".join(seed.choices(digits, k=10)))
        out.append(line.translate(mapped))
    return out


FLOORS = {
    "hdfs": (40, 1.5),
    "BGL": (40, 1.5),
    "OpenSSH": (40, 1.5),
    "lo2": (12, 0.6),
    "nezha": (12, 0.6),
}


def speed() -> None:
    print(
        f"\n{'speed':9}{'lines':>8}{'aiops us':>10}{'ids us':>8}{'Drain3 us':>11}{'ratio':>8}"
        f"{'logfold us':>12}{'ratio':>8}{'templates':>11}"
    )
    for name, (floor, beside) in FLOORS.items():
        lines = _read_lines(name)
        blocks = blocks_of(b"\n".join(lines) + b"\n")
        text = [line.decode("utf-8", "replace") for line in lines]
        best = dict.fromkeys(("aiops", "ids", "drain", "logfold"), float("inf"))
        found = 0
        for _ in range(2):
            for what, assign in (("aiops", False), ("ids", True)):
                reader = Reader(assign=assign)
                start = time.process_time()
                for block in blocks:
                    reader.feed(block)
                reader.close()
                best[what] = min(best[what], (time.process_time() - start) / len(lines))
                found = len(reader.miner.templates())
            miner = drain()
            start = time.process_time()
            for line in text[:20_000]:
                miner.add_log_message(line)
            best["drain"] = min(best["drain"], (time.process_time() - start) / 20_000)
            if has_logfold():
                start = time.process_time()
                logfold_lines(text)
                best["logfold"] = min(best["logfold"], (time.process_time() - start) / len(lines))
        ours, ids, theirs, fold = (1e6 * best[key] for key in ("aiops", "ids", "drain", "logfold"))
        print(
            f"{name:9}{len(lines):8}{ours:10.2f}{ids:8.2f}{theirs:11.2f}{theirs / ours:7.1f}x"
            f"{fold:12.2f}{fold / ids:7.2f}x{found:11}   floors {floor}x, {beside}x",
            flush=True,
        )
    print("logfold's ratio is to ids; its floor is a goal on lo2 and nezha")


def hostile() -> None:
    seed = random.Random(7)
    words = ["".join(seed.choices("abcdefghijklmnopqrstuvwxyz", k=k % 9 + 2)) for k in range(5000)]
    text = [" ".join(seed.choices(words, k=seed.randint(3, 40))).encode() for _ in range(100_000)]
    reader = Reader(window=5_000)
    quarters, memory = [], []
    for q in range(4):
        blocks = blocks_of(b"\n".join(text[q * 25_000 : (q + 1) * 25_000]) + b"\n")
        start = time.process_time()
        for block in blocks:
            reader.feed(block)
        quarters.append(25_000 / (time.process_time() - start))
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    reader.close()
    miner = reader.miner
    assert sum(t.count for t in miner.templates()) == len(text)
    print("\nhostile: 100,000 lines of 3-40 random words, nothing repeats")
    print("lines/s by quarter:", *(f"{q:,.0f}" for q in quarters), "peak MiB:", *memory)
    print(
        f"last/first {quarters[-1] / quarters[0]:.2f}; templates {len(miner.templates())}, "
        f"refused {miner.refused}, evicted {miner.evicted}"
    )


def main() -> int:
    parts = {"accuracy": accuracy, "speed": speed, "hostile": hostile, "constants": constants}
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "parts", nargs="*", help=f"of: {', '.join(parts)}; default: all but the last"
    )
    wanted = parser.parse_args().parts or ["accuracy", "speed", "hostile"]
    if unknown := set(wanted) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    peers = ["drain3", "logfold"] if has_logfold() else ["drain3"]
    versions = ", ".join(f"{peer} {importlib.metadata.version(peer)}" for peer in peers)
    print(f"Python {platform.python_version()}, {versions}, {platform.machine()}")
    if not has_logfold():
        print("logfold is not installed: its columns are missing or infinite")
    if not LOGS.exists():
        print(f"no data in {LOGS}: set AIOPS_SHARED; only the hostile stream is run")
        wanted = ["hostile"]
    for name in wanted:
        parts[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
