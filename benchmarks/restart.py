"""From the start of the process to the first judged line, over the state of a grown engine.

Run ``python benchmarks/restart.py``. A child makes and saves a cut of 10,000 series, 1,000 files
and 5,000 templates; further children start cold, import, load, restore, and judge one window of
a file and one scrape. Time is wall clock from before the interpreter starts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).resolve().parent))
ROUNDS = 5
FLOOR = 3.0


def save(folder: Path) -> None:
    import _state  # noqa: PLC0415 - the timed child must not import it

    from aiops.model import Cut  # noqa: PLC0415
    from aiops.storage import StateDirectory, Store  # noqa: PLC0415

    engine, _, cursors = _state.grown()
    directory = StateDirectory.open(folder)
    store = Store.open(directory, lambda *_, **__: None)
    assert store.cuts.save(Cut(cursors, 0, 0, engine.to_sections()), _state.START) is not None
    store.close()
    directory.close()


def resume(folder: Path, began: float) -> None:
    marks = {"interpreter": time.time() - began}
    import aiops.daemon  # noqa: PLC0415 - what `aiops run` imports is part of the time
    import aiops.web.app  # noqa: F401, PLC0415
    from aiops.engine import Engine, EngineSettings  # noqa: PLC0415
    from aiops.storage import StateDirectory, Store  # noqa: PLC0415

    marks["imports"] = time.time() - began
    directory = StateDirectory.open(folder)
    store = Store.open(directory, lambda *_, **__: None)
    cut = store.cuts.load()
    assert cut is not None
    marks["loaded"] = time.time() - began
    engine = Engine(EngineSettings())
    cold = engine.restore(cut.sections)
    marks["restored"] = time.time() - began
    import random  # noqa: PLC0415

    import _state  # noqa: PLC0415

    from aiops.model import Points, Series, SeriesSet  # noqa: PLC0415

    rng = random.Random(1)
    for window in range(3, 6):
        engine.feed(_state.block(0, _state.START + 10.0 * window, _state.texts(0), rng))
    series = tuple(Series("service:shop", f"fresh_{i}") for i in range(100))
    values = _state.np.array([rng.random() for _ in series])
    engine.metrics.judge(Points("s", _state.START + 600.0, SeriesSet(series), values), 4.0)
    marks["first score"] = time.time() - began
    store.close()
    directory.close()
    print(json.dumps({"marks": marks, "cold": cold}))


def main() -> int:
    if sys.argv[1:2] == ["--save"]:
        save(Path(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["--resume"]:
        resume(Path(sys.argv[2]), float(sys.argv[3]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--save", folder], check=True)
        found = []
        for _ in range(ROUNDS):
            command = [sys.executable, __file__, "--resume", folder, repr(time.time())]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found.append(json.loads(out))
    found.sort(key=lambda run: run["marks"]["first score"])
    print(f"seconds since the start of the process, best of {ROUNDS} and median; floor {FLOOR}")
    for mark in found[0]["marks"]:
        middle = found[ROUNDS // 2]["marks"][mark]
        print(f"{mark:14}{found[0]['marks'][mark]:8.2f}{middle:8.2f}")
    print("cold parts:", ", ".join(found[0]["cold"]) or "none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
