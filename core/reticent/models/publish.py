"""Publishing: from a staged snapshot to a sealed MLmodel directory under the run's artifacts, from files alone.

May be cut off and done again, in any process: everything is sealed into a directory of this attempt's own and moved to
its place by renaming, the MLmodel file last. Then the description goes and the snapshot with it. The last record says
that the snapshot is done; if the process vanishes before that is in the log, the records are made again from what was
published. A model with a file that may not be seen is not published at all: the whole snapshot goes to quarantine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from reticent import clock
from reticent.artifacts import check_token
from reticent.errors import ReticentError
from reticent.files import inside, make_directory, safe_relative, write_private
from reticent.models import description, example
from reticent.models.description import Description
from reticent.models.finish import imports
from reticent.models.mlmodel import FILE as MLMODEL
from reticent.models.mlmodel import ModelFile, environment_files, mlmodel, published_model, yaml_text
from reticent.models.requirements import modules_of, requirements
from reticent.records import Artifact, Model, SealedRecord, Staged, Warned, Withheld
from reticent.runlog import ARTIFACTS, QUARANTINE, STAGING
from reticent_redact import UNSCANNED, Redactor, Report, SealedText
from reticent_redact import Withheld as WithheldFile

WITHHELD = "reticent-withheld.json"
"""Beside a description in quarantine: the rule that hit, by file."""


def publish(directory: Path, staged: Staged, redactor: Redactor, report: Report) -> list[SealedRecord]:
    """Seal a staged model into its place; the records that say so, or which files are withheld.

    Without a snapshot, the records of what an earlier attempt published from it, if any. OSError from the disk.
    """
    attempt = _Attempt(directory, staged, redactor, report)
    described = attempt.staging / description.FILE
    try:
        return attempt.publish(description.read(attempt.staging))
    except FileNotFoundError:
        if described.exists():
            raise
        shutil.rmtree(attempt.staging, ignore_errors=True)
        return attempt.earlier()


@dataclass(frozen=True, slots=True)
class _Attempt:
    directory: Path
    staged: Staged
    redactor: Redactor
    report: Report

    @property
    def staging(self) -> Path:
        return self.directory / STAGING / check_token(self.staged.token)

    @property
    def published(self) -> Path:
        return self.directory / ARTIFACTS / safe_relative(self.staged.path)

    @property
    def quarantine(self) -> Path:
        return self.directory / QUARANTINE / safe_relative(self.staged.path) / self.staged.token

    def publish(self, described: Description) -> list[SealedRecord]:
        sealed = self.staging / f"sealed-{uuid.uuid4().hex}"
        files: dict[Path, ModelFile] = {}
        withheld: dict[str, str] = {}
        masked: list[str] = []
        for source in _files(self.staging / described.directory):
            relative = source.relative_to(self.staging / described.directory)
            found = Report()
            result = self.redactor.seal_file(source, sealed / relative, name=source.name, report=found)
            for hidden, count in found.counts().items():
                self.report.add(*hidden, count)
            if isinstance(result, WithheldFile):
                withheld[relative.as_posix()] = result.rule
            else:
                path = self._seal(relative.as_posix())  # names of files may hold secrets too
                files[relative] = ModelFile(path=path, size=result.size, sha256=result.sha256)
                if found:
                    masked.append(path)
        if withheld:
            return self._withhold(withheld, sealed)

        example_info, texts = example.seal(described.example, self.redactor, self.report)
        listed = imports(self.staging, described)
        needed = requirements({**modules_of(listed), **_formats(described), **described.modules})
        for name, content in environment_files(described.python_version, needed).items():
            texts[name] = self._seal(content)
        for name, text in texts.items():
            if Path(name) not in files:  # else the flavour knows better
                files[Path(name)] = _write(sealed, name, text)
        config = mlmodel(
            described,
            self._signature(described),
            example_info,
            path=self.staged.path,
            run_id=self.directory.name,
            model_uuid=self.staged.token,
            files=list(files.values()),
            imports=listed,
        )
        text = self.redactor.seal(config, channel="artifact", report=self.report, render=yaml_text)
        if text == UNSCANNED:
            return self._withhold({MLMODEL: "unscanned"}, sealed)
        _write(sealed, MLMODEL, text)

        self._remove_former({file.path for file in files.values()})
        for relative, file in files.items():
            self._move(sealed / relative, file.path)
        self._move(sealed / MLMODEL, MLMODEL)
        self._discard()
        return [*self._warnings(masked), *self._records(described.flavor, list(files.values()), text)]

    def earlier(self) -> list[SealedRecord]:
        """The records of an attempt that came to its end, but not into the log."""
        try:
            withheld = msgspec.json.decode((self.quarantine / WITHHELD).read_bytes(), type=dict[str, str])
            return self._withheld_records(withheld)
        except FileNotFoundError:
            pass
        try:
            text = (self.published / MLMODEL).read_text("utf-8")
        except FileNotFoundError:
            return []
        model = published_model(text)
        if model.uuid != self.staged.token:
            return []
        return self._records(model.flavor, model.files, self._seal(text))

    def _records(self, flavor: str, files: list[ModelFile], text: SealedText) -> list[SealedRecord]:
        data = text.encode("utf-8", "backslashreplace")
        last = ModelFile(path=MLMODEL, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        size = sum(file.size for file in files) + last.size
        model = Model(
            time=clock.now(),
            path=self.staged.path,
            flavor=self._seal(flavor),
            mlmodel=text,
            size=size,
            registered_name=self.staged.registered_name,
        )
        # The record with the token is the last: while it is missing, all of this is done again.
        return [*(self._artifact(file) for file in files), model, self._artifact(last, self.staged.token)]

    def _remove_former(self, kept: set[str]) -> None:
        """Take away an earlier model of this name: its MLmodel, and its files that are not overwritten. Until all of the new
        one is there, there is none."""
        with suppress(OSError, ReticentError, ValueError):  # there is none, or it is not one of ours
            former = published_model((self.published / MLMODEL).read_text("utf-8"))
            for name in {file.path for file in former.files} - kept:
                inside(self.published, name).unlink(missing_ok=True)
        (self.published / MLMODEL).unlink(missing_ok=True)

    def _warnings(self, masked: list[str]) -> list[SealedRecord]:
        if not masked:
            return []
        message = (
            f"something was hidden in the files of the model {self.staged.path!r}: {', '.join(masked)}; it may not load as "
            "it was, or predict something else"
        )
        return [Warned(time=clock.now(), kind=self._seal("model masked"), message=self._seal(message))]

    def _artifact(self, file: ModelFile, token: str | None = None) -> Artifact:
        path = self._seal(f"{self.staged.path}/{file.path}")
        return Artifact(time=clock.now(), path=path, size=file.size, sha256=file.sha256, staged=token)

    def _withhold(self, rules: dict[str, str], sealed: Path) -> list[SealedRecord]:
        shutil.rmtree(sealed, ignore_errors=True)
        write_private(self.staging / WITHHELD, msgspec.json.encode(rules))
        make_directory(self.quarantine.parent)
        os.replace(self.staging, self.quarantine)
        return self._withheld_records(rules)

    def _withheld_records(self, rules: dict[str, str]) -> list[SealedRecord]:
        records: list[SealedRecord] = []
        for number, (name, rule) in enumerate(rules.items(), 1):
            token = self.staged.token if number == len(rules) else None
            path = self._seal(f"{self.staged.path}/{name}")
            records.append(Withheld(time=clock.now(), path=path, rule=rule, staged=token))
        return records

    def _signature(self, described: Description) -> dict[str, SealedText | None] | None:
        """Sealed on its own: half of a signature is worse than none, and thousands of columns may be too much to look at."""
        if described.signature is None:
            return None
        sealed = {key: None if text is None else self._seal(text) for key, text in described.signature.items()}
        return None if UNSCANNED in sealed.values() else sealed

    def _move(self, source: Path, path: str) -> None:
        target = self.published / safe_relative(path)
        make_directory(target.parent)
        os.replace(source, target)

    def _discard(self) -> None:
        (self.staging / description.FILE).unlink(missing_ok=True)
        shutil.rmtree(self.staging, ignore_errors=True)

    def _seal(self, text: str) -> SealedText:
        return self.redactor.seal(text, channel="artifact", report=self.report)


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


def _formats(described: Description) -> dict[str, str]:
    """The modules that the formats of the files need."""
    formats = {config.get("serialization_format") for config in described.flavors.values() if isinstance(config, dict)}
    return {name: "" for name in ("cloudpickle", "skops") if name in formats}


def _write(directory: Path, name: str, text: SealedText) -> ModelFile:
    data = text.encode("utf-8", "backslashreplace")
    write_private(directory / name, data)
    return ModelFile(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
