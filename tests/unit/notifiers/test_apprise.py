"""Services behind apprise: an extra, imported late, told once each."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from aiops.assembly import build
from aiops.config import Settings, build_component
from aiops.errors import ConfigError, Transient
from aiops.model import TransitionKind
from aiops.notifiers.apprise import AppriseNotifier, message
from aiops.notifiers.wording import octets
from tests.unit.notifiers.receivers.apprise import Apprise
from tests.unit.notifiers.receivers.service import SECRET
from tests.unit.notifiers.receivers.stories import life, long, offering, told

if TYPE_CHECKING:
    from pathlib import Path

URL = f"json://aiops:{SECRET}@hooks.example/x"
OPENED = told(TransitionKind.OPENED)


def made(**table: Any) -> AppriseNotifier:
    return build_component(AppriseNotifier, table, "notifiers.apprise[0]")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who configures it without the package is told what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(ConfigError, match=r"pip install 'aiopsd\[apprise\]'"):
        made(urls=[URL])


def test_it_is_imported_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that is only checked does not pay for the library."""

    def never(name: str) -> None:
        raise AssertionError(name)

    monkeypatch.setattr("aiops.notifiers.apprise.importlib.import_module", never)

    assert made(urls=[URL])._services == []


def test_urls_come_from_a_file(tmp_path: Path) -> None:
    """One a line, remarks and empty lines left out."""
    file = tmp_path / "apprise.urls"
    file.write_text(f"# ours\n{URL}\n\n  json://other.example  \n")

    assert made(urls_file=str(file))._urls == (URL, "json://other.example")
    with pytest.raises(ConfigError, match="missing; set urls or urls_file"):
        made()


async def test_what_a_service_took_is_not_sent_to_it_again(tmp_path: Path) -> None:
    """While one service is down the other hears of a message once, and of the next one too."""
    well, down = Apprise(tmp_path), Apprise(tmp_path, mood="down")
    async with well.running(), down.running():
        notifier = made(urls=well.table()["urls"] + down.table()["urls"])
        for _ in range(2):
            with pytest.raises(Transient, match="not taken by JSON") as caught:
                await notifier.send(OPENED)
            assert caught.value.reason == "not_taken"
        down.mood = "well"
        await notifier.send(OPENED)
        await notifier.send(life()[2])

        assert [len(one.calls) for one in (well, down)] == [2, 2]
        assert [call.said["type"] for call in well.calls] == ["failure", "success"]


async def test_a_busy_service_is_tried_again_by_our_own_clock(tmp_path: Path) -> None:
    """Apprise keeps `Retry-After` to itself: nothing is known of when, so the pace backs off."""
    async with (one := Apprise(tmp_path, mood="busy")).running():
        assert "Retry-After" in one.busy().headers
        with pytest.raises(Transient, match="not taken by JSON") as caught:
            await made(**one.table()).send(OPENED)

    assert (caught.value.after, caught.value.reason) == (None, "not_taken")


def test_updates_are_for_those_who_ask() -> None:
    """What cannot be changed in place is told when it begins and when it ends."""
    tables = [{"name": "a", "urls": [URL]}, {"name": "b", "urls": [URL], "updates": True}]
    routes = build(Settings(notifiers={"apprise": tables})).routes

    assert {route.name: route.updates for route in routes} == {"a": False, "b": True}


@pytest.mark.parametrize("room", [10, 160, 280, 500, 4000])
def test_a_small_service_gets_what_fits(room: int) -> None:
    """Title and text together are never more than a service takes, and never nothing."""
    head, body = message(offering(long()), room)

    assert head
    assert body
    if room >= 160:
        assert octets(f"{head}\r\n{body}") <= room
    if room >= 500:
        assert "more lines" in body


def test_an_address_in_a_file_is_refused_without_being_shown(tmp_path: Path) -> None:
    """A metadata address is a problem by its place in the list."""
    file = tmp_path / "apprise.urls"
    file.write_text(f"{URL}\njson://{SECRET}@169.254.169.254/\n")

    with pytest.raises(ConfigError, match=r"urls\[1\]: link-local") as caught:
        made(urls_file=str(file))
    assert SECRET not in str(caught.value)
