"""Every channel on the shelf keeps the same promises, found by walking the registry."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from aiops.config import build_component
from aiops.errors import ConfigError
from aiops.notifiers import NOTIFIERS

SECRET = "hunter2hunter2"
MINIMAL: dict[str, dict[str, Any]] = {
    "stdout": {},
    "webhook": {"url": f"https://chat.example/{SECRET}", "secret": SECRET, "token": SECRET},
    "slack": {"url": f"https://hooks.slack.example/services/{SECRET}"},
    "slack_bot": {"channel": "C012", "token": f"xoxb-{SECRET}"},
    "teams": {"url": f"https://flows.example/workflows/{SECRET}"},
    "discord": {"url": f"https://discord.example/api/webhooks/1/{SECRET}"},
    "telegram": {"chat": "-100", "token": f"1:{SECRET}"},
    "mattermost": {"url": f"https://chat.example/hooks/{SECRET}"},
    "rocketchat": {"url": f"https://chat.example/hooks/1/{SECRET}"},
    "googlechat": {"url": f"https://chat.example/v1/spaces/1/messages?key={SECRET}"},
    "pagerduty": {"routing_key": SECRET},
    "ntfy": {"topic": "shop", "token": SECRET},
    "email": {
        "host": "mail.example",
        "sender": "aiops@shop.example",
        "to": ["oncall@shop.example"],
        "username": "aiops",
        "password": SECRET,
    },
    "exec": {"command": ["/bin/true", SECRET], "environment": {"KEY": SECRET}},
    "apprise": {"urls": [f"json://aiops:{SECRET}@hooks.example/x"]},
    "alertmanager": {"url": f"http://user:{SECRET}@alerts.example:9093", "token": SECRET},
}


def load(kind: str) -> type[Any]:
    module, _, name = NOTIFIERS[kind].partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


def build(kind: str, **more: object) -> Any:
    return build_component(load(kind), MINIMAL[kind] | more, f"notifiers.{kind}[0]")


every = pytest.mark.parametrize("kind", sorted(NOTIFIERS))


@every
def test_a_minimal_table_is_enough(kind: str) -> None:
    """A channel is built from the few keys it cannot guess, and says its name."""
    assert build(kind).name == kind
    assert build(kind, name="ops").name == "ops"


@every
def test_every_channel_has_the_common_keys(kind: str) -> None:
    """name, min_severity and timeout mean the same on every channel."""
    notifier = build(kind, min_severity="error", timeout="3s")

    assert (notifier.min_severity, notifier.timeout) == ("error", 3.0)
    assert build(kind).min_severity == "warning"


@every
def test_an_unknown_key_names_the_near_one(kind: str) -> None:
    """A misspelt key is one problem with its place and the remedy."""
    with pytest.raises(ConfigError) as caught:
        build(kind, tiemout="3s")

    assert caught.value.problems == [
        f'notifiers.{kind}[0].tiemout: unknown key; did you mean "timeout"?'
    ]


@every
@pytest.mark.parametrize("key", ["min_severity", "timeout"])
def test_a_wrong_value_names_its_key(kind: str, key: str) -> None:
    """A value that cannot be is one problem that names the key."""
    with pytest.raises(ConfigError) as caught:
        build(kind, **{key: "loud"})

    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"notifiers.{kind}[0].{key} = 'loud': ")


@every
async def test_the_protocol_holds(kind: str) -> None:
    """send takes one notification, send and close are coroutines, close may come first."""
    notifier = build(kind)

    assert list(inspect.signature(notifier.send).parameters) == ["notification"]
    assert inspect.iscoroutinefunction(notifier.send)
    await notifier.close()
    await notifier.close()


@every
def test_no_secret_is_printed(kind: str) -> None:
    """Neither repr nor str shows what opens the receiver."""
    notifier = build(kind)

    assert SECRET not in repr(notifier)
    assert SECRET not in f"{notifier}"


@every
def test_a_wrong_url_is_not_printed(kind: str) -> None:
    """A URL that cannot be used is refused without being shown."""
    if "url" not in {f.name for f in dataclasses.fields(load(kind)) if f.init}:
        return
    for url in (f"ftp://x/{SECRET}", f"{SECRET}", f"http://169.254.169.254/{SECRET}", ""):
        with pytest.raises(ConfigError) as caught:
            build(kind, url=url)

        assert SECRET not in str(caught.value)
        assert f"notifiers.{kind}[0].url" in str(caught.value)


@every
@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "100.100.100.200"])
def test_an_address_that_is_never_called_is_refused_as_written(kind: str, address: str) -> None:
    """Whether it is called a host or a URL, a link-local or metadata address is a problem."""
    names = {f.name for f in dataclasses.fields(load(kind)) if f.init}
    host = f"[{address}]" if ":" in address else address
    written = {"host": address, "url": f"http://{host}/x", "urls": [f"json://{host}/x"]}
    for key in names & set(written):
        with pytest.raises(ConfigError, match="never called"):
            build(kind, **{key: written[key]})


@every
def test_every_secret_can_come_from_a_file(kind: str, tmp_path: Path) -> None:
    """Every key that is a secret has a *_file twin, whose absence on disk is a clear error."""
    names = {f.name for f in dataclasses.fields(load(kind)) if f.init}
    for name in names & {"secret", "token", "password", "routing_key"}:
        assert f"{name}_file" in names
        table = {key: value for key, value in MINIMAL[kind].items() if key != name}
        missing = str(tmp_path / "absent.key")
        with pytest.raises(ConfigError, match="cannot be read"):
            build_component(load(kind), table | {f"{name}_file": missing}, "x")


@every
def test_private_state_is_not_configuration(kind: str) -> None:
    """What starts with an underscore cannot be set from a table."""
    for field in dataclasses.fields(load(kind)):
        assert field.init is not field.name.startswith("_") or field.name == "report"


@every
def test_channels_do_not_know_each_other(kind: str) -> None:
    """A channel imports no other channel."""
    spec = find_spec(NOTIFIERS[kind].partition(":")[0])
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {NOTIFIERS[other].partition(":")[0] for other in NOTIFIERS if other != kind}

    assert not imported & others
