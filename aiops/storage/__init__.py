"""The state on the disk: one SQLite file and the model files of the last cuts."""

from aiops.storage.audit import AuditRow
from aiops.storage.cuts import Cuts
from aiops.storage.database import StoreError
from aiops.storage.directory import StateDirectory, resolve_directory
from aiops.storage.history import History, Moment
from aiops.storage.inputs import Inputs, JournalEntry, Once, SpentError
from aiops.storage.outbox import DeadLetter, Outbox, Waiting
from aiops.storage.reporting import Report
from aiops.storage.sections import SectionProblem, Written, read_sections, write_sections
from aiops.storage.store import Store

__all__ = [
    "AuditRow",
    "Cuts",
    "DeadLetter",
    "History",
    "Inputs",
    "JournalEntry",
    "Moment",
    "Once",
    "Outbox",
    "Report",
    "SectionProblem",
    "SpentError",
    "StateDirectory",
    "Store",
    "StoreError",
    "Waiting",
    "Written",
    "read_sections",
    "resolve_directory",
    "write_sections",
]
