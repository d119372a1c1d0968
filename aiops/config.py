"""Read the configuration: fixed tables here, shelves (sources, notifiers) by their constructors.

Every problem is collected; nothing stops at the first one. Messages name key, value and remedy.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aiops.errors import ConfigError
from aiops.planned import Maintenance
from aiops.quantities import Budget, Duration, Size, TimeZone

__all__ = [
    "Budget",
    "Duration",
    "Secret",
    "Settings",
    "Size",
    "anchored",
    "build_component",
    "did_you_mean",
    "load_settings",
    "read_secret",
]

T = TypeVar("T")

Secret = SecretStr

_SHELVES = ("sources", "notifiers")
_NONE: frozenset[str] = frozenset()


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Alerting(_Table):
    """How much false noise is allowed, and how incidents end."""

    budget: Budget = Field(
        default=2 / 604800.0,
        description="False notifications that normal behaviour may cost in the long run, all"
        " series together: a number per hour, day, week or month. No cap on true incidents.",
    )
    resolve_after: Duration = Field(
        default=300.0, description="Quiet time after which an incident is resolved."
    )
    group_window: Duration = Field(
        default=300.0, description="How far apart related evidence may be to join one incident."
    )
    update_interval: Duration = Field(
        default=900.0,
        description="Shortest time between two updates of one incident; the first may be earlier.",
    )
    ack_expires: Duration = Field(
        default=14400.0, description="How long an acknowledgement counts; 0: for ever."
    )
    escalate_to: list[str] = Field(
        default_factory=list, description="Channels that hear only of what nobody acknowledged …"
    )
    escalate_after: Duration = Field(default=900.0, gt=0, description="… for this long.")
    news_from: Literal["start", "beginning"] = Field(
        default="start",
        description="start: what lies in the sources before the first start is learned and not"
        " told; beginning: it is news, too.",
    )
    dry_run: bool = Field(default=False, description="Decide everything, send nothing.")


class Web(_Table):
    """Where the daemon listens: metrics, health and the API."""

    listen: str = Field(
        default="127.0.0.1:9797",
        description="HOST:PORT; empty turns it off. There is no authentication: whoever reaches it"
        " can read incidents and acknowledge them.",
    )
    external_url: str = Field(
        default="", description="How readers of a notification reach the daemon; used in links."
    )
    alerts_token: Secret | None = Field(
        default=None,
        description="What an Alertmanager must send to POST /api/v1/alertmanager, as a bearer token"
        " or a basic password; unset: whoever reaches it may.",
    )
    alerts_token_file: str | None = Field(
        default=None, description="A file that holds the token; better than the token itself."
    )


class StateTable(_Table):
    """Where the daemon keeps what it learned."""

    directory: str = Field(
        default="",
        description="Empty: $STATE_DIRECTORY (systemd sets it), else $XDG_STATE_HOME/aiops, else"
        " ~/.local/state/aiops.",
    )
    interval: Duration = Field(
        default=30.0,
        ge=1,
        description="Shortest time between two cuts; twenty times the cost of the last one when"
        " that is longer. A crash reads at most this much input again.",
    )


class Topology(_Table):
    """Who calls whom; optional, it makes grouping and suspects better."""

    calls: dict[str, list[str]] = Field(
        default_factory=dict,
        description="CALLER = [CALLEES]; a bare name is a service, KIND:NAME anything else.",
    )


class Detection(_Table):
    """Windows, lateness and the bounds of what is learned."""

    window: Duration = Field(
        default=10.0,
        ge=1,
        description="Width of a log window. Another width makes the engine start cold.",
    )
    allowed_lateness: Duration = Field(
        default=5.0,
        description="How far behind the newest line of its stream a line may be; later ones are"
        " counted and join the open window.",
    )
    timezone: TimeZone = Field(
        default="local",
        description="Zone of log stamps that say none, like Europe/Berlin; local: this host's.",
    )
    hold: Duration = Field(
        default=15.0,
        description="How long a silent stream whose stamps do not follow the clock is waited for.",
    )
    max_templates: int = Field(
        default=2000, ge=10, description="Log templates kept per workload and severity."
    )
    max_series: int = Field(default=100_000, ge=1, description="Metric series in all.")
    max_streams: int = Field(default=10_000, ge=1, description="Log streams in all.")
    multivariate: str = Field(
        default="river.anomaly.HalfSpaceTrees",
        description="River detector that looks at the metrics of one entity together; empty turns"
        " it off.",
    )
    drift: str = Field(
        default="river.drift.ADWIN",
        description="River detector that confirms a lasting drift; empty turns it off.",
    )


class Metric(_Table):
    """What a metric is, where its name does not say it. The first table that fits counts."""

    match: str = Field(
        description="Glob over the name, the name with its labels, or ENTITY/NAME, such as"
        ' "shop_*_bytes" or "service:cart/memory_bytes".',
    )
    kind: Literal["", "gauge", "counter", "state", "heartbeat", "ignore"] = Field(
        default="",
        description="counter: judged as a rate; state: 0 and 1, of which direction says the bad"
        " one; heartbeat: holds the time of something; ignore: not judged. Empty: by type and"
        " name.",
    )
    unit: str = Field(default="", description="Unit of its values. Empty: by the source or name.")
    direction: Literal["", "up", "down", "both"] = Field(
        default="",
        description="up tells only rises, down only drops, both takes either as bad. Empty: either"
        " is told, and the name says which is bad.",
    )
    smallest: float = Field(
        default=0.0,
        ge=0,
        description="Smallest distance from the usual value that matters, in its unit; of a counter"
        " per second.",
    )
    limit: float | None = Field(
        default=None,
        gt=0,
        description="Value at which it is full, in its unit: the time until then is told.",
    )
    detector: str = Field(
        default="",
        description="A class of river.anomaly or river.drift that judges each of these series too,"
        " scaled and calibrated; at most 100 series.",
    )
    params: dict[str, Any] = Field(
        default_factory=dict, description="What the detector is made with; empty: its defaults."
    )


class Sessions(_Table):
    """Lines that belong together: a request, a job, a block. Name them by pattern or field."""

    name: str = Field(description="What one is called in incidents.")
    pattern: str = Field(default="", description="Finds the identifier in a line: its one group.")
    field: str = Field(default="", description="Or the JSON or logfmt field that holds it.")
    streams: str = Field(default="*", description="Glob over the streams' ids or entities.")
    idle: Duration = Field(default=60.0, gt=0, description="Silence after which one is over.")
    max_open: int = Field(default=10_000, ge=1, description="Open ones; the quietest is dropped.")


class Logging(_Table):
    """How the daemon speaks about itself, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is less important is not written."
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: readable on a terminal, JSON elsewhere."
    )


class Settings(BaseSettings):
    """All of the configuration; ``sources`` and ``notifiers`` stay raw for the shelves."""

    model_config = SettingsConfigDict(
        env_prefix="AIOPS_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    alerting: Alerting = Field(default_factory=Alerting)
    web: Web = Field(default_factory=Web)
    state: StateTable = Field(default_factory=StateTable)
    topology: Topology = Field(default_factory=Topology)
    detection: Detection = Field(default_factory=Detection)
    metrics: list[Metric] = Field(default_factory=list)
    sessions: list[Sessions] = Field(default_factory=list)
    maintenance: list[Maintenance] = Field(default_factory=list)
    logging: Logging = Field(default_factory=Logging)
    sources: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    notifiers: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class names them
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # One key in the environment overrides the same key in the file.
        return (env_settings, init_settings)


def did_you_mean(word: str, known: list[str]) -> str:
    """Return a remedy that names the nearest known word, or all of them when few."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return "known: " + ", ".join(sorted(known)) if known else "nothing is allowed here"


def load_settings(path: Path | None) -> Settings:
    """Read a TOML file (or only defaults) and the environment; raise ``ConfigError`` with all."""
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError([f"{path}: no such file; give the path of a TOML file"]) from None
        except OSError as e:
            raise ConfigError([f"{path}: cannot be read ({e.strerror}); check its rights"]) from e
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise ConfigError([f"{path}: not valid TOML: {e}"]) from e
        raw = anchored(raw, path.absolute().parent)
    try:
        return Settings(**raw)
    except ValidationError as e:
        raise ConfigError(_problems(e, Settings, prefix="")) from e


def anchored(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the configuration with relative ``*_file`` paths of its shelves put in *folder*.

    A secret lies beside the configuration that names it, wherever the daemon was started.
    Paths that begin with ``~`` or ``$`` are left to ``read_secret``.
    """
    done = dict(raw)
    for shelf in _SHELVES:
        tables = raw.get(shelf)
        if isinstance(tables, dict):
            done[shelf] = {kind: _anchored(part, folder) for kind, part in tables.items()}
    return done


def _anchored(part: object, folder: Path) -> object:
    if isinstance(part, list):
        return [_anchored(one, folder) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: str(folder / value)
        if str(key).endswith("_file")
        and isinstance(value, str)
        and not value.startswith(("~", "$"))
        else value
        for key, value in part.items()
    }


def build_component(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Validate one shelf table against the dataclass *cls* and construct it.

    Raises ``ConfigError`` with every problem of the table; *where* (``sources.file[0]``) names it.
    """
    known = [f.name for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]
    problems = [
        f"{where}.{key}: unknown key; {did_you_mean(key, known)}"
        for key in table
        if key not in known
    ]
    adapter = TypeAdapter(cls)
    try:
        built = adapter.validate_python({k: v for k, v in table.items() if k in known})
    except ValidationError as e:
        problems += _problems(e, None, prefix=where + ".", secret=_secret_keys(adapter))
    if problems:
        raise ConfigError(problems)
    return built


def read_secret(value: Secret | None, file: str | None, what: str) -> str | None:
    """Return a secret given inline or in a file (``*_file``); ``None`` when neither is set.

    A relative path was already put beside its configuration file by ``load_settings``.
    """
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    path = Path(os.path.expandvars(file)).expanduser()
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as e:
        raise ConfigError([f"{what} = {file!r}: cannot be read ({e.strerror}); check it"]) from e


def _problems(
    e: ValidationError, root: type[BaseModel] | None, prefix: str, secret: frozenset[str] = _NONE
) -> list[str]:
    found = []
    for error in e.errors(include_url=False):
        where = ".".join(str(part) for part in error["loc"])
        first = str(error["loc"][0]) if error["loc"] else ""
        if error["type"] == "extra_forbidden":
            known = _keys_at(root, error["loc"][:-1])
            remedy = did_you_mean(str(error["loc"][-1]), known)
            found.append(f"{prefix}{where}: unknown key; {remedy}")
        elif error["type"] == "missing":
            found.append(f"{prefix}{where}: missing; set it")
        elif root is not None and first in _SHELVES:
            # What stands there may hold secrets, whatever its shape.
            table = ".".join(str(part) for part in error["loc"][:2])
            found.append(f"{prefix}{where}: not a list of tables; write [[{table}]]")
        else:
            text = error["msg"].removeprefix("Value error, ")
            value = error.get("input")
            hidden = first in secret or isinstance(value, dict | list)
            shown = "" if hidden else f" = {value!r}"
            found.append(f"{prefix}{where}{shown}: {text}")
    return found


def _secret_keys(adapter: TypeAdapter[Any]) -> frozenset[str]:
    """Return the keys whose values no message may show: those that hold a secret anywhere."""
    schema: Any = adapter.core_schema
    while schema["type"] != "dataclass-args":
        schema = schema["schema"]
    return frozenset(f["name"] for f in schema["fields"] if SecretStr.__name__ in repr(f["schema"]))


def _keys_at(root: type[BaseModel] | None, path: tuple[int | str, ...]) -> list[str]:
    model: Any = root
    for part in path:
        if isinstance(part, int):
            (model,) = get_args(model) or (None,)
            continue
        model = getattr(model, "model_fields", {}).get(part)
        model = getattr(model, "annotation", None)
    return list(getattr(model, "model_fields", {}))
