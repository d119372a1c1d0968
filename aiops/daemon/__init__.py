"""The one composition root: parts, tasks, a graceful stop and a reload that validates first."""

from aiops.daemon.life import Daemon

__all__ = ["Daemon"]
