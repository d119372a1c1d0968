"""What is known of one workload: its templates, how often it says new or rare things, its mix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from aiops.detection.mix_state import MixOf
from aiops.detection.rarity import Returns
from detectors.novelty import NoveltyRate
from detectors.templates import TemplateMiner


@dataclass(slots=True)
class Fresh:
    """One template in the time after its first sight."""

    since: float
    base: float
    count: float = 0.0
    instances: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Workload:
    """What one workload says: its templates by severity, and how often it says new things.

    ``entity`` is whom its anomalies are about when they are about all of its instances.
    """

    entity: str
    miners: dict[int, TemplateMiner] = field(default_factory=dict)
    novelty: NoveltyRate = field(default_factory=lambda: NoveltyRate(5))
    words: set[bytes] = field(default_factory=set)
    fresh: dict[str, Fresh] = field(default_factory=dict)
    returns: Returns = field(default_factory=Returns)
    mix: MixOf = field(default_factory=MixOf)

    def to_state(self, prefix: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values and arrays named with *prefix*."""
        miners: dict[int, Any] = {}
        arrays: dict[str, NDArray[Any]] = {}
        for severity, miner in sorted(self.miners.items()):
            state, parts = miner.to_state()
            miners[severity] = state
            arrays |= {f"{prefix}{severity}.{key}": value for key, value in parts.items()}
        header = {
            "miners": miners,
            "novelty": self.novelty.to_state(),
            "words": sorted(self.words),
            "fresh": [
                [key, f.since, f.base, f.count, sorted(f.instances)]
                for key, f in self.fresh.items()
            ],
            "returns": self.returns.to_state(),
            "entity": self.entity,
            "mix": self.mix.to_state(),
        }
        return header, arrays

    @classmethod
    def from_state(
        cls, saved: dict[str, Any], arrays: dict[str, NDArray[Any]], prefix: str
    ) -> Workload:
        """Rebuild exactly what ``to_state`` described."""
        self = cls(
            entity=saved["entity"],
            mix=MixOf.from_state(saved["mix"]),
            novelty=NoveltyRate.from_state(saved["novelty"]),
            words=set(saved["words"]),
            fresh={key: Fresh(at, base, n, set(on)) for key, at, base, n, on in saved["fresh"]},
            returns=Returns.from_state(saved["returns"]),
        )
        for severity, state in saved["miners"].items():
            own = f"{prefix}{severity}."
            parts = {
                key.removeprefix(own): value for key, value in arrays.items() if key.startswith(own)
            }
            self.miners[int(severity)] = TemplateMiner.from_state(state, parts)
        return self
