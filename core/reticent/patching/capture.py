"""What an integration logs to: the run of a call, with the names of this fit, as far as the options let them through."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reticent.guard import swallowed
from reticent.patching.options import Options
from reticent.patching.phases import Phase

if TYPE_CHECKING:
    from reticent.checkpoints import Checkpoints
    from reticent.datasets import Description
    from reticent.patching.early_stopping import EarlyStopping
    from reticent.pictures import Draw
    from reticent.run import Origin, Run


class Capture:
    """Names are given without the prefix that tells a second fit in the same run from the first."""

    def __init__(self, run: Run, prefix: str, options: Options, integration: str) -> None:
        self.run = run
        self.prefix = prefix
        self.options: Any = options
        self.integration = integration
        self._names: dict[str, str | None] = {}
        self._left_out: dict[str, tuple[int, float]] = {}
        """Of each metric the step and the value that `log_step` has left out last, if nothing newer is logged."""
        self._ends_with_run = False

    def log_params(self, params: Mapping[str, object], origin: Origin) -> None:
        """Log hyperparameters: `explicit` if the user gave them, `default` if the framework did, `derived` if it or we have
        found them out."""
        self.run.log_params(self._named(params), origin)

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        try:  # what `name` does, here for the sake of steps
            name = self._names[key]
        except KeyError:
            name = self.name(key)
        if name is not None:
            self.run.log_metric(name, value, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        for key, value in metrics.items():
            self.log_metric(key, value, step)
        if self._left_out:
            for key in metrics:
                self._left_out.pop(key, None)

    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        """Log what there is a value of for each step, batch or iteration: every n-th of it, as the user wishes,
        and the last one when the fit ends, or else the run."""
        if step % self.options.every_n_steps == 0:
            self.log_metrics(metrics, step)
            return
        if not self._ends_with_run:
            self._ends_with_run = True
            self.run.before_end(lambda _: self.log_left_out())
        for key, value in metrics.items():
            self._left_out[key] = step, value

    def log_left_out(self) -> None:
        """No more steps follow: log the last value of each metric, where it is not among every n-th."""
        left_out, self._left_out = self._left_out, {}
        for key, (step, value) in left_out.items():
            self.log_metric(key, value, step)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        self.run.set_tags(self._named(tags))

    def log_text(self, text: str, artifact_file: str) -> None:
        name = self.name(artifact_file)
        if name is not None:
            self.run.log_text(text, name)

    def log_dict(self, dictionary: Mapping[str, Any] | list[Any], artifact_file: str) -> None:
        name = self.name(artifact_file)
        if name is not None:
            self.run.log_dict(dictionary, name)

    def log_picture(self, draw: Draw, data: Mapping[str, Any], artifact_file: str) -> None:
        name = self.name(artifact_file)
        if name is not None:
            self.run.log_picture(draw, data, name)

    def log_artifact(self, local_path: str | os.PathLike[str], artifact_file: str) -> None:
        """Log a file, or a directory, as it is now, under another name."""
        name = self.name(artifact_file)
        if name is not None:
            self.run.log_artifact_as(local_path, name)

    def log_model(self, model: Any, name: str = "model", **options: Any) -> str | None:
        """Log a model, if that is wanted; options as of `Run.log_model`."""
        named = self.name(name)
        if named is None or not self.options.log_models:
            return None
        if not self.options.log_examples:
            example = options.pop("input_example", None)
            options.setdefault("signature_inputs", example)
        return self.run.log_model(model, named, **options)

    def log_dataset(self, name: str, context: Literal["train", "eval", "test", "predict"], found: Description) -> None:
        """Log what `datasets.describe` has found out about data, if that is wanted."""
        named, validation = self.name(name), self.run.validation_digests
        if context in ("test", "predict") and (self.prefix, found.digest) in validation:
            return  # it is listed as what the training has judged itself by
        if named is not None and self.options.log_datasets:
            self.run.dataset_names.add(named)
            if context == "eval":
                validation.add((self.prefix, found.digest))
            told = {"source": found.source, "schema": found.schema, "profile": found.profile}
            self.run.log_dataset(named, context, digest=found.digest, **told)

    def has_dataset(self, name: str) -> bool:
        """Whether a data set of this name has been logged, by whichever integration."""
        return self.name(name) in self.run.dataset_names

    def log_early_stopping(self, found: EarlyStopping) -> None:
        self.log_metrics(found.metrics(), found.stopped_step)
        self.set_tags(found.tags())

    def log_checkpoint(
        self,
        source: str | os.PathLike[str],
        step: int,
        score: float | None = None,
        *,
        monitor: str = "",
        mode: Literal["min", "max", "newest"] = "min",
        part: str = "",
    ) -> None:
        """Keep a file or directory that the training has just written, as it is now, if it is among the best or last ones
        that are wanted; those that it takes the place of are removed from the run.

        `mode` says which score is better ("newest": there are none, the last one is the best), `part` which of several this
        is that are saved in one step. Without, a second one is taken for the same under another name.
        """
        from reticent.checkpoints import Checkpoint

        path = Path(source)
        checkpoint = Checkpoint(path, step, score, monitor, mode, part)
        if self.name(f"checkpoints/{path.name}") is not None:
            with self.guard("checkpoints"):
                self._checkpoints.add(checkpoint)

    def resumable_from(self, place: str | os.PathLike[str]) -> None:
        """Have a training that is resumed from this file or directory go on with this run. Nothing is written there."""
        if not self.prefix:  # a second fit's names would not be found again
            with self.guard("resuming"):
                from reticent import resume, sessions

                resume.remember(sessions.current(), place, self.run.run_id)

    def phase(self, name: str, step: int | None = None) -> Phase:
        """`with capture.phase("fit") as phase:` logs how long it takes."""
        return Phase(self, name, step)

    def guard(self, part: str) -> swallowed:
        """`with capture.guard("importances"):` an error in there is noted in the run, and the rest goes on."""
        return self.run.guard(f"{self.integration} integration ({part})")

    def in_background(self, kind: str, job: Callable[[], None]) -> None:
        self.run.in_background(f"{self.integration} integration ({kind})", job)

    def warn(self, kind: str, message: str) -> None:
        self.run.warn(kind, message)

    def name(self, name: str) -> str | None:
        """What a name becomes in the run; None if the user does not want it."""
        try:
            return self._names[name]
        except KeyError:
            wanted = _matches(name, self.options.include) and not _matches(name, self.options.exclude)
            self._names[name] = f"{self.prefix}{name}" if wanted else None
            return self._names[name]

    def _named(self, values: Mapping[str, object]) -> dict[str, object]:
        names = ((self.name(name), value) for name, value in values.items())
        return {name: value for name, value in names if name is not None}

    @cached_property
    def _checkpoints(self) -> Checkpoints:
        from reticent.checkpoints import Checkpoints

        return Checkpoints(self.run, self.prefix, self.options.checkpoints, self.options.keep)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
