"""The part of a run that takes files, texts, pictures and models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reticent import artifacts, values
from reticent.files import safe_relative
from reticent.filing import Filing, LeftOutError, Publish
from reticent.holding import Holding
from reticent.pictures import Draw
from reticent.recorder import Recorder
from reticent.runlog import ARTIFACTS


class FileLogging:
    """What `Run` inherits; `run_id` and `directory` are the run's. No method raises into training."""

    run_id: str
    directory: Path
    holding: Holding
    _recorder: Recorder
    _filing: Filing
    _models: set[str]

    def log_artifact(self, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log a file, or a directory with all in it, as it is now, under `artifact_path`. It may be deleted afterwards."""
        with self._recorder.guard("log_artifact"):
            source = Path(local_path)
            self._filing.add(source, Path(artifact_path or "") / source.name)

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log the files in a directory, as they are now, under `artifact_path`."""
        with self._recorder.guard("log_artifacts"):
            source = Path(local_dir)
            if not source.is_dir():
                raise NotADirectoryError(20, "not a directory", str(source))
            self._filing.add(source, Path(artifact_path or ""))

    def log_artifact_as(self, local_path: str | os.PathLike[str], artifact_file: str) -> bool:
        """Log a file, or a directory with all in it, as it is now, as the artifact `artifact_file`; False if it could not
        be read, or the disk is full."""
        return self._log_as(local_path, artifact_file, self._filing.publish)

    def log_checkpoint_as(self, local_path: str | os.PathLike[str], artifact_file: str) -> bool:
        """The same for what may be removed again soon: it is sealed, and can be seen, some seconds later."""
        return self._log_as(local_path, artifact_file, self._filing.publish_late)

    def _log_as(self, local_path: str | os.PathLike[str], artifact_file: str, publish: Publish) -> bool:
        logged = False
        with self._recorder.guard("log_artifact"):
            try:
                self._filing.add(Path(local_path), Path(artifact_file), publish)
                logged = True
            except LeftOutError:
                logged = True
                raise
        return logged

    def remove_artifact(self, artifact_file: str) -> None:
        """Keep an artifact, or all that lie under this path, no longer. What no backend has by now, none will get."""
        with self._recorder.guard("remove_artifact"):
            self._filing.remove(self._filing.path(artifact_file))

    def log_text(self, text: str, artifact_file: str) -> None:
        """Log text as the artifact `artifact_file`."""
        with self._recorder.guard("log_text"):
            self._filing.add_text(values.text(values.plain(text)), artifact_file)

    def log_dict(self, dictionary: Mapping[str, Any] | list[Any], artifact_file: str) -> None:
        """Log a dictionary or list as JSON (which is YAML too) in the artifact `artifact_file`."""
        with self._recorder.guard("log_dict"):
            content = self._recorder.seal("artifact", dictionary, render=values.json)
            self._filing.add_sealed(content, self._filing.path(artifact_file))

    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Log a matplotlib figure (format by the file's suffix) or a plotly one (HTML), drawn as it is now."""
        with self._recorder.guard("log_figure"):
            path = self._filing.path(artifact_file)
            token, directory = artifacts.stage_directory(self.directory)
            drawn = directory / safe_relative(path).name
            if hasattr(figure, "savefig"):
                figure.savefig(drawn)
            elif hasattr(figure, "write_html"):
                figure.write_html(drawn)
            else:
                raise TypeError(f"a figure must be matplotlib's or plotly's, not {type(figure).__name__}")
            self._filing.publish(f"{token}/{drawn.name}", path)

    def log_picture(self, draw: Draw, data: Mapping[str, Any], artifact_file: str) -> None:
        """Log the matplotlib figure that `draw`, a function of a module, makes of sealed `data`; drawn in the background,
        by another process where that is possible. Does nothing where matplotlib is not installed, or when many wait."""
        with self._recorder.guard("log_picture"):
            if find_spec("matplotlib") is None:
                return
            path = self._filing.path(artifact_file)
            content = self._recorder.seal("artifact", data, render=values.json)
            self._filing.draw(draw, content, path)

    def log_model(self, model: Any, name: str = "model", **options: Any) -> str | None:
        """Log a model as it is now; its URI for `reticent.load_model`, or None if it could not be logged.

        Options, all of them optional: `input_example` and `signature_outputs`: what the model takes, of which some rows are
        kept, and what it gives for that; `signature_inputs`, if the signature is to be that of other data; `signature`, as
        MLflow infers it, instead of these; `params`: the defaults of params of inference; `metadata`: anything that is
        JSON; `code_paths`: files and directories with modules of yours that the model needs; `flavor`: a
        `reticent.models.Flavor` of your own; `registered_model_name`: the registered model of which this is to be the next
        version, here and at every backend that has a registry.
        """
        with self._recorder.guard(f"log_model({values.text(values.plain(name))!r})"):
            from reticent.models import stage
            from reticent.models.filing import file_model, known_options, registered_name

            path = self._filing.path(name)
            known = path in self._models or (self.directory / ARTIFACTS / path / "MLmodel").exists()
            if known and not self.holding.goes_on:
                self._recorder.warn("model changed", f"the model {path!r} was logged again; the newest one holds")
            self._models.add(path)
            name_there = options.pop("registered_model_name", None)
            registered = None if name_there is None else registered_name(self._recorder, name_there)
            snapshot = stage(self.directory, model, **known_options(self._recorder, options))
            file_model(self._filing, snapshot, path, registered)
            return f"runs:/{self.run_id}/{path}"
        return None
