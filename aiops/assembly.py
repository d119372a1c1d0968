"""From a configuration to parts: every problem is found before anything starts."""

from __future__ import annotations

import glob
import importlib
import inspect
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Template

from aiops.config import Settings, build_component, did_you_mean, read_secret
from aiops.decoding.windows import WindowSettings
from aiops.delivery import Pace, Rendering, Route, read_templates
from aiops.detection.named import made, tried
from aiops.detection.rules import MetricRule
from aiops.detection.together import OWN
from aiops.engine import EngineSettings
from aiops.errors import ConfigError
from aiops.incidents.ledger import LedgerSettings
from aiops.incidents.maintenance import LONGEST, Window, read_cron
from aiops.links import SECRET
from aiops.model import Severity
from aiops.moments import local_zone
from aiops.notifiers import NOTIFIERS
from aiops.protocols import Notifier, Source
from aiops.sessions import SessionRule
from aiops.sources import SOURCES
from aiops.tables import Web

# Channels without a `rate` of their own; what is ours, or made for machines, takes more than one.
PACES = {
    "stdout": Pace(rate=1000.0),
    "webhook": Pace(rate=10.0),
    "alertmanager": Pace(rate=10.0),
}
_ANY_HOST = {"0.0.0.0", "[::]", "::", "[::1]", "::1", "127.0.0.1", "localhost"}  # noqa: S104 - compared, not bound
_LONGEST_URL = 500  # a chat cuts or refuses longer links
SYSTEM_LOGS = ["/var/log/*.log", "/var/log/*/*.log", "/var/log/syslog", "/var/log/messages"]


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source and the name under which metrics, logs and `doctor` speak of it."""

    name: str
    kind: str
    source: Source


@dataclass(frozen=True, slots=True)
class Plan:
    """All parts of a daemon, ready to start."""

    settings: Settings
    sources: tuple[NamedSource, ...]
    notifiers: tuple[Notifier, ...]
    routes: tuple[Route, ...]
    engine: EngineSettings
    paces: dict[str, Pace] = field(default_factory=dict)
    rendering: Rendering = field(default_factory=Rendering)


def build(settings: Settings, *, paths: Sequence[str] = (), stdin: bool = False) -> Plan:
    """Resolve shelves, validate everything, raise ``ConfigError`` with all problems at once.

    *paths* and *stdin* come from the command line and stand in for configured sources.
    """
    problems = _path_problems(paths)
    tables = dict(settings.sources)
    if paths or stdin:
        tables = {"file": [{"paths": list(paths)}]} if paths else {}
        if stdin:
            tables["stdin"] = [{}]
    elif not tables:
        tables = default_sources()
    sources = [
        NamedSource(f"{kind}-{n}" if n else kind, kind, part)
        for kind, n, part in _shelf("sources", SOURCES, tables, problems)
    ]
    channels = _shelf("notifiers", NOTIFIERS, settings.notifiers or {"stdout": [{}]}, problems)
    notifiers: list[Notifier] = [part for _, _, part in channels]
    names = [n.name for n in notifiers]
    problems += [
        f"notifiers: two channels are named {name!r}; give each its own name"
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    problems += _listen_problems(settings.web.listen)
    problems += _own_page_problems(settings.web.listen, sources)
    problems += _link_problems(settings.web)
    rendering = Rendering(
        _templates(settings.templates.directory, problems),
        {part.name: kind for kind, _, part in channels},
        settings.topology.calls,
    )
    problems += _river_problems(settings)
    problems += _session_problems(settings)
    problems += _maintenance_problems(settings)
    problems += _escalation_problems(settings.alerting.escalate_to, names)
    if problems:
        raise ConfigError(problems)
    routes = tuple(
        Route(
            name=n.name,
            min_severity=Severity[str(getattr(n, "min_severity", "warning")).upper()],
            updates=bool(getattr(n, "updates", True)),
            second=n.name in settings.alerting.escalate_to,
        )
        for n in notifiers
    )
    return Plan(
        settings=settings,
        sources=tuple(sources),
        notifiers=tuple(notifiers),
        routes=routes,
        engine=engine_settings(settings),
        paces={part.name: _pace(kind, part) for kind, _, part in channels},
        rendering=rendering,
    )


def link_secret(web: Web) -> bytes | None:
    """Return the configured secret of links, ``None`` when the daemon makes its own.

    Raises ``ConfigError`` when the file cannot be read or is too short to keep a secret.
    """
    where = "web.link_secret_file"
    given = read_secret(None, web.link_secret_file, where)
    if given is not None and len(given) < SECRET:
        problem = f"{where} = {web.link_secret_file!r}: holds {len(given)} characters"
        raise ConfigError([f"{problem}; put {SECRET} random ones or more into it"])
    return None if given is None else given.encode()


def default_sources() -> dict[str, list[dict[str, Any]]]:
    """Return what a host is watched by when nothing is configured: journal, logs, metrics."""
    tables: dict[str, list[dict[str, Any]]] = {"host": [{}], "file": [{"paths": SYSTEM_LOGS}]}
    if shutil.which("journalctl") and any(
        Path(p).is_dir() for p in ("/var/log/journal", "/run/log/journal")
    ):
        tables["journald"] = [{}]
    return tables


def engine_settings(settings: Settings, news_from: float = float("-inf")) -> EngineSettings:
    """Return what of the configuration the engine needs."""
    detection, alerting = settings.detection, settings.alerting
    return EngineSettings(
        window=WindowSettings(
            width=detection.window,
            lateness=detection.allowed_lateness,
            timezone=local_zone() if detection.timezone == "local" else detection.timezone,
            sessions=tuple(SessionRule(**one.model_dump()) for one in settings.sessions),
        ),
        ledger=LedgerSettings(
            resolve_after=alerting.resolve_after,
            update_interval=alerting.update_interval,
            ack_expires=alerting.ack_expires,
            escalate_after=alerting.escalate_after if alerting.escalate_to else 0.0,
            maintenance=tuple(Window(**one.model_dump()) for one in settings.maintenance),
        ),
        budget=alerting.budget,
        group_window=alerting.group_window,
        hold=detection.hold,
        max_templates=detection.max_templates,
        max_series=detection.max_series,
        max_streams=detection.max_streams,
        multivariate=detection.multivariate,
        drift=detection.drift,
        metrics=tuple(MetricRule(**one.model_dump()) for one in settings.metrics),
        calls=settings.topology.calls,
        news_from=news_from,
    )


def load(dotted: str) -> Any:
    """Import ``package.module:Name``; only now, so that unused shelves cost nothing."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def _shelf(
    shelf: str,
    registry: dict[str, str],
    tables: dict[str, list[dict[str, Any]]],
    problems: list[str],
) -> list[tuple[str, int, Any]]:
    built: list[tuple[str, int, Any]] = []
    for kind, entries in tables.items():
        if kind not in registry:
            remedy = did_you_mean(kind, sorted(registry))
            problems.append(f"{shelf}.{kind}: no such kind; {remedy}")
            continue
        for n, table in enumerate(entries):
            try:
                built.append(
                    (kind, n, build_component(load(registry[kind]), table, f"{shelf}.{kind}[{n}]"))
                )
            except ConfigError as e:
                problems += map(_of_series, e.problems)
    return built


def _of_series(problem: str) -> str:
    """Say where a detector belongs that somebody gave to a source."""
    where, unknown, _ = problem.partition(": unknown key; ")
    key = where.rpartition(".")[2]
    if not unknown or not where.startswith("sources.") or key not in ("detector", "params"):
        return problem
    table = 'write [[metrics]] match = "ENTITY/METRIC" (globs) and there'
    return f"{where}: series have detectors, sources have not; {table} {key} = ..."


def _templates(directory: str, problems: list[str]) -> dict[str, Template]:
    if not directory:
        return {}
    folder = Path(os.path.expandvars(directory)).expanduser()
    templates, found = read_templates(folder, list(NOTIFIERS))
    problems += found
    return templates


def _pace(kind: str, part: Any) -> Pace:
    """Return how fast and how long a channel is tried: its own ``rate`` and ``timeout`` count."""
    pace = PACES.get(kind, Pace())
    rate = getattr(part, "rate", pace.rate)
    # A change may be two requests; none is cut off that its channel would still wait for.
    return replace(pace, rate=rate, deadline=max(pace.deadline, 2 * part.timeout))


def _listen_problems(listen: str) -> list[str]:
    if not listen:
        return []
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        return [f'web.listen = {listen!r}: write "HOST:PORT", like "127.0.0.1:9797"']
    return []


def _link_problems(web: Web) -> list[str]:
    problems = []
    try:
        link_secret(web)
    except ConfigError as e:
        problems += e.problems
    url, remedy = web.external_url, "write a URL like https://aiops.example"
    if not url:
        return problems
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or len(url) > _LONGEST_URL:
        problems.append(f"web.external_url = {url[:100]!r}: {remedy}")
    return problems


def _path_problems(paths: Sequence[str]) -> list[str]:
    """Return what is wrong with paths that a person typed; configured ones may come later."""
    problems = []
    for path in paths:
        where = Path(path).expanduser()
        if glob.has_magic(path):
            continue
        if not where.exists():
            problems.append(f"{path}: no such file; give log files, globs, directories or -")
        elif not os.access(where, os.R_OK | (os.X_OK if where.is_dir() else 0)):
            problems.append(f"{path}: cannot be read; check its rights")
    return problems


def _own_page_problems(listen: str, sources: Sequence[NamedSource]) -> list[str]:
    """Refuse to scrape ourselves: every look at it would change what is looked at."""
    host, _, port = listen.rpartition(":")
    problems = []
    for named in sources:
        for target in getattr(named.source, "targets", ()):
            url = urlsplit(target if "://" in target else f"http://{target}")
            ours = url.hostname == host.strip("[]") or {host, str(url.hostname)} <= _ANY_HOST
            if port and ours and str(url.port or 80) == port:
                problems.append(
                    f"sources.{named.kind}.targets = {target!r}: this is our own web.listen;"
                    " let a Prometheus scrape it instead"
                )
    return problems


def _maintenance_problems(settings: Settings) -> list[str]:
    problems = []
    for n, one in enumerate(settings.maintenance):
        where = f"maintenance[{n}]"
        try:
            ZoneInfo(one.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            said = "no such time zone; write one like Europe/Berlin"
            problems.append(f"{where}.timezone = {one.timezone!r}: {said}")
            continue
        if one.duration > LONGEST:
            problems.append(f"{where}.duration = {one.duration:g} s: give at most 7d")
        try:
            read_cron(one.cron)
        except ValueError as e:
            problems.append(f"{where}.cron = {one.cron!r}: {e}")
            continue
        if Window(**one.model_dump()).next_start(0.0) is None:
            problems.append(f"{where}.cron = {one.cron!r}: never happens; look at day and month")
    return problems


def _escalation_problems(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    problems = [
        f"alerting.escalate_to = {name!r}: no such channel; {did_you_mean(name, list(names))}"
        for name in wanted
        if name not in names
    ]
    if wanted and set(names) <= set(wanted):
        problems.append("alerting.escalate_to: names every channel; leave one that hears first")
    return problems


def _session_problems(settings: Settings) -> list[str]:
    names = [one.name for one in settings.sessions]
    problems = [
        f"sessions: two tables are named {name!r}; give each its own name"
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for n, one in enumerate(settings.sessions):
        if problem := SessionRule(**one.model_dump()).problem():
            problems.append(f"sessions[{n}]: {problem}")
    return problems


def _river_problems(settings: Settings) -> list[str]:
    problems = []
    for key, home in (("multivariate", "river.anomaly."), ("drift", "river.drift.")):
        value = getattr(settings.detection, key)
        if not value or (key == "multivariate" and value == OWN):
            continue
        name = value.removeprefix(home)
        module = importlib.import_module(home.rstrip("."))
        if not value.startswith(home) or name not in getattr(module, "__all__", ()):
            known = [home + n for n in getattr(module, "__all__", ())]
            known += [OWN] if key == "multivariate" else []
            problems.append(
                f"detection.{key} = {value!r}: no such detector; {did_you_mean(value, known)}"
            )
    for n, one in enumerate(settings.metrics):
        if problem := _detector_problem(one.detector, one.params):
            problems.append(f"metrics[{n}].{problem}")
    return problems


def _detector_problem(detector: str, params: dict[str, Any]) -> str:
    """Return what is wrong with a detector somebody named, "" when it can be made."""
    if not detector:
        return f"params = {params!r}: they belong to a detector; set detector" if params else ""
    known = {
        f"{home}.{name}": getattr(module, name)
        for home in ("river.anomaly", "river.drift")
        for module in (importlib.import_module(home),)
        for name in module.__all__
        if inspect.isclass(getattr(module, name, None))
    }
    if detector not in known:
        return f"detector = {detector!r}: no such detector; {did_you_mean(detector, sorted(known))}"
    allowed = list(inspect.signature(known[detector]).parameters)
    for key, value in params.items():
        if key not in allowed:
            return f"params.{key} = {value!r}: unknown parameter; {did_you_mean(key, allowed)}"
    try:
        works = tried(made(detector, params))
    except ValueError as e:
        return f"params = {params!r}: {' '.join(str(e).split())}"
    return "" if works else f"params = {params!r}: {detector} fails with them; see its signature"
