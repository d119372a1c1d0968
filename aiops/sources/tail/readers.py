"""Remember who reads which file, and how far files were read that nobody reads any more."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from aiops.sources.tail.identity import FileId, Mark, holds

if TYPE_CHECKING:
    from aiops.sources.tail.reading import TailedFile

_REMEMBERED: Final = 1024


class Readers:
    """Give every (device, inode) to one reader, whatever the number of its names.

    The last 1024 finished files are remembered with their marks, so a rotated file that a glob
    finds under its new name, or a link that is pointed back, goes on where it was left.
    """

    def __init__(self) -> None:
        self._owner: dict[FileId, str] = {}
        self._done: OrderedDict[FileId, Mark] = OrderedDict()

    def free(self, file_id: FileId, owner: str) -> bool:
        return self._owner.get(file_id, owner) == owner

    def take(self, file: TailedFile, owner: str) -> bool:
        """Claim a file; ``False`` when somebody else reads it."""
        return self._owner.setdefault(file.id, owner) == owner

    def give_back(self, file: TailedFile, *, finished: bool) -> None:
        """Close a file and let others have it; *finished* remembers how far it was read."""
        self._owner.pop(file.id, None)
        if finished:
            self._done[file.id] = file.mark()
            self._done.move_to_end(file.id)
            while len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)
        file.close()

    def known(self, file: TailedFile) -> bool:
        """Move a file that was read before to where it was left; ``False`` when it was not."""
        mark = self._done.get(file.id)
        if mark is None or file.fd is None or not holds(file.fd, mark):
            return False
        file.seek(mark.offset, cutting=mark.cutting)
        return True

    def read_before(self, status: os.stat_result) -> bool:
        """Tell whether a file of this status was read to its end already."""
        mark = self._done.get((status.st_dev, status.st_ino))
        return mark is not None and mark.offset == status.st_size
