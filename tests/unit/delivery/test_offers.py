"""What a message lets its reader say depends on where its incident is in its life."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.delivery import offered, verbs_of
from aiops.links import Links, Verb
from aiops.model import Notification, State, Transition, TransitionKind
from aiops.storage.pictures import decode_notification, encode_notification
from tests.unit.storage.nouns import AT, transition

K = TransitionKind
OPINIONS = {Verb.NOISE, Verb.USEFUL, Verb.WRONG_CAUSE, Verb.EXPECTED}


def at(kind: K, state: State) -> Transition:
    told = transition(kind)
    return replace(told, incident=replace(told.incident, state=state))


@pytest.mark.parametrize(
    ("kind", "state", "verbs"),
    [
        (K.OPENED, State.OPEN, {Verb.ACK, *OPINIONS}),
        (K.REOPENED, State.OPEN, {Verb.ACK, *OPINIONS}),
        (K.ACKNOWLEDGED, State.ACKNOWLEDGED, OPINIONS),
        (K.RESOLVED, State.RESOLVED, OPINIONS),
        (K.MERGED, State.CLOSED, set()),
    ],
)
def test_what_can_be_said(kind: K, state: State, verbs: set[Verb]) -> None:
    """Nobody is asked to take what is taken or over, nor to judge what goes on elsewhere."""
    assert set(verbs_of(at(kind, state))) == verbs


def test_a_storm_can_only_be_taken() -> None:
    """A storm is no pattern: it has no cause and is no noise."""
    told = at(K.OPENED, State.OPEN)
    storm = replace(told, incident=replace(told.incident, id="storm_1"))

    assert verbs_of(storm) == (Verb.ACK,)


def test_links_are_kept_with_the_message() -> None:
    """What waits in the outbox has the links that it was committed with, also after a crash."""
    plain = Notification("k", "ops", at(K.OPENED, State.OPEN), "title", "body")
    made = offered(plain, Links(b"k" * 32, 60.0), "https://aiops.example/", AT)

    assert decode_notification(encode_notification(made)) == made
    assert {offer.url.partition("?")[0] for offer in made.offers} == {"https://aiops.example/act"}


def test_a_message_of_an_older_version_is_read() -> None:
    """What an older version left in the outbox is sent without links."""
    plain = Notification("k", "ops", transition(K.OPENED), "title", "body")
    old = encode_notification(plain).replace(b',"offers":[]', b"")

    assert decode_notification(old) == plain
