"""Read the configuration: fixed tables here, shelves (sources, notifiers) by their constructors.

Every problem is collected; nothing stops at the first one. Messages name key, value and remedy.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aiops.errors import ConfigError
from aiops.planned import Maintenance
from aiops.quantities import Budget, Duration, Size
from aiops.tables import (
    Alerting,
    Detection,
    Logging,
    Metric,
    Secret,
    Sessions,
    StateTable,
    Templates,
    Topology,
    Web,
)

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

_SHELVES = ("sources", "notifiers")
_NONE: frozenset[str] = frozenset()


class Settings(BaseSettings):
    """All of the configuration; ``sources`` and ``notifiers`` stay raw for the shelves."""

    model_config = SettingsConfigDict(
        env_prefix="AIOPS_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    alerting: Alerting = Field(default_factory=Alerting)
    web: Web = Field(default_factory=Web)
    state: StateTable = Field(default_factory=StateTable)
    templates: Templates = Field(default_factory=Templates)
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
    """Return the configuration with its relative paths put in *folder*.

    Secrets and templates lie beside the configuration that names them, wherever the daemon was
    started. Paths that begin with ``~`` or ``$`` are left to ``read_secret``.
    """
    done = dict(raw)
    for table, keys in (("web", "_file"), ("templates", "directory")):
        if table in raw:
            done[table] = _anchored(raw[table], folder, keys)
    for shelf in _SHELVES:
        tables = raw.get(shelf)
        if isinstance(tables, dict):
            done[shelf] = {kind: _anchored(part, folder) for kind, part in tables.items()}
    return done


def _anchored(part: object, folder: Path, keys: str = "_file") -> object:
    if isinstance(part, list):
        return [_anchored(one, folder, keys) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: str(folder / value)
        if str(key).endswith(keys)
        and isinstance(value, str)
        and value
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
