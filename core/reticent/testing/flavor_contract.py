"""What every flavour promises, as tests to inherit. Give the class a flavour and a model of each kind, and run it.

class TestXGBoost(FlavorContract):
    flavor = flavor
    module = "xgboost"
    kinds = ("booster", "classifier")

    def case(self, kind):
        ...
        return ModelCase(model, example=features)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

from reticent.aside import Aside, AsideError, child_command
from reticent.errors import ReticentError
from reticent.models import Flavor, find, load_model, load_pyfunc, stage, trial
from reticent.models import description as descriptions
from reticent.models import finish as finishing
from reticent.models.example import predictions
from reticent.models.mlmodel import FILE
from reticent.models.publish import publish
from reticent.records import SealedRecord, Staged, Withheld
from reticent.runlog import ARTIFACTS, STAGING
from reticent.testing.canary import find as find_secret
from reticent_redact import Redactor, Report

SECRET = "correct-" + "horse-battery-staple"
_child = child_command  # as it is outside of isolated tests
_unpickled: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and _unpickled is not None:
        _unpickled.append(".".join(map(str, arguments)))


sys.addaudithook(_watch)


@dataclass(frozen=True, slots=True)
class ModelCase:
    model: Any
    example: Any
    """Some rows of input, for which the model gives the same each time."""
    safe: bool = True
    """Whether it loads without trust."""
    outputs: Any = None
    """What the model gives for the example, if the flavour's `predict` is not to be asked."""


@dataclass(frozen=True, slots=True)
class Published:
    directory: Path
    records: list[SealedRecord]
    described: descriptions.Description


class FlavorContract:
    flavor: ClassVar[Flavor]
    module: ClassVar[str]
    """The framework's top-level module."""
    kinds: ClassVar[tuple[str, ...]]

    def case(self, kind: str) -> ModelCase:
        """A small trained model of one of the kinds, made anew."""
        raise NotImplementedError

    def plant(self, model: Any, secret: str) -> bool:
        """Hide a text somewhere in a model so that it is saved with it; whether that can be done."""
        try:
            model.note_ = secret
        except (AttributeError, TypeError):
            return False
        return True

    def change(self, model: Any) -> bool:  # noqa: ARG002 - for those who inherit it
        """Change what a model gives, in place, as further training does; whether that can be done."""
        return False

    def same(self, one: Any, other: Any) -> bool:
        """Whether two outputs are the same."""
        return trial.equal(_plain(one), _plain(other))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "kind" in metafunc.fixturenames:
            metafunc.parametrize("kind", self.kinds)

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        return tmp_path / "runs" / uuid.uuid4().hex

    @pytest.fixture(scope="class")
    @classmethod
    def aside(cls) -> Iterator[Aside]:
        """A process that loads models; the same one for all tests of a class, as frameworks take long to import."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("reticent.aside.child_command", _child)
            one = Aside()
            yield one
            one.close()

    def publish(self, place: Path, model: Any, *, finish: bool = True, **options: Any) -> Published:
        """Log a model to the run in `place`, as it is done in the background."""
        redactor = Redactor()
        redactor.register(SECRET)
        snapshot = stage(place, model, **options)
        staging = place / STAGING / snapshot.token
        if finish and snapshot.flavor.finish is not None:
            finishing._finish(snapshot.flavor.finish, staging)
        described = descriptions.read(staging)
        path = redactor.seal("model", channel="artifact")
        staged = Staged(time=time.time(), token=snapshot.token, path=path, kind="model")
        return Published(place / ARTIFACTS / "model", publish(place, staged, redactor, Report()), described)

    def outputs(self, case: ModelCase) -> Any:
        if case.outputs is not None:
            return case.outputs
        assert self.flavor.predict is not None
        return self.flavor.predict(case.model, case.example, {})

    # --- what is promised

    def test_it_is_found_for_its_models(self, kind: str) -> None:
        found = find(self.case(kind).model)
        assert found is not None
        assert found.name == self.flavor.name

    def test_loaded_again_it_gives_the_same(self, kind: str, place: Path) -> None:
        case = self.case(kind)
        outputs = self.outputs(case)
        published = self.publish(place, case.model, input_example=case.example, signature_outputs=outputs)
        loaded = load_pyfunc(published.directory, trust=not case.safe)
        assert self.same(loaded.predict(case.example), outputs)

    def test_another_process_finds_it_equal(self, kind: str, place: Path, aside: Aside) -> None:
        case = self.case(kind)
        published = self.publish(place, case.model, input_example=case.example, signature_outputs=self.outputs(case))
        result = trial.attempt(aside, str(published.directory), published.described)
        assert result.outcome in ("equal", "loaded"), result

    def test_what_is_not_safe_asks_for_trust(self, kind: str, place: Path) -> None:
        case = self.case(kind)
        published = self.publish(place, case.model)
        if case.safe:
            with _unpickling() as names:
                load_model(published.directory)
            assert names == [], "it says that nothing is unpickled"
        else:
            with pytest.raises(ReticentError, match=r"would import .*\..*trust=True"):
                load_model(published.directory)

    def test_a_model_that_was_not_finished_loads_too(self, kind: str, place: Path) -> None:
        case = self.case(kind)
        outputs = self.outputs(case)
        published = self.publish(place, case.model, finish=False)
        assert self.same(load_pyfunc(published.directory, trust=True).predict(case.example), outputs)

    def test_the_snapshot_is_of_the_model_as_it_was(self, kind: str, place: Path) -> None:
        case = self.case(kind)
        outputs = self.outputs(case)
        snapshot = stage(place, case.model)
        if not self.change(case.model):
            pytest.skip("models of this kind do not change once they are made")
        assert not self.same(self.outputs(case), outputs), "the change changes nothing"
        staging = place / STAGING / snapshot.token
        if snapshot.flavor.finish is not None:
            finishing._finish(snapshot.flavor.finish, staging)
        described = descriptions.read(staging)
        model = self.flavor.load(staging / described.directory, described.flavors[self.flavor.name])
        assert self.flavor.predict is not None
        assert self.same(self.flavor.predict(model, case.example, {}), outputs)

    def test_no_secret_of_a_model_is_published(self, kind: str, place: Path) -> None:
        case = self.case(kind)
        if not self.plant(case.model, f"from {SECRET}"):
            pytest.skip("nothing can be added to models of this kind")
        records = self.publish(place, case.model, input_example=case.example).records
        assert find_secret(SECRET, place / ARTIFACTS) == []
        assert any(isinstance(record, Withheld) for record in records) or (place / ARTIFACTS / "model" / FILE).exists()

    def test_a_changed_file_is_refused(self, kind: str, place: Path) -> None:
        directory = self.publish(place, self.case(kind).model).directory
        for file in [path for path in directory.rglob("*") if path.is_file() and path.name != FILE]:
            content = file.read_bytes()
            file.write_bytes(content[:-1] + bytes([(content or b"\0")[-1] ^ 1]))
            with pytest.raises(ReticentError, match="checksum differs"):
                load_model(directory, trust=True)
            file.write_bytes(content)

    def test_a_cut_off_file_is_told(self, kind: str, place: Path, aside: Aside) -> None:
        """Also where no checksum gives it away; and it takes no process with it."""
        directory = self.publish(place, self.case(kind).model).directory
        content = yaml.safe_load((directory / FILE).read_text())
        (directory / FILE).write_text(yaml.safe_dump({**content, "metadata": {}}))
        for file in [path for path in directory.rglob("*") if path.is_file() and path.name != FILE]:
            whole = file.read_bytes()
            file.write_bytes(whole[: len(whole) // 2])
            try:
                aside.call(_loaded, str(directory), timeout_s=120)
            except AsideError as error:
                assert str(error).startswith("ReticentError"), error  # noqa: PT017 - it need not be raised
            file.write_bytes(whole)

    def test_a_config_leads_out_of_no_directory(self, kind: str, place: Path) -> None:
        """Paths in MLmodel files of unknown origin are not followed."""
        directory = self.publish(place, self.case(kind).model).directory
        content = yaml.safe_load((directory / FILE).read_text())
        content["metadata"] = {}
        config = content["flavors"][self.flavor.name]
        outside = directory.parent / "outside"
        named = [name for name, value in config.items() if isinstance(value, str) and (directory / value).exists()]
        for name in named:
            shutil.rmtree(outside, ignore_errors=True)
            with suppress(FileNotFoundError):
                outside.unlink()
            source = directory / config[name]
            (shutil.copytree if source.is_dir() else shutil.copy)(source, outside)
            led = {**config, name: "../outside"}
            (directory / FILE).write_text(yaml.safe_dump({**content, "flavors": {self.flavor.name: led}}))
            with pytest.raises(ReticentError):
                load_model(directory, trust=True)

    def test_handling_imports_no_framework(self) -> None:
        code = f"""
import sys
from reticent.models import find, flavor
for point in flavor._points():
    flavor._load(point)
assert find(object()) is None or find(object()).name == "python_function"
assert {self.module!r} not in sys.modules, "imported"
"""
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603 - the code above
        assert done.returncode == 0, done.stderr


def _loaded(directory: str) -> str:
    return type(load_model(directory, trust=True)).__name__


@contextmanager
def _unpickling() -> Iterator[list[str]]:
    """What pickles import in this process meanwhile."""
    global _unpickled
    names: list[str] = []
    _unpickled = names
    try:
        yield names
    finally:
        _unpickled = None


def _plain(outputs: Any) -> Any:
    if isinstance(outputs, dict):
        return {name: _plain(value) for name, value in outputs.items()}
    if isinstance(outputs, list):
        return [_plain(value) for value in outputs]
    made = predictions(outputs)
    return np.asarray(outputs).tolist() if made is None else made
