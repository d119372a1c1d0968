"""The frozen nouns that travel between stages; times are epoch seconds UTC, event time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from aiops.cases import Similar
from aiops.links import Offer
from aiops.phases import Course

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class Severity(IntEnum):
    """How bad, ordered; the lower-case name is what people and JSON see."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        return self.name.lower()


class State(StrEnum):
    """Where an incident is in its life."""

    CANDIDATE = "candidate"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CLOSED = "closed"


class TransitionKind(StrEnum):
    """What just happened to an incident: all that the engine emits."""

    OPENED = "opened"
    UPDATED = "updated"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    MERGED = "merged"


# --- inputs ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stream:
    """Name one ordered flow of lines.

    ``id`` is unique and stable over restarts (``file:/var/log/a.log``). ``entity`` is what an
    incident on it would be about (``service:cart``). ``workload`` is the entity without its
    instance: its streams share templates. Stdin and its like cannot be read again (``resumable``).
    """

    id: str
    source: str
    entity: str
    workload: str
    instance: str = ""
    resumable: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """Carry whole lines of one stream, each ending in a newline, and the position after them.

    ``cursor`` is opaque to everyone but its source. ``arrived`` is when the source read it; it
    stands in as event time only for streams whose lines carry no stamp. History that is replayed
    has no arrival: there it is minus the time the file was last written (0 when unknown).
    """

    stream: Stream
    data: bytes
    cursor: str
    arrived: float


class _Named:
    """Keep an id once it was asked for: it follows from the fields and is none."""

    __slots__ = ("_id",)
    _id: str


@dataclass(frozen=True, slots=True)
class Series(_Named):
    """Name one measured quantity: ``entity`` has it, ``name`` says which, labels included.

    ``kind`` is ``gauge`` or ``counter`` for metrics, ``log`` for what is counted from lines.
    """

    entity: str
    name: str
    kind: str = "gauge"
    unit: str = ""

    @property
    def id(self) -> str:
        try:
            return self._id
        except AttributeError:
            object.__setattr__(self, "_id", f"{self.entity}/{self.name}")
            return self._id


@dataclass(frozen=True, slots=True, eq=False)
class SeriesSet:
    """Name the columns of many points; compared by identity, so sources keep and reuse it."""

    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Carry one value per series of ``columns`` at one time; NaN is "not in this scrape".

    ``interval`` is the source's own pace in seconds, ``None`` when it has none.
    """

    source: str
    at: float
    columns: SeriesSet
    values: NDArray[np.float64]
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """Prove that all a stream had by the wall-clock time ``at`` has been handed over."""

    stream: Stream
    at: float


@dataclass(frozen=True, slots=True)
class Opened:
    """Say that a stream exists and has unread data, before its first block: others wait for it."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Ended:
    """Say that a stream will never bring another line: end of a replayed file or of stdin."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Gap:
    """Say that a source did not watch from ``since`` to ``until``: silence proves nothing."""

    source: str
    since: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Record a change somebody made: deploy, config, flag, model or prompt version."""

    at: float
    kind: str
    entity: str
    title: str

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.entity}:{self.title}@{self.at:.3f}"


@dataclass(frozen=True, slots=True)
class Changes:
    """Carry the changes that a piece of a stream holds, and the position after it.

    A source puts it; the engine is fed the events.
    """

    stream: Stream
    events: tuple[ChangeEvent, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Carry what another system says; ``name`` tells apart what it says of one entity."""

    at: float
    entity: str
    name: str
    firing: bool
    severity: Severity
    title: str = ""

    @property
    def id(self) -> str:
        return f"{self.entity}/{self.name}"


@dataclass(frozen=True, slots=True)
class Command:
    """Ask the engine for something, in the order of ``seq`` (its committed row)."""

    seq: int
    kind: str
    target: str
    at: float
    by: str = ""
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tick:
    """Let time pass for everything that waits for a clock: holds, resolves, expiries."""

    at: float


Input = Block | Points | Watched | Opened | Ended | Gap | ChangeEvent | Alert | Command | Tick
Item = Block | Points | Watched | Opened | Gap | ChangeEvent | Changes  # what a source may put


# --- from decoding to what detection finds --------------------------------------------------


class LineKind(NamedTuple):
    """What a line is, without its values: entity ("" is the stream's), severity, masked text."""

    entity: str
    severity: Severity
    masked: bytes


class LogWindow(NamedTuple):
    """Count the lines of one stream between ``start`` and ``end``, by kind.

    ``samples`` holds the first line of each kind (its continuations below it). ``lines`` counts
    all, ``continuations`` those that only hang on another; ``other`` those beyond the bound on
    kinds. ``named``: rule, session, kind, time; ``spans``: entity, trace, span, its parent.
    """

    stream: Stream
    start: float
    end: float
    counts: Mapping[LineKind, int]
    samples: Mapping[LineKind, SampleLine]
    lines: int
    continuations: int
    other: int
    named: Sequence[tuple[str, str, LineKind, float]] = ()
    spans: Sequence[tuple[str, str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class SampleLine:
    """Show one log line as evidence; ``new`` is the span of characters that is new."""

    at: float
    stream: str
    text: str
    new: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """State that one series stood out at ``at`` (end of its window) and why.

    ``surprise`` is -log10 of the calibrated tail probability. ``threshold`` is what the alert
    budget asked of it. ``severe`` says that somebody feels it: it may open an incident alone
    once enough was seen. ``since`` is when the departure began, ``seen`` how many samples the
    detector had learned, ``pace`` the seconds from one sample to the next (0: as it happens).
    """

    id: str
    series: Series
    kind: str
    at: float
    since: float
    surprise: float
    threshold: float
    severity: Severity
    reason: str
    detector: str
    actual: float | None = None
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    severe: bool = False
    seen: int = 0
    samples: tuple[SampleLine, ...] = ()
    pace: float = 0.0

    @property
    def entity(self) -> str:
        return self.series.entity


@dataclass(frozen=True, slots=True)
class Suspect:
    """Name a likely cause (an entity or a change) with its share of belief and the reasons."""

    entity: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """One story: an immutable picture of an incident after its ``seq``-th transition."""

    id: str
    seq: int
    state: State
    severity: Severity
    title: str
    opened_at: float
    updated_at: float
    resolved_at: float | None = None
    told: bool = False
    entities: tuple[str, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    changes: tuple[ChangeEvent, ...] = ()
    samples: tuple[SampleLine, ...] = ()
    similar: tuple[Similar, ...] = ()
    courses: tuple[Course, ...] = ()
    notified_at: tuple[float, ...] = ()
    acknowledged_by: str = ""
    assigned_to: str = ""
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """Say what happened, why (``note``), and who hears: all (``tell``), or only ``newcomers``."""

    kind: TransitionKind
    incident: Incident
    at: float
    tell: bool = True
    note: str = ""
    newcomers: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """One message for one receiver; ``key`` is the same over retries and restarts.

    ``title`` and ``body`` are plain, redacted text; escaping is the channel's. ``link`` leads to
    the incident, empty when nobody said how to reach the daemon; ``offers`` let a reader act once.
    ``receipt`` is what the receiver called the incident's last message, empty when it said nothing.
    """

    key: str
    receiver: str
    transition: Transition
    title: str
    body: str
    link: str = ""
    receipt: str = ""
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One part's state at a cut: plain values in ``header``, numbers in ``arrays``.

    ``version`` belongs to the part that wrote it; a part that does not know it starts cold.
    """

    name: str
    version: int
    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Everything saved together, after these rows of commands and of the journal."""

    cursors: Mapping[str, str]
    command_seq: int
    journal_seq: int
    sections: tuple[Section, ...]
