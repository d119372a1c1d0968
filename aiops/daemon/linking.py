"""The secret under which this installation signs its links: configured, kept, or for this life."""

from __future__ import annotations

import secrets

from aiops.assembly import link_secret
from aiops.links import SECRET, Links
from aiops.storage import Report, StateDirectory
from aiops.tables import Web


def links_of(web: Web, directory: StateDirectory | None, report: Report) -> Links | None:
    """Return what makes and reads links, ``None`` when no reader could follow one.

    Raises ``ConfigError`` when the configured secret cannot be used.
    """
    if not web.external_url or not web.listen:
        return None
    secret = link_secret(web)
    if secret is None and directory is not None:
        secret = directory.link_key(SECRET)
        if secret is None:
            report("links_not_kept", "unwritable", path=str(directory.path))
    return Links(secret or secrets.token_bytes(SECRET), web.link_expires)
