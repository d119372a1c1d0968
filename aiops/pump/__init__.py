"""The way from the loop to the engine thread and back."""

from aiops.pump.again import Journaled, Pending
from aiops.pump.pump import Pump
from aiops.pump.results import EngineDiedError, Figures, Result

__all__ = ["EngineDiedError", "Figures", "Journaled", "Pending", "Pump", "Result"]
