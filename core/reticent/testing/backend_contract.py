"""What every backend promises, as tests to inherit. Give the class a backend and a way to read what it has stored.

class TestCoolstore(BackendContract):
    backend = CoolBackend

    def url(self, directory):
        return f"coolstore://{directory}/store"

    def read(self, url, run_id):
        ...
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

import reticent
from reticent import guard, records
from reticent.backends import Backend, Batch, Mark, Rejection, Target
from reticent.delivery import sender
from reticent.delivery.batches import unkept
from reticent.records import MetricBlock, RunStatus, SealedRecord
from reticent.testing.batches import (
    RUN,
    START,
    alias,
    batch,
    every_record,
    example,
    model,
    param,
    pieces,
    sealed,
    split,
    started,
    tag,
)
from reticent.testing.canary import CANARY, VARIABLE, find, log_everywhere
from reticent.testing.isolation import isolated

UNICODE = ["naïve/größe", "指标", "метрика", "مقياس", "🦉 owl", "a b\tc", "quo'te\"s", "semi;colon--", "x" * 250]


class BackendContract:
    backend: ClassVar[type[Backend]]
    stores_nan = True
    """Whether NaN and the infinities are read back as they were written; else only that the rest arrives is tested."""

    def url(self, directory: Path) -> str:
        """The URL of a store in this directory, which is empty at first."""
        raise NotImplementedError

    def stored(self, value: float) -> float:
        """What the store makes of a metric's value, say the nearest number of 32 bits."""
        return value

    def read(self, url: str, run_id: str) -> dict[str, object]:
        """What the store has of a run, the store being closed: `status`, `params` and `tags` by key, `metrics` by key as
        lists of (step, value) sorted by step, `artifacts` as a list of paths; with `backend.aliases` also `aliases`, the
        paths of models by "<registered model>@<alias>". `{}` if there is no such run."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> str:
        return self.url(tmp_path)

    @contextmanager
    def opened(self, store: str, root: Path) -> Iterator[tuple[Backend, str]]:
        """The backend, and the identity that it gave."""
        backend = self.backend()
        identity = backend.open(Target(store, root))
        try:
            yield backend, identity
        finally:
            backend.close()

    def write(self, store: str, root: Path, *batches: Batch, mark: Mark | None = None) -> Mark:
        """Write batches one after the other in one session of the store, and expect that it takes all of them.

        The mark that the last one leaves; the first one comes with `mark`.
        """
        mark = mark or Mark()
        with self.opened(store, root) as (backend, _):
            for batch in batches:
                mark = Mark(mark.text)
                blocks = [block for block in batch.metrics if len(block)]
                assert list(backend.write(dataclasses.replace(batch, metrics=blocks, mark=mark))) == []
        return mark

    def test_everything_is_stored(self, store: str, tmp_path: Path) -> None:
        self.write(store, tmp_path, example(tmp_path))
        run = self.read(store, RUN)
        assert run["status"] == "FINISHED"
        assert run["params"] == {"lr": "0.1", "layers": "[1, 2]"}
        assert run["tags"] == {"team": "b"}, "the newest value of a tag holds"
        assert run["metrics"] == {
            "loss": [(step, self.stored(1 / (step + 1))) for step in range(10)],
            "accuracy": [(step, self.stored(step / 10)) for step in range(10)],
        }
        assert run["artifacts"] == ["notes/a.txt"]

    def test_a_run_that_comes_again_from_its_start_is_stored_once(self, store: str, tmp_path: Path) -> None:
        self.write(store, tmp_path, example(tmp_path))
        once = self.read(store, RUN)
        self.write(store, tmp_path, example(tmp_path))
        self.write(store, tmp_path, *pieces(example(tmp_path), random.Random(0)))  # noqa: S311 - where to cut
        assert self.read(store, RUN) == once
        self.write(store, tmp_path, example(tmp_path))
        assert self.read(store, RUN) == once, "what was stored in more pieces before"

    @pytest.mark.parametrize("seed", range(5))
    def test_batches_may_be_cut_anywhere_and_come_again(self, store: str, tmp_path: Path, seed: int) -> None:
        """Also where nobody noted that one had arrived: as if the process had died, or the answer had been lost."""
        chance = random.Random(seed)  # noqa: S311 - where to cut
        whole = example(tmp_path)
        other = self.url(tmp_path / "whole")
        (tmp_path / "whole").mkdir()
        self.write(other, tmp_path, whole)
        mark, rest = Mark(), whole
        while len(rest):
            part, behind = split(rest, chance)
            after = self.write(store, tmp_path, part, mark=mark)
            if chance.random() < 0.5:
                mark, rest = after, behind
        assert self.read(store, RUN) == self.read(other, RUN)

    def test_an_empty_batch_changes_nothing(self, store: str, tmp_path: Path) -> None:
        mark = self.write(store, tmp_path, example(tmp_path))
        before = self.read(store, RUN)
        self.write(store, tmp_path, Batch(RUN, tmp_path, started=started()), mark=mark)
        assert self.read(store, RUN) == before

    def test_what_is_stored_is_there_after_reopening(self, store: str, tmp_path: Path) -> None:
        whole = example(tmp_path)
        half = len(whole.entries) // 2
        first = dataclasses.replace(whole, entries=whole.entries[:half])
        mark = self.write(store, tmp_path, first)
        metrics = self.read(store, RUN)["metrics"]
        assert metrics
        self.write(store, tmp_path, dataclasses.replace(whole, entries=whole.entries[half:], metrics=()), mark=mark)
        run = self.read(store, RUN)
        assert run["metrics"] == metrics
        assert run["status"] == "FINISHED"

    def test_identity_is_the_stores_own(self, store: str, tmp_path: Path) -> None:
        with self.opened(store, tmp_path) as (_, first):
            pass
        self.write(store, tmp_path, example(tmp_path))
        with self.opened(store, tmp_path) as (_, again):
            assert again == first
        (tmp_path / "new").mkdir()
        with self.opened(self.url(tmp_path / "new"), tmp_path) as (_, other):
            assert other != first, "a new store would be held for one that has everything"

    def test_not_a_number_and_infinity(self, store: str, tmp_path: Path) -> None:
        values = [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 1.0]
        points = [("loss", step, value) for step, value in enumerate(values)]
        self.write(store, tmp_path, batch(tmp_path, metrics=points))
        stored = self.read(store, RUN)["metrics"]
        assert isinstance(stored, dict)
        if self.stores_nan:
            assert [(step, repr(value)) for step, value in stored["loss"]] == [
                (step, repr(self.stored(value))) for step, value in enumerate(values)
            ]
        assert (5, 1.0) in stored["loss"]

    def test_ten_thousand_params(self, store: str, tmp_path: Path) -> None:
        params = {f"layer_{number}.units": str(number) for number in range(10_000)}
        self.write(store, tmp_path, batch(tmp_path, *map(param, params, params.values())))
        assert self.read(store, RUN)["params"] == params

    def test_unicode(self, store: str, tmp_path: Path) -> None:
        text = "\n".join(UNICODE)
        entries: list[SealedRecord] = [*(param(key, text) for key in UNICODE), *(tag(key, text) for key in UNICODE)]
        self.write(store, tmp_path, batch(tmp_path, *entries, metrics=[(key, 0, 1.0) for key in UNICODE]))
        run = self.read(store, RUN)
        assert run["params"] == run["tags"] == dict.fromkeys(UNICODE, text)
        assert run["metrics"] == {key: [(0, 1.0)] for key in UNICODE}

    def test_writers_number_points_and_keys_themselves(self, store: str, tmp_path: Path) -> None:
        first = batch(tmp_path, metrics=[("a", 0, 1.0), ("b", 0, 2.0)])
        block = batch(tmp_path, metrics=[("b", 1, 3.0), ("b", 2, 4.0)]).metrics[0]
        other = MetricBlock("1795416130-4712-c3d4", block.first, block.keys, block.data)
        self.write(store, tmp_path, first, Batch(RUN, tmp_path, (), (other,), started()))
        assert self.read(store, RUN)["metrics"] == {"a": [(0, 1.0)], "b": [(0, 2.0), (1, 3.0), (2, 4.0)]}

    @pytest.mark.parametrize("status", list(RunStatus))
    def test_every_status(self, store: str, tmp_path: Path, status: RunStatus) -> None:
        ended = records.RunEnded(time=START + 1, status=status, error=sealed("Traceback ..."))
        self.write(store, tmp_path, batch(tmp_path, started(), ended))
        assert self.read(store, RUN)["status"] == status.value

    def test_runs_are_kept_apart(self, store: str, tmp_path: Path) -> None:
        other = "0" * 32
        whole = example(tmp_path)
        self.write(store, tmp_path, whole)
        self.write(store, tmp_path, Batch(other, tmp_path, [], whole.metrics, started(other)))
        assert self.read(store, other)["params"] == {}
        assert self.read(store, other)["metrics"] == self.read(store, RUN)["metrics"]

    def test_every_kind_of_record_is_taken(self, store: str, tmp_path: Path) -> None:
        named = [*model(tmp_path, "best", "churn"), alias("churn", "best", "best")]
        self.write(store, tmp_path, batch(tmp_path, *named, *every_record()))
        assert self.read(store, RUN)["status"] == "FINISHED"

    def test_an_alias_of_a_registered_model_is_kept_or_counted(self, store: str, tmp_path: Path) -> None:
        """By a backend that says that it keeps them, the newest of each; of any other the run's health tells."""
        name = f"churn-{tmp_path.name}"
        models = [*model(tmp_path, "one", name), *model(tmp_path, "other", name)]
        newer, older, single = (
            alias(name, "best", "one", START + 2),
            alias(name, "best", "other"),
            alias(name, "a", "other"),
        )
        whole = batch(tmp_path, *models, newer, older, single)
        backend = self.backend()
        if not getattr(backend, "aliases", False):
            (left,) = unkept(whole, backend, "it")
            assert (left.count, left.reason) == (3, "it has no aliases of registered models")
            return
        for cut in range(len(whole.entries)):  # by several writers, an alias may come before its model
            parts = [dataclasses.replace(whole, entries=part) for part in (whole.entries[cut:], whole.entries[:cut])]
            self.write(store, tmp_path, *parts)
            assert self.read(store, RUN)["aliases"] == {f"{name}@best": "one", f"{name}@a": "other"}

    def test_no_secret_is_received_or_stored(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        received: list[bytes] = []
        files, store = tmp_path / "files", tmp_path / "store"
        files.mkdir()
        store.mkdir()
        monkeypatch.setattr(sender, "create", lambda _: _Listening(self.backend(), received))
        monkeypatch.setenv(VARIABLE, CANARY.known)
        with isolated(tmp_path / "root", self.url(store)):
            monkeypatch.setattr(guard, "strict", False)
            run_id = log_everywhere(CANARY, files)
            assert reticent.flush(60)
        stored = str(self.read(self.url(store), run_id))
        for secret in CANARY.all():
            assert find(secret, store, [*received, stored]) == []
        assert any(b"[REDACTED" in part for part in received), "nothing of the run was delivered"
        assert "[REDACTED" in stored


class _Listening:
    """A backend that notes all that it is handed."""

    def __init__(self, backend: Backend, received: list[bytes]) -> None:
        self._backend = backend
        self._received = received

    def open(self, target: Target) -> str:
        return self._backend.open(target)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        for entry in batch.entries:
            self._received.append(msgspec.json.encode(entry.record))
            if isinstance(entry.record, records.Artifact) and (file := batch.file(entry.record)) is not None:
                self._received.append(file.read_bytes())
        self._received += [msgspec.json.encode(dict(block.keys)) for block in batch.metrics]
        return self._backend.write(batch)

    def close(self) -> None:
        self._backend.close()
