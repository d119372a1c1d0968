"""What each receiver gets in an incident's life, byte for byte; run this file to write it anew.

A changed file under ``golden/`` is a changed message: read it before it is committed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from aiops.config import build_component
from aiops.notifiers import NOTIFIERS
from tests.unit.notifiers.receivers.shelf import RECEIVERS, receiver
from tests.unit.notifiers.receivers.stories import life, tell

FOLDER = Path(__file__).parent / "golden"
# Its bytes hold the time of sending, or are proven elsewhere.
ELSEWHERE = {"webhook", "alertmanager"}
KINDS = sorted(set(RECEIVERS) - ELSEWHERE)


def file_of(kind: str) -> Path:
    return FOLDER / f"{kind}.json"


async def said(kind: str, folder: Path) -> str:
    """Return everything that the stand-in of one kind was sent, as text for people."""
    one = receiver(kind, folder)
    async with one.running():
        module, _, name = NOTIFIERS[kind].partition(":")
        cls = getattr(import_module(module), name)
        notifier: Any = build_component(cls, one.table(), kind)
        await tell(notifier, life())
        await notifier.close()
    if kind == "email":
        return _shown([mail.decode("ascii").split("\r\n") for mail in one.mails])
    if kind == "exec":
        return _shown(one.told)
    return _shown([_request(call) for call in one.calls])


def _request(call: Any) -> dict[str, Any]:
    query = {"query": call.query} if call.query else {}
    return {"call": f"{call.method} {call.path}"} | query | {"said": call.said}


def _shown(value: Any) -> str:
    # Escaped, so that what is invisible is seen in a review.
    return json.dumps(value, indent=1) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            text = asyncio.run(said(kind, Path(folder)))
        file_of(kind).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{file_of(kind).name}\n")


if __name__ == "__main__":
    main()
