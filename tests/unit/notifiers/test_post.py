"""A post is bounded, follows nobody, and never shows the receiver's address."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from aiops.errors import Rejected, Transient
from aiops.notifiers.post import (
    ANSWER_LIMIT,
    Answer,
    Poster,
    asking,
    refused,
    said,
    told_to_wait,
    under,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/hook/hunter2?key=hunter2"


async def post(poster: Poster, url: str) -> None:
    target = SecretStr(url + PATH)
    poster.judge(target, await poster.post(target, b"{}", {}), "said")


@pytest.fixture
def poster(closing: Callable[[Any], Any]) -> Poster:
    return closing(Poster("ops", 2.0, lambda: 1_767_225_600.0))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("status", "header", "error", "reason", "after"),
    [
        (429, "7", Transient, "rate_limited", 7.0),
        (429, "0.5", Transient, "rate_limited", 0.5),
        (429, "Thu, 01 Jan 2026 00:00:30 GMT", Transient, "rate_limited", 30.0),
        (429, "Thu, 01 Jan 2015 00:00:30 GMT", Transient, "rate_limited", 0.0),
        (429, "999999999", Transient, "rate_limited", 3600.0),
        (429, "-3", Transient, "rate_limited", 0.0),
        (429, "nan", Transient, "rate_limited", None),
        (429, "soon", Transient, "rate_limited", None),
        (429, None, Transient, "rate_limited", None),
        (503, "9", Transient, "server", 9.0),
        (500, None, Transient, "server", None),
        (408, None, Transient, "server", None),
        (400, None, Rejected, "status", None),
        (401, None, Rejected, "auth", None),
        (403, None, Rejected, "auth", None),
        (404, None, Rejected, "gone", None),
        (410, None, Rejected, "gone", None),
        (413, None, Rejected, "too_large", None),
    ],
)
async def test_the_status_decides_what_comes_next(
    receiver: Any,
    poster: Poster,
    *,
    status: int,
    header: str | None,
    error: type[Exception],
    reason: str,
    after: float | None,
) -> None:
    """429, 5xx and 408 are tried again, when the receiver says; any other refusal is final."""
    headers = {} if header is None else {"Retry-After": header}
    receiver.answers.append(web.Response(status=status, headers=headers, text="hunter2"))

    with pytest.raises(error) as caught:
        await post(poster, receiver.url)

    assert caught.value.reason == reason  # type: ignore[attr-defined]
    assert getattr(caught.value, "after", None) == after
    assert re.fullmatch(
        rf'notifier "ops": 127\.0\.0\.1:\d+: answered {status} \(said\)', str(caught.value)
    )


async def test_a_redirect_is_not_followed(receiver: Any, second: Any, poster: Poster) -> None:
    """A redirect is refused, with the remedy, and its target hears nothing."""
    receiver.answers.append(web.Response(status=307, headers={"Location": second.url}))

    with pytest.raises(Rejected, match="redirects are not followed, write the final URL"):
        await post(poster, receiver.url)

    assert second.seen == []


async def test_a_silent_receiver_times_out(mute: Any, closing: Any) -> None:
    """A receiver that accepts and says nothing costs the timeout and is tried again."""
    with pytest.raises(Transient) as caught:
        await post(closing(Poster("ops", 0.05)), mute.url)

    assert caught.value.reason == "timeout"
    assert "no answer within 0.05 s" in str(caught.value)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 2", b"\xff\x00 nonsense\r\n\r\n"])
async def test_a_broken_answer_is_tried_again(mute: Any, poster: Poster, first: bytes) -> None:
    """Hanging up early, half an answer and nonsense are all a broken connection."""
    mute.first, mute.hang_up = first, True

    with pytest.raises(Transient) as caught:
        await post(poster, mute.url)

    assert caught.value.reason == "connection"
    assert "hunter2" not in str(caught.value)


async def test_a_closed_port_is_tried_again(poster: Poster) -> None:
    """Nobody listening is a connection error that names the host alone."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Transient, match=r"127\.0\.0\.1:\d+: no connection") as caught:
            await post(poster, f"http://127.0.0.1:{taken.getsockname()[1]}")

    assert caught.value.reason == "connection"


async def test_an_answer_without_end_is_cut(receiver: Any, poster: Poster) -> None:
    """Only the first bytes of an answer are kept."""
    receiver.answers.append(web.Response(body=b"x" * (5 * ANSWER_LIMIT)))

    answer = await poster.post(SecretStr(receiver.url), b"", {})

    assert answer.body == b"x" * ANSWER_LIMIT


async def test_a_body_that_hangs_after_200_is_not_sent_again(mute: Any, closing: Any) -> None:
    """Once the status is known the outcome is known: a stuck body is no reason to repeat."""
    mute.first = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"

    await post(closing(Poster("ops", 0.05)), mute.url)


async def test_an_inflating_answer_stays_small(receiver: Any, poster: Poster) -> None:
    """A compressed answer is not inflated."""
    receiver.answers.append(web.Response(body=b"zz", headers={"Content-Encoding": "gzip"}))

    assert (await poster.post(SecretStr(receiver.url), b"", {})).body == b"zz"


async def test_no_error_has_the_address_in_its_chain(receiver: Any, poster: Poster) -> None:
    """Neither the message nor a chained error shows path, query or user of the URL."""
    receiver.answers.append(web.Response(status=500))

    with pytest.raises(Transient) as caught:
        await post(poster, receiver.url.replace("http://", "http://bob:hunter2@"))

    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_the_user_in_a_url_becomes_a_header(receiver: Any, poster: Poster) -> None:
    """user:password@ in a URL is sent as basic authorization."""
    await post(poster, receiver.url.replace("http://", "http://bob:hunter2@"))

    assert receiver.seen[0].headers["Authorization"] == "Basic Ym9iOmh1bnRlcjI="


async def test_a_poster_can_be_closed_and_used_again(receiver: Any, poster: Poster) -> None:
    """Closing is not for ever: a reload may close and a late retry may still come."""
    await post(poster, receiver.url)
    await poster.close()
    await post(poster, receiver.url)

    assert len(receiver.seen) == 2


async def test_localhost_may_be_called_by_name(receiver: Any, poster: Poster) -> None:
    """localhost, written as such, is allowed."""
    await post(poster, receiver.url.replace("127.0.0.1", "localhost"))

    assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    ("address", "word"),
    [("169.254.169.254", "never called"), ("127.0.0.1", "write localhost")],
)
async def test_a_name_is_judged_by_what_it_resolves_to(
    poster: Poster, monkeypatch: pytest.MonkeyPatch, address: str, word: str
) -> None:
    """A harmless name that leads to a forbidden address is refused before connecting."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))]

    async def resolve(*_: object, **__: object) -> list[Any]:
        return found

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)

    with pytest.raises(Rejected, match=word) as caught:
        await post(poster, "http://chat.example")

    assert caught.value.reason == "address"


async def test_an_unknown_name_is_tried_again(
    poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not found now may be found later."""

    async def resolve(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)

    with pytest.raises(Transient, match="name not found") as caught:
        await post(poster, "http://chat.example")

    assert caught.value.reason == "dns"


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "100.100.100.200"),
        *("fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),
        *("224.0.0.1", "168.63.129.16"),
    ],
)
def test_metadata_addresses_are_never_called(address: str) -> None:
    """Link-local and metadata addresses are refused in every spelling, also as written."""
    assert "never called" in refused(address, address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::ffff:7f00:1"])
def test_this_machine_must_be_written(address: str) -> None:
    """Loopback is for those who wrote loopback."""
    assert refused(address, address) == ""
    assert refused("localhost", address) == ""
    assert refused("chat.example", address) != ""


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "1.1.1.1", "2606:4700::1"])
def test_other_addresses_may_be_called(address: str) -> None:
    """Private networks are where most receivers live."""
    assert refused("chat.example", address) == ""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"[1]", {}),
        (b'{"a": ', {}),
        (b"", {}),
        (b"\xff\xfe", {}),
        (b"<html>", {}),
    ],
)
def test_an_answer_is_an_object_or_nothing(body: bytes, found: dict[str, Any]) -> None:
    """What is no whole JSON object says nothing."""
    assert said(Answer(200, body, None)) == found


@pytest.mark.parametrize(
    ("seconds", "after"),
    [(1.5, 1.5), (7, 7.0), (1e9, 3600.0), (-1, 0.0), ("9", 3.0), (None, 3.0), (True, 3.0)],
)
def test_a_wait_in_the_body_counts_when_it_is_a_number(seconds: object, after: float) -> None:
    """A number in the body replaces the header's wait, within bounds; anything else does not."""
    assert told_to_wait(Answer(429, b"", 3.0), seconds).after == after


def test_addresses_keep_their_query() -> None:
    """A path goes before the query of a webhook, and more query behind it."""
    hook = SecretStr("https://a.example/hook/?thread=1")

    assert under(hook, "/messages/2").get_secret_value() == (
        "https://a.example/hook/messages/2?thread=1"
    )
    assert asking(hook, wait="true").get_secret_value() == (
        "https://a.example/hook/?thread=1&wait=true"
    )


async def test_another_method_may_be_asked_for(receiver: Any, poster: Poster) -> None:
    """What was posted can be changed: the method is the channel's to say."""
    await poster.post_json(SecretStr(receiver.url), {"a": 1}, {"X": "y"}, method="PATCH")

    (seen,) = receiver.seen
    assert (seen.body, seen.headers["X"]) == (b'{"a":1}', "y")
    assert seen.headers["Content-Type"].startswith("application/json")
