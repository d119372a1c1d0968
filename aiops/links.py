"""Links that let the reader of a message act once: signed, for a while, and only when pressed.

A link carries what it permits and a signature over it, so nothing is stored until it is used.
The signature is HMAC-SHA256 (RFC 2104) under a secret of this installation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

import msgspec

PATH = "/act"
SECRET = 32  # bytes, or characters of a file, at the least
LONGEST = 2000  # characters of a token; ours have about 150
_PURPOSE = b"aiops link 1\0"  # what is signed for this can be used for nothing else


class Verb(StrEnum):
    """What the reader of a message may do with one press, in the order of how often they do."""

    ACK = "ack"
    NOISE = "noise"
    USEFUL = "useful"
    WRONG_CAUSE = "wrong-cause"
    EXPECTED = "expected-until"


LABELS = {
    Verb.ACK: "Acknowledge",
    Verb.NOISE: "Noise",
    Verb.USEFUL: "Useful",
    Verb.WRONG_CAUSE: "Wrong cause",
    Verb.EXPECTED: "Expected",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """Name one thing that a reader may do, as a button would, and where it leads."""

    verb: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Permit:
    """State what a link permits until ``until``; ``nonce`` is the same however it is written."""

    incident: str
    verb: Verb
    receiver: str
    until: float
    nonce: str


class LinkError(ValueError):
    """Refuse a token: ``expired``, or not one of ours."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "not a link of this installation")
        self.expired = expired


def base_of(external_url: str) -> str:
    """Return where readers reach the daemon; what is markup in some chat must not end it there."""
    return quote(external_url.rstrip("/"), safe=":/?#[]@!$&'()*+,;=%~")


class Links:
    """Make and read links under one *secret*; each counts for *lasts* seconds."""

    def __init__(self, secret: bytes, lasts: float) -> None:
        self._secret = secret
        self._lasts = lasts

    def offers(
        self, base: str, incident: str, receiver: str, verbs: Iterable[Verb], at: float
    ) -> tuple[Offer, ...]:
        """Return a link for each verb, as of *at*; the same arguments give the same links."""
        until = math.ceil(at + self._lasts)
        return tuple(
            Offer(verb, LABELS[verb], f"{base}{PATH}?token={token}")
            for verb in verbs
            for token in (self._token(incident, verb, receiver, until),)
        )

    def read(self, token: str, now: float) -> Permit:
        """Return what a token permits at *now*; raise ``LinkError`` when it permits nothing."""
        said, _, signed = token[: LONGEST + 1].partition(".")
        body, given = _bytes(said), _bytes(signed)
        if len(token) > LONGEST or body is None or given is None:
            raise LinkError(expired=False)
        mark = self._sign(body)
        if not hmac.compare_digest(mark, given):
            raise LinkError(expired=False)
        incident, verb, receiver, until = msgspec.json.decode(body, type=tuple[str, Verb, str, int])
        if now >= until:
            raise LinkError(expired=True)
        # Of the signature and not of the text: base64 has several spellings of the same bytes.
        nonce = hashlib.blake2b(mark, digest_size=16).hexdigest()
        return Permit(incident, verb, receiver, until, nonce)

    def _token(self, incident: str, verb: Verb, receiver: str, until: int) -> str:
        body = msgspec.json.encode((incident, verb, receiver, until))
        return f"{_text(body)}.{_text(self._sign(body))}"

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, _PURPOSE + body, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
