"""What tests give to backends: sealed records of one run, in batches."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from reticent import records
from reticent.backends import Batch
from reticent.records import METRIC, Entry, MetricBlock, RunStatus, SealedRecord
from reticent_redact import Redactor, SealedText

RUN = "3f2a90c1d2e44b6f8a7b6c5d4e3f2a1b"
WRITER = "1795416129-4711-a1b2"
START = 1_750_000_000.0

Points = Sequence[tuple[str, int, float]]
"""Key, step and value of each."""

_seal = Redactor().seal


def sealed(text: str) -> SealedText:
    return _seal(text, channel="test")


def started(run_id: str = RUN) -> records.RunStarted:
    return records.RunStarted(time=START, run_id=run_id, name=sealed("calm-owl-7"), experiment=sealed("default"))


def param(key: str, value: str) -> records.Param:
    return records.Param(time=START, key=sealed(key), value=sealed(value), origin="explicit")


def tag(key: str, value: str, time: float = START) -> records.Tag:
    return records.Tag(time=time, key=sealed(key), value=sealed(value))


def model(directory: Path, path: str, name: str) -> list[SealedRecord]:
    """A model whose files lie under `directory`, to be a version of the registered model `name`."""
    text = "flavors:\n  python_function:\n    loader_module: x\n"
    file = directory / "artifacts" / path / "MLmodel"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    described = records.Model(
        time=START, path=sealed(path), flavor="x", mlmodel=sealed(text), size=9, registered_name=sealed(name)
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    return [described, records.Artifact(time=START, path=sealed(f"{path}/MLmodel"), size=len(text), sha256=digest)]


def alias(name: str, alias: str, path: str, time: float = START) -> records.ModelAlias:
    return records.ModelAlias(time=time, name=sealed(name), alias=sealed(alias), path=sealed(path))


def batch(directory: Path, *entries: SealedRecord, metrics: Points = ()) -> Batch:
    """Records and points of one writer; without a start of the run one is put before them."""
    if not any(isinstance(entry, records.RunStarted) for entry in entries):
        entries = (started(), *entries)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key, _, _ in metrics), 1)}
    packed = [METRIC.pack(START + place, step, value, numbers[key]) for place, (key, step, value) in enumerate(metrics)]
    block = MetricBlock(WRITER, 0, {number: sealed(key) for key, number in numbers.items()}, b"".join(packed))
    placed = [Entry(WRITER, 200 * place, record) for place, record in enumerate(entries)]
    return Batch(RUN, directory, placed, (block,) if metrics else (), started())


def example(directory: Path) -> Batch:
    """A small run with something of everything that users look at; its file lies under `directory`."""
    file = directory / "artifacts" / "notes" / "a.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("some text")
    digest = "b94f6f125c79e3a5ffaa826f584c10d52ada669e6762051b826b55776d05aed2"
    points = [point for step in range(10) for point in (("loss", step, 1 / (step + 1)), ("accuracy", step, step / 10))]
    return batch(
        directory,
        started(),
        param("lr", "0.1"),
        param("layers", "[1, 2]"),
        tag("team", "a"),
        tag("team", "b", START + 1),
        records.Artifact(time=START + 2, path=sealed("notes/a.txt"), size=9, sha256=digest),
        records.RunEnded(time=START + 3, status=RunStatus.FINISHED, counts={"param": 2, "metrics": 20}),
        metrics=points,
    )


def split(whole: Batch, chance: random.Random) -> tuple[Batch, Batch]:
    """A batch of the first few records and points, and one of the others."""
    entry = chance.randint(0, min(3, len(whole.entries)))
    (block,) = whole.metrics
    point = chance.randint(0, min(6, len(block)))
    cut = METRIC.size * point
    first = MetricBlock(block.writer, block.first, block.keys, block.data[:cut])
    rest = MetricBlock(block.writer, block.first + point, block.keys, block.data[cut:])
    return (
        dataclasses.replace(whole, entries=whole.entries[:entry], metrics=(first,)),
        dataclasses.replace(whole, entries=whole.entries[entry:], metrics=(rest,)),
    )


def pieces(whole: Batch, chance: random.Random) -> Iterator[Batch]:
    while len(whole):
        piece, whole = split(whole, chance)
        yield piece


def every_record() -> list[SealedRecord]:
    text = sealed("text")
    time = START + 1
    return [
        started(),
        records.WriterStarted(time=time, host=text, machine="m", pid=1, process_started=START, byteorder="little"),
        param("lr", "0.1"),
        tag("team", "a"),
        records.MetricKey(time=time, number=1, key=text),
        records.Staged(time=time, token="t", path=text),  # noqa: S106 - the name of a directory
        records.ArtifactRemoved(time=time, path=sealed("old.bin")),
        records.Reference(time=time, path=sealed("big.bin"), location=text, size=1 << 40),
        records.Withheld(time=time, path=sealed("key.pem"), rule="private-key"),
        records.Dataset(
            time=time,
            name=text,
            context=sealed("train"),
            digest=sealed("d"),
            source=text,
            schema=sealed("{}"),
            profile=sealed("{}"),
        ),
        records.Model(
            time=time,
            path=sealed("model"),
            flavor="sklearn",
            mlmodel=text,
            size=10,
            registered_name=sealed("churn"),
        ),
        records.ModelTried(time=time, path=sealed("model"), outcome="equal", detail=text),
        records.Console(time=time, stream="stderr", text=text),
        records.Redaction(time=time, channel="param", rule="key", action="mask", count=2),
        records.Warned(time=time, kind=text, message=text),
        records.Lost(time=time, what="records", count=3, reason=text),
        records.Delivery(time=time, backend="other", state="pending", delivered=3, error=text),
        records.RunEnded(time=START + 2, status=RunStatus.FINISHED),
        records.WriterClosed(time=START + 3, metrics=0),
    ]
