"""Errors named for what to do next; messages name key, value and remedy."""

from __future__ import annotations


class AiopsError(Exception):
    """Say in one line what went wrong and what to do; never shown as a traceback."""


class ConfigError(AiopsError):
    """Fix the configuration: one line per problem in ``problems``."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StateError(AiopsError):
    """Repair or move the state directory: locked, unreadable or from a newer version."""


class SourceGone(AiopsError):
    """Report the source as its own fact and try it again later; other sources go on."""


class Transient(AiopsError):
    """Retry the delivery: ``after`` seconds at the earliest, ``None`` means back off."""

    def __init__(self, message: str, *, after: float | None = None, reason: str = "error") -> None:
        super().__init__(message)
        self.after = after
        self.reason = reason


class Rejected(AiopsError):
    """Give the delivery up: the receiver will never take this message."""

    def __init__(self, message: str, *, reason: str = "rejected") -> None:
        super().__init__(message)
        self.reason = reason
