"""What a run log holds: one type per kind of record, every text in it sealed.

A field of type `SealedText` can only come from `Redactor.seal`, so the type checker refuses a record made from a raw
value. Strings that we make ourselves (ids, digests, states) are plain `str`. Times are seconds since the epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Annotated, Literal, TypeAlias

import msgspec

from reticent_redact import SealedText

METRIC = Struct("@dqdQ")
"""One metric point: time (float64 s), step (int64), value (float64), key (uint64, > 0), in the writer's byte order.

The key is last and never 0, and the time never 0, so a record cut by the death of its process is told from a whole one.
"""

LATEST = 2.0**33
"""No record is later than this (in 2242): what says so was forged or damaged, and no calendar need know such times."""

Time = Annotated[float, msgspec.Meta(ge=0, lt=LATEST)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 44)]
"""Bytes or records; any store can add up what a log holds of them."""


class RunStatus(str, Enum):
    """How the training stands; how the logging stands is `Health`."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    CRASHED = "CRASHED"


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    time: Time


class WriterStarted(Record, tag="writer", frozen=True, kw_only=True):
    """The first record of every event file, and the first after it was closed: the process that appends to it."""

    host: SealedText
    machine: str
    """Equal for two processes that can see each other's pids (host, boot and pid namespace)."""
    pid: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
    process_started: float
    byteorder: Literal["little", "big"]


class WriterClosed(Record, tag="writer-closed", frozen=True, kw_only=True):
    """Nothing follows from this writer unless it is opened again; `metrics` is how many points it holds."""

    metrics: Count


class RunStarted(Record, tag="run", frozen=True, kw_only=True):
    run_id: str
    name: SealedText
    experiment: SealedText
    parent_id: str | None = None
    resumed: bool = False


class RunEnded(Record, tag="end", frozen=True, kw_only=True):
    """`counts` is what the run captured, redacted, withheld and lost until then."""

    status: RunStatus
    error: SealedText | None = None
    counts: dict[str, Count] = {}


class Param(Record, tag="param", frozen=True, kw_only=True):
    """`origin` says whether the user gave the value or the framework's default applied; None: not known."""

    key: SealedText
    value: SealedText
    origin: Literal["explicit", "default", "derived"] | None = None


class Tag(Record, tag="tag", frozen=True, kw_only=True):
    key: SealedText
    value: SealedText


class MetricKey(Record, tag="metric-key", frozen=True, kw_only=True):
    """The name behind the `key` number of this writer's metric records."""

    number: Count
    key: SealedText


class Staged(Record, tag="staged", frozen=True, kw_only=True):
    """A snapshot waits under `staging/<token>` to be sealed and published as `path`."""

    token: str = msgspec.field(name="snapshot")  # `token` would make a secret of it for every scanner, ours too
    path: SealedText
    kind: Literal["file", "model"] = "file"
    registered_name: SealedText | None = None
    known: str = ""
    """A keyed digest of the values that the process knew to be secret: one that knows others must not publish this."""
    policy: str = ""
    """A keyed digest of the policy that the process sealed by: one with another, or where this is not known, must not
    either."""


class Artifact(Record, tag="artifact", frozen=True, kw_only=True):
    """A sealed file under `artifacts/<path>`; `staged` is the token of the snapshot that it came from."""

    path: SealedText
    size: Count
    sha256: str
    staged: str | None = None


class ArtifactRemoved(Record, tag="artifact-removed", frozen=True, kw_only=True):
    """An artifact, and all that lies under its path, is no longer kept: a later checkpoint has taken its place."""

    path: SealedText


class Reference(Record, tag="reference", frozen=True, kw_only=True):
    """A file over the configured size: where it lies, not what it holds."""

    path: SealedText
    location: SealedText
    size: Count


class Withheld(Record, tag="withheld", frozen=True, kw_only=True):
    """A file that was not published because a rule hit in it; it waits in `quarantine/`, which no backend reads."""

    path: SealedText
    rule: str
    staged: str | None = None


class Dataset(Record, tag="dataset", frozen=True, kw_only=True):
    """A data set that the run read. `schema` and `profile` are JSON text, `context` its role (train, eval, test)."""

    name: SealedText
    context: SealedText
    digest: SealedText
    source: SealedText
    schema: SealedText
    profile: SealedText


class Model(Record, tag="model", frozen=True, kw_only=True):
    """A model in MLmodel form under `artifacts/<path>/`; `mlmodel` is the text of its MLmodel file, `registered_name` the
    registered model of which it is to be a version wherever there is a registry. Its MLmodel file comes after this."""

    path: SealedText
    flavor: str
    mlmodel: SealedText
    size: Count
    registered_name: SealedText | None = None


class ModelTried(Record, tag="model_tried", frozen=True, kw_only=True):
    """What came of it that another process loaded a model and had it predict its input example."""

    path: SealedText
    outcome: Literal["equal", "different", "loaded", "undefined", "failed"]
    """`loaded`: there was nothing to predict, or nothing to compare with; `undefined`: what defines a class of it has to be
    imported first."""
    detail: SealedText


class ModelAlias(Record, tag="model_alias", frozen=True, kw_only=True):
    """From this time on an alias of a registered model means the version that the model at `path` is, until a later one
    says otherwise, which may be in the log of another run. It may come before the model's own records."""

    name: SealedText
    alias: SealedText
    path: SealedText


class Console(Record, tag="console", frozen=True, kw_only=True):
    """Whole lines that the process wrote to its console while the run was open."""

    stream: Literal["stdout", "stderr"]
    text: SealedText


class Redaction(Record, tag="redaction", frozen=True, kw_only=True):
    """That something was hidden: by which rule, where and how often. Never what, nor how long it was."""

    channel: str
    rule: str
    action: str
    confidence: str = "high"
    """How sure the rule is of what it finds: high, medium or low."""
    count: Count


class Warned(Record, tag="warning", frozen=True, kw_only=True):
    """Something in the logging went wrong; the training did not."""

    kind: SealedText
    message: SealedText


class Lost(Record, tag="lost", frozen=True, kw_only=True):
    """Records that could not be appended (a full disk, say) since the last such record."""

    what: str
    count: Count
    reason: SealedText


class Delivery(Record, tag="delivery", frozen=True, kw_only=True):
    """How far one backend has got with this run; the newest of each backend holds."""

    backend: str
    state: Literal["complete", "pending"]
    delivered: Count
    rejected: Count = 0
    error: SealedText | None = None


def is_under(path: str, place: str) -> bool:
    """Whether an artifact is the one called `place`, or lies under that."""
    return path == place or path.startswith(f"{place}/")


SealedRecord: TypeAlias = (
    WriterStarted
    | WriterClosed
    | RunStarted
    | RunEnded
    | Param
    | Tag
    | MetricKey
    | Staged
    | Artifact
    | ArtifactRemoved
    | Reference
    | Withheld
    | Dataset
    | Model
    | ModelTried
    | ModelAlias
    | Console
    | Redaction
    | Warned
    | Lost
    | Delivery
)


@dataclass(frozen=True, slots=True)
class Metric:
    key: SealedText
    value: float
    step: int
    time: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One event record with its place in the run log: the same place is the same record, however often it comes."""

    writer: str
    offset: int
    record: SealedRecord


@dataclass(frozen=True, slots=True)
class MetricBlock:
    """Consecutive points of one writer, packed as `METRIC`; `first` is the first one's number within the writer."""

    writer: str
    first: int
    keys: Mapping[int, SealedText]
    data: bytes

    def __len__(self) -> int:
        return len(self.data) // METRIC.size

    def __iter__(self) -> Iterator[Metric]:
        for time, step, value, key in METRIC.iter_unpack(self.data):
            yield Metric(self.keys[key], value, step, time)
