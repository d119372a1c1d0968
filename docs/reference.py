"""What can be configured, read from the code, and the two documents that say it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from aiops.assembly import load
from aiops.config import Settings
from aiops.notifiers import NOTIFIERS
from aiops.sources import SOURCES

WIDTH = 100
SHELVES = {"sources": SOURCES, "notifiers": NOTIFIERS}
REQUIRED = object()

# Shown where a key has no default, or an empty one that says nothing.
EXAMPLES: dict[str, object] = {
    "web.external_url": "https://aiops.example",
    "web.alerts_token": "a long random text",
    "web.alerts_token_file": "alerts.key",
    "state.directory": "/var/lib/aiops",
    "templates.directory": "templates",
    "topology.calls": {"checkout": ["cart", "payment"]},
    "metrics.match": "shop_queue_*",
    "metrics.limit": 10_000,
    "metrics.detector": "river.anomaly.LODA",
    "metrics.params": {"n_random_cuts": 50},
    "sessions.name": "request",
    "sessions.field": "trace_id",
    "alerting.escalate_to": ["pagerduty"],
    "maintenance.match": "db*",
    "maintenance.cron": "0 3 * * sun",
    "maintenance.duration": "2h",
    "sources.file.paths": ["/var/log/shop/*.log"],
    "sources.file.exclude": ["*.debug.log"],
    "sources.file.labels": {"service": "shop"},
    "sources.changes.paths": ["/var/log/changes.jsonl"],
    "sources.stdin.labels": {"service": "shop"},
    "sources.journald.directory": "/var/log/journal/remote",
    "sources.journald.hostname": "web1",
    "sources.host.hostname": "web1",
    "sources.prometheus.targets": ["127.0.0.1:9100"],
    "sources.prometheus.labels": {"service": "shop"},
    "sources.prometheus.bearer_token": "a token",
    "sources.prometheus.username": "aiops",
    "sources.prometheus.password": "a password",
    "notifiers.webhook.url": "https://receiver.example/hook",
    "notifiers.webhook.secret": "whsec_c2l4dGVlbiBieXRlcyBvciBtb3Jl",
    "notifiers.webhook.token": "a token",
    "notifiers.slack.url": "https://hooks.slack.com/services/T/B/X",
    "notifiers.slack_bot.channel": "C0123456789",
    "notifiers.slack_bot.token": "xoxb-...",
    "notifiers.teams.url": "https://prod-00.westeurope.logic.azure.com/workflows/X",
    "notifiers.discord.url": "https://discord.com/api/webhooks/1/X",
    "notifiers.telegram.chat": "-1001234567890",
    "notifiers.telegram.token": "123456:X",
    "notifiers.mattermost.url": "https://mattermost.example/hooks/X",
    "notifiers.rocketchat.url": "https://rocket.example/hooks/X/Y",
    "notifiers.googlechat.url": "https://chat.googleapis.com/v1/spaces/X/messages?key=Y&token=Z",
    "notifiers.pagerduty.routing_key": "a key",
    "notifiers.ntfy.topic": "shop-incidents",
    "notifiers.ntfy.token": "a token",
    "notifiers.email.host": "mail.example",
    "notifiers.email.sender": "aiops@shop.example",
    "notifiers.email.to": ["oncall@shop.example"],
    "notifiers.email.username": "aiops",
    "notifiers.email.password": "a password",
    "notifiers.exec.command": ["/usr/local/bin/tell", "--oncall"],
    "notifiers.exec.environment": {"TEAM": "shop"},
    "notifiers.apprise.urls": ["mailgun://user@shop.example/key"],
    "notifiers.alertmanager.url": ["http://127.0.0.1:9093"],
    "notifiers.alertmanager.token": "a token",
    "notifiers.alertmanager.labels": {"team": "shop"},
}


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One key of one table: what a reader needs to set it."""

    name: str
    kind: str
    default: object
    text: str
    example: object

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def shown(self) -> str:
        return toml(self.default if self.example is None else self.example, self.kind)

    @property
    def remark(self) -> str:
        if self.required:
            return "  # required"
        return "" if self.example is None else "  # example"


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """One table: its dotted name, whether it may stand several times, its words and keys."""

    name: str
    repeated: bool
    text: str
    keys: tuple[Key, ...]

    @property
    def header(self) -> str:
        return f"[[{self.name}]]" if self.repeated else f"[{self.name}]"


# --- from the code --------------------------------------------------------------------------


def fixed_tables() -> list[Table]:
    """Return the tables of ``aiops.config.Settings`` that are no shelf."""
    tables = []
    for name, field in Settings.model_fields.items():
        model: Any = field.annotation
        if name in SHELVES:
            continue
        repeated = get_origin(model) is list
        if repeated:
            (model,) = get_args(model)
        annotations, _ = _annotated(model)
        keys = tuple(
            _key(name, key, annotations[key], _default(info), info.description or "")
            for key, info in model.model_fields.items()
        )
        tables.append(Table(name, repeated, _words(model), keys))
    return tables


def shelf_tables(shelf: str) -> list[Table]:
    """Return one table for each member of a shelf."""
    tables = []
    for kind, where in SHELVES[shelf].items():
        cls = load(where)
        annotations, texts = _annotated(cls)
        table = f"{shelf}.{kind}"
        keys = tuple(
            _key(table, f.name, annotations[f.name], _default(f), texts.get(f.name, ""))
            for f in dataclasses.fields(cls)
            if f.init
        )
        tables.append(Table(table, True, _words(cls), keys))
    return tables


def _annotated(cls: type) -> tuple[dict[str, str], dict[str, str]]:
    """Return each field's annotation and the string below it, as written in the source."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    annotations: dict[str, str] = {}
    texts: dict[str, str] = {}
    last = None
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
            annotations[last] = ast.unparse(node.annotation)
        elif last and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            texts[last] = str(node.value.value)
            last = None
        else:
            last = None
    return annotations, texts


def _default(field: FieldInfo | dataclasses.Field[Any]) -> object:
    if isinstance(field, FieldInfo):
        return REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if isinstance(field.default, FieldInfo):
        return _default(field.default)
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def _key(table: str, name: str, annotation: str, default: object, text: str) -> Key:
    example = EXAMPLES.get(f"{table}.{name}")
    if example is None and name.endswith("_file"):
        example = f"{name.removesuffix('_file')}.key"
    if name == "ca_file":
        example = "ca.pem"
    if (default is None or default is REQUIRED) and example is None:
        raise SystemExit(f"{table}.{name}: no default; add an example in docs/generate.py")
    if not text:
        raise SystemExit(f"{table}.{name}: no description; write one at the field")
    return Key(name, _kind(annotation), default, _clean(text), example)


_KINDS = {
    "str": "text",
    "bool": "true or false",
    "int": "number",
    "float": "number",
    "Duration": "duration",
    "Size": "size",
    "TimeZone": "time zone",
    "Budget": "rate",
    "Secret": "text, secret",
    "Key": "text, secret",
    "Url": "URL, secret",
    "Urls": "URL or list of them, secret",
    "list[str]": "list of texts",
    "list[Target]": "list of texts",
    "list[Address]": "list of texts",
    "list[Key]": "list of texts, secret",
    "Address": "text",
    "dict[str, str]": "table of texts",
    "dict[str, Any]": "table",
    "dict[str, list[str]]": "table of lists",
}


def _kind(annotation: str) -> str:
    """Return what a person calls the type that is annotated."""
    bare = annotation.removesuffix(" | None")
    if bare.startswith("Annotated["):
        bare = bare.removeprefix("Annotated[").split(", ", 1)[0]
    if bare.startswith("Literal["):
        return " or ".join(str(choice) for choice in ast.literal_eval(bare.removeprefix("Literal")))
    if bare not in _KINDS:
        raise SystemExit(f"no word for the type {annotation}; add one in docs/generate.py")
    return _KINDS[bare]


def _words(cls: type) -> str:
    return _clean(inspect.getdoc(cls) or "")


def _clean(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", inspect.cleandoc(text))


# --- values as a person writes them ---------------------------------------------------------


def toml(value: object, kind: str = "") -> str:
    """Return a value as TOML; durations, sizes and rates as words."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value, kind)
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {toml(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, Iterable):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    raise SystemExit(f"no TOML for {value!r}")


def _number(value: float, kind: str) -> str:
    if kind == "rate":
        return f'"{round(value * 604800.0, 6):g}/week"'
    if kind == "duration":
        units = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0))
        unit, size = next(((u, s) for u, s in units if value >= s and value % s == 0.0), ("s", 1.0))
        return f'"{value / size:g}{unit}"'
    if kind == "size":
        sizes = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
        return next((f'"{int(value // s)}{u}"' for u, s in sizes if value % s == 0), str(value))
    return f"{value:_}"


# --- documents ---------------------------------------------------------------------------------

GENERATED = "Generated by docs/generate.py (`make docs`); change the code, not this file."


REFERENCE = f"""\
# Every key of the configuration with its default.
# {GENERATED}
#
# A line that begins with "# " explains; one that begins with "#" alone is a key to uncomment.
# "# example" marks a value that is not the default: the key has none, or an empty one.
# Durations are like "15s" or "1h30m", sizes like "64KiB" or "256MiB". A relative path in a key
# that ends in _file lies beside this file. AIOPS_WEB__LISTEN=... in the environment overrides
# web.listen, and so on for every key of a fixed table. `aiops check -c FILE` names every problem.
"""

CONFIGURATION = f"""\
# Configuration

<!-- {GENERATED} -->

The daemon needs no configuration. With one, it is a TOML file: `aiops run -c FILE`;
`aiops check -c FILE` names every problem of it in one run and starts nothing.
[configs/reference.toml](../configs/reference.toml) holds the same keys, ready to uncomment;
[configs/quickstart.toml](../configs/quickstart.toml) is a good beginning, and
[configs/examples](../configs/examples) has more.

- Durations are written `"15s"`, `"5m"` or `"1h30m"`, sizes `"64KiB"` or `"256MiB"`, rates
  `"2/week"` (per hour, day, week or month).
- A relative path in a key that ends in `_file` lies beside the configuration file; `~` and
  `$NAME` are replaced. Values of secret keys are never printed.
- The environment overrides one key of a fixed table: `AIOPS_WEB__LISTEN=127.0.0.1:9000` is
  `web.listen`.
- An unknown key is an error that names the nearest known one.
- SIGHUP reads the file again: a wrong one changes nothing. `web`, `state`,
  `sessions` and `detection.window` need a restart.
"""

SHELF_WORDS = {
    "sources": """\
One `[[sources.KIND]]` table for each source. Without any, the daemon watches this host: its
journal, the plain files of `/var/log` and its metrics. Paths on the command line stand in for all
of them.""",
    "notifiers": """\
One `[[notifiers.KIND]]` table for each channel; without any, stories go to standard output. A
channel that is slow or dead holds up no other.""",
}


def reference() -> str:
    """Return ``configs/reference.toml``."""
    out = [REFERENCE.rstrip()]
    for table in fixed_tables():
        if not table.repeated:
            out += ["", *_comment(table.text), table.header, *_entries(table)]
    for shelf in SHELVES:
        out += ["", "", f"# --- [[{shelf}.KIND]]: one table each, repeat as needed ---"]
        for table in shelf_tables(shelf):
            out += ["", *_comment(table.text), f"#{table.header}", *_entries(table)]
    for table in fixed_tables():
        if table.repeated:
            out += ["", "", f"# --- {table.header}: repeat as needed ---"]
            out += ["", *_comment(table.text), f"#{table.header}", *_entries(table)]
    return "\n".join(out) + "\n"


def _entries(table: Table) -> list[str]:
    out: list[str] = []
    for key in table.keys:
        out += [*_comment(key.text), f"#{key.name} = {key.shown}{key.remark}"]
    return out


def _comment(text: str) -> list[str]:
    return [
        f"# {line}" if line else "#"
        for paragraph in text.replace("`", "").split("\n\n")
        for line in ["", *textwrap.wrap(paragraph, WIDTH - 2)]
    ][1:]


def configuration() -> str:
    """Return ``docs/configuration.md``."""
    out = [CONFIGURATION.rstrip()]
    for table in fixed_tables():
        out += ["", f"## `{table.header}`", "", table.text, "", *_rows(table)]
    for shelf, words in SHELF_WORDS.items():
        out += ["", f"## {shelf.capitalize()}", "", words]
        for table in shelf_tables(shelf):
            out += ["", f"### `{table.header}`", "", table.text, "", *_rows(table)]
    return "\n".join(out) + "\n"


def _rows(table: Table) -> list[str]:
    out = ["| key | type | default | what it does |", "| --- | --- | --- | --- |"]
    for key in table.keys:
        default = "required" if key.required else ""
        if not key.required and key.default is not None:
            default = f"`{toml(key.default, key.kind)}`"
        text = " ".join(key.text.split()).replace("|", "\\|")
        out.append(f"| `{key.name}` | {key.kind} | {default} | {text} |")
    return out
