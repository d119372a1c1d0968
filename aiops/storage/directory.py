"""The state directory: where it is, who may use it, and what happens when it cannot be written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aiops.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOCK = "aiops.lock"
_DATABASE = "aiops.db"
_RESERVE = "reserve"
_LINK_KEY = "link.key"
# Room for the messages of an hour or two: a full disk is an incident that must be told.
_RESERVED = 2**20
# What a directory says that is there, but will not take our files.
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO}


def resolve_directory(configured: str, env: Mapping[str, str]) -> Path:
    """Return where the state lives: the configured place, systemd's, or the XDG state home."""
    if configured:
        return Path(os.path.expandvars(configured)).expanduser().absolute()
    # systemd separates several directories by colons; the first one is ours.
    given = env.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given).absolute()
    home = Path(env["HOME"]) if env.get("HOME") else Path("~").expanduser()
    xdg = Path(env.get("XDG_STATE_HOME", ""))
    # The XDG specification tells to ignore relative paths.
    return (xdg if xdg.is_absolute() else home / ".local" / "state") / "aiops"


@dataclass(slots=True)
class StateDirectory:
    """Hold one directory for this process alone, until ``close``.

    ``degraded`` is ``None``, or why nothing can be written here (then the state lives in memory
    and what the directory holds is only read).
    """

    path: Path
    degraded: str | None = None
    _lock: int | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: Path, *, or_memory: bool = False) -> StateDirectory:
        """Create and lock *path*; raise ``StateError`` when another process holds it.

        A directory that cannot be written raises ``StateError`` too, unless *or_memory* asks
        for a degraded one.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(path, None, _hold(path))
        except OSError as e:
            reason = os.strerror(e.errno) if e.errno is not None else str(e)
            if or_memory and e.errno in _UNWRITABLE:
                return cls(path, reason)
            raise StateError(
                f"state.directory = {str(path)!r}: cannot be used ({reason}); "
                "make it a directory this user may write, or set another one"
            ) from e

    @property
    def database(self) -> Path:
        """Return the path of the SQLite file."""
        return self.path / _DATABASE

    def models(self, generation: int) -> Path:
        """Return the path of the model file of one generation."""
        return self.path / f"models-{generation}.bin"

    def generations(self) -> Iterator[int]:
        """Yield the number of every model file that exists, in no order."""
        with contextlib.suppress(OSError):
            for path in self.path.glob("models-*.bin"):
                number = path.name.removeprefix("models-").removesuffix(".bin")
                if number.isascii() and number.isdigit():
                    yield int(number)

    def link_key(self, size: int) -> bytes | None:
        """Return the secret of this installation, made once; ``None`` where it cannot be kept."""
        path = self.path / _LINK_KEY
        try:
            known = path.read_bytes()
            if len(known) >= size:
                return known
        except FileNotFoundError:
            pass
        except OSError:
            return None
        if self.degraded is not None:
            return None
        # Whole or not there at all: half a key would be easier to guess.
        made, new = secrets.token_bytes(size), self.path / f"{_LINK_KEY}.new"
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, made)
                os.fsync(fd)
            finally:
                os.close(fd)
            new.replace(path)
        except OSError:
            return None
        return made

    def keep_reserve(self) -> None:
        """Hold some space back for the time when the disk is full; nothing when it is already."""
        path = self.path / _RESERVE
        if self.degraded is not None or path.exists():
            return
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, _RESERVED)
            finally:
                os.close(fd)
        except OSError:
            # A reserve that takes the last space away from others is worse than none.
            with contextlib.suppress(OSError):
                path.unlink()

    def release_reserve(self) -> bool:
        """Give the space held back to whoever writes next; return whether there was any."""
        try:
            (self.path / _RESERVE).unlink()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let the lock go; safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _hold(path: Path) -> int:
    """Lock the directory and write our pid for whoever comes second."""
    fd = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The pid is a courtesy: the lock holds on a full disk too.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except BlockingIOError:
        pid = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise StateError(
            f"another aiops (pid {pid}) already runs on {path}; stop it or set state.directory"
        ) from None
    except OSError:
        os.close(fd)
        raise
    return fd
