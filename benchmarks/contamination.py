"""Say how many sessions may be bad from the start on before that counts as usual.

Run: `python benchmarks/contamination.py`. There is no clean period and no label: of 2,500 sessions
of a made flow a share fails in one manner (a step lost, two exchanged, one made too often, an error
line of forty kinds, one of four thousand), or in any of the first four. After the first 500, at the
shipped alpha: the share of the bad that is found, and of the good that is flagged, mean of five
seeds.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors.sessions import SESSION_ALPHA, Session, SessionDetector

SHARES = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.30)
SESSIONS, LEARNS = 2500, 500
SEEDS = range(5)

Steps = list[str]


def _usual(rng: random.Random) -> Steps:
    middle = [step for step in ("read", "write") for _ in range(rng.randint(1, 3))]
    return ["open", "auth", *middle, "close"]


def _lost(steps: Steps, rng: random.Random) -> None:
    steps.pop(rng.randrange(len(steps)))


def _exchanged(steps: Steps, rng: random.Random) -> None:
    at = rng.randrange(len(steps) - 1)
    steps[at], steps[at + 1] = steps[at + 1], steps[at]


def _many(steps: Steps, rng: random.Random) -> None:
    steps += [rng.choice(steps)] * rng.randint(5, 14)


def _error(steps: Steps, rng: random.Random, kinds: int = 40) -> None:
    steps.insert(rng.randrange(len(steps)), f"error {rng.randrange(kinds)}")


def _never_seen(steps: Steps, rng: random.Random) -> None:
    _error(steps, rng, 4000)


def _any(steps: Steps, rng: random.Random) -> None:
    rng.choice((_lost, _exchanged, _many, _error))(steps, rng)


MANNERS: dict[str, Callable[[Steps, random.Random], None]] = {
    "a step lost": _lost,
    "two steps exchanged": _exchanged,
    "a step too often": _many,
    "an error of 40 kinds": _error,
    "an error of 4,000 kinds": _never_seen,
    "any of the first four": _any,
}


def flagged(manner: Callable[[Steps, random.Random], None], share: float) -> tuple[float, float]:
    """Return the shares of bad and of good sessions that are flagged."""
    seen, told = [0, 0], [0, 0]
    for seed in SEEDS:
        rng, detector = random.Random(seed), SessionDetector()
        for n in range(SESSIONS):
            steps, bad = _usual(rng), rng.random() < share
            if bad:
                manner(steps, rng)
            session = Session(steps, 2.0 + rng.random())
            value = detector.score(session).value
            detector.learn(session)
            if n >= LEARNS and value is not None:
                seen[bad] += 1
                told[bad] += value >= SESSION_ALPHA
    return told[1] / max(seen[1], 1), told[0] / max(seen[0], 1)


def main() -> None:
    print("sessions: share of the bad that is found / of the good that is flagged")
    print(f"{'bad from the start on':<26}" + "".join(f"{share:>15.0%}" for share in SHARES))
    for name, manner in MANNERS.items():
        cells = [flagged(manner, share) for share in SHARES]
        row = "".join(f"{f'{found:.2f} / {wrong:.3f}':>15}" for found, wrong in cells)
        print(f"{name:<26}{row}")


if __name__ == "__main__":
    main()
