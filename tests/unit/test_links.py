"""A link permits one thing to one receiver for a while, and only its own installation made it."""

from __future__ import annotations

import base64
import contextlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from aiops.links import LONGEST, LinkError, Links, Verb, base_of

NOW = 1_700_000_000.5
WEEK = 604_800.0
LINKS = Links(b"s" * 32, WEEK)


def token(links: Links = LINKS, verb: Verb = Verb.ACK, at: float = NOW) -> str:
    (offer,) = links.offers("https://aiops.example/ops", "inc_1", "chat", [verb], at)
    parts = urlsplit(offer.url)
    assert (parts.netloc, parts.path) == ("aiops.example", "/ops/act")
    return parse_qs(parts.query)["token"][0]


@pytest.mark.parametrize("verb", list(Verb))
def test_a_link_permits_what_it_was_made_for(verb: Verb) -> None:
    """Incident, verb and receiver come back as they went in."""
    permit = LINKS.read(token(verb=verb), NOW)

    assert (permit.incident, permit.verb, permit.receiver) == ("inc_1", verb, "chat")
    assert NOW + WEEK <= permit.until < NOW + WEEK + 1


def test_the_same_message_has_the_same_links() -> None:
    """A message that is written down again is the same message."""
    assert token() == token()
    assert token(at=NOW + 2) != token()


def test_a_link_expires() -> None:
    """After its time a link says that it expired, and permits nothing."""
    with pytest.raises(LinkError) as caught:
        LINKS.read(token(), NOW + WEEK + 1)

    assert caught.value.expired


def test_every_changed_character_is_noticed() -> None:
    """No single character can be changed so that the link permits something else."""
    good = token()
    known = LINKS.read(good, NOW)
    accepted = 0
    for place in range(len(good)):
        for char in {"A", "-", "."} - {good[place]}:
            with contextlib.suppress(LinkError):
                permit = LINKS.read(good[:place] + char + good[place + 1 :], NOW)
                accepted += 1
                # Base64 has spare bits at its ends: another spelling of the same, used as one.
                assert permit == known

    assert accepted <= 6


def test_another_installation_made_another_link() -> None:
    """A link is no link where the secret is another one."""
    with pytest.raises(LinkError):
        Links(b"t" * 32, WEEK).read(token(), NOW)


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "\x00", "=" * 50, "a" * 10_000, "💥.💥"])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Whatever stands there, it is refused and nothing breaks."""
    with pytest.raises(LinkError) as caught:
        LINKS.read(text, NOW)

    assert not caught.value.expired


def test_a_signed_text_of_another_purpose_is_no_link() -> None:
    """The signature covers what it is for, so nothing else that is signed becomes a link."""
    import hashlib
    import hmac

    body = json.dumps(["inc_1", "ack", "chat", int(NOW + 60)]).encode()
    mark = hmac.digest(b"s" * 32, body, hashlib.sha256)
    parts = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (body, mark)]

    with pytest.raises(LinkError):
        LINKS.read(".".join(parts), NOW)


def test_a_long_name_still_fits() -> None:
    """The longest receiver and incident that make sense leave a token that is read."""
    (offer,) = LINKS.offers("https://a", "i" * 255, "r" * 255, [Verb.NOISE], NOW)

    assert len(offer.url) < LONGEST
    assert LINKS.read(offer.url.partition("token=")[2], NOW).incident == "i" * 255


def test_an_address_ends_where_a_chat_would_end_it() -> None:
    """What is markup in some chat is quoted in the base."""
    assert base_of("https://aiops.example/a b<|>/") == "https://aiops.example/a%20b%3C%7C%3E"
