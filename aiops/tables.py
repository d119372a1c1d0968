"""The fixed tables of the configuration: one class a table, one field a key."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from aiops.quantities import Budget, Duration, TimeZone

Secret = SecretStr


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
    link_secret_file: str | None = Field(
        default=None,
        description="A file that holds what signs the one-time links in messages, 32 characters or"
        " more; unset: the daemon makes one in the state directory.",
    )
    link_expires: Duration = Field(
        default=604800.0,
        ge=60,
        le=2_592_000,
        description="How long a link in a message counts. Links are only made when external_url is"
        " set.",
    )


class Templates(_Table):
    """Messages in your own words, instead of the built-in ones."""

    directory: str = Field(
        default="",
        description="A folder of Jinja2 templates: KIND.j2 stands in for the story of all channels"
        " of a kind (slack.j2), story.j2 for that of every other one, title.j2 for titles. Empty:"
        " the built-in words.",
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
        default="mahalanobis",
        description="What looks at the metrics of one entity together: `mahalanobis` or a detector"
        " of `river.anomaly`; empty turns it off.",
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
