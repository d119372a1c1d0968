"""A seeded, simulated shop with known faults: for the demo, scenario tests and benchmarks."""

from aiops.shop.faults import KINDS, Effect, Fault
from aiops.shop.roster import CALLS
from aiops.shop.scenarios import SCENARIOS, demo, scenario
from aiops.shop.shop import Shop

__all__ = ["CALLS", "KINDS", "SCENARIOS", "Effect", "Fault", "Shop", "demo", "scenario"]
