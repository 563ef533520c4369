"""`autolog()`: what it imports, what it refuses, which versions it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import reticent
from reticent.autologging import in_range
from reticent.errors import SettingsError
from reticent.inspection import inspect_integrations

FRAMEWORK = """
__version__ = "{version}"
def train(value):
    return value * 2
"""
INTEGRATION = """
from reticent.patching import Integration, Patch
def train(call):
    if getattr(call.options, "params", True):
        call.run.log_param("value", call.get("value"))
    result = yield
    call.run.log_metric("result", float(result), step=0)
integration = Integration("toy", module="toy", requires=">=1.2,<3", patches=({patches}))
"""
OPTIONS = """
from reticent.patching import Options
class ToyOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    params: bool = True
"""
TRAINING = """
import sys, reticent
reticent.autolog()
assert "toy" not in sys.modules
import toy
assert toy.train(21) == 42
assert reticent.flush(20)
print([run.params for run in reticent.search_runs()])
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A framework and its integration by a third party, installed by their metadata."""
    metadata = tmp_path / "toy_reticent-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-reticent\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[reticent.integrations]\ntoy = toy_reticent:integration\n")
    (tmp_path / "toy.py").write_text(FRAMEWORK.format(version="1.5"))
    (tmp_path / "toy_reticent.py").write_text(INTEGRATION.format(patches='Patch("toy:train", train),'))
    return tmp_path


def train(toy: Path, root: Path, code: str = TRAINING) -> tuple[str, str]:
    path = os.pathsep.join(filter(None, [str(toy), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "RETICENT_DIR": str(root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_third_partys_integration_is_found(toy: Path, root: Path) -> None:
    assert train(toy, root) == ("[{'value': '21'}]\n", "")


def test_a_version_out_of_range_is_left_alone_and_told(toy: Path, root: Path) -> None:
    (toy / "toy.py").write_text(FRAMEWORK.format(version="0.9"))
    output, errors = train(toy, root)
    assert output == "[]\n"
    assert "toy 0.9 is outside of >=1.2,<3: it is not captured" in errors


def test_a_target_that_is_gone_is_told_and_the_others_are_patched(toy: Path, root: Path) -> None:
    patches = 'Patch("toy:gone", train), Patch("toy:train", train),'
    (toy / "toy_reticent.py").write_text(INTEGRATION.format(patches=patches))
    output, errors = train(toy, root)
    assert output == "[{'value': '21'}]\n"
    assert "toy:gone does not exist in this version of toy" in errors


def test_a_broken_integration_does_not_break_the_users_import(toy: Path, root: Path) -> None:
    (toy / "toy_reticent.py").write_text("raise RuntimeError('broken')")
    output, errors = train(toy, root)
    assert output == "[]\n"
    assert "RuntimeError; the training is not affected" in errors


def test_what_cannot_be_enabled_breaks_neither_autolog_nor_the_others(toy: Path, root: Path) -> None:
    for name in ("broken", "nameless"):
        metadata = toy / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[reticent.integrations]\n{name} = {name}_reticent:integration\n")
        (toy / f"{name}.py").write_text("")
    (toy / "broken_reticent.py").write_text("raise RuntimeError('its integration is broken')")
    (toy / "nameless_reticent.py").write_text(  # a framework that does not say its version
        "from reticent.patching import Integration\nintegration = Integration('nameless', 'nameless', '>=1', ())\n"
    )
    code = "import broken, nameless, toy\n" + TRAINING.replace('assert "toy" not in sys.modules', "")
    output, errors = train(toy, root, code)
    assert output.startswith("[{'value': '21'}]")
    assert "the integration of broken: RuntimeError" in errors
    assert "the integration of nameless: AttributeError" in errors


def test_modules_that_load_when_they_are_asked_for_something_are_not_asked(toy: Path, root: Path) -> None:
    """Nor are those that the user forbids; and the finder is there again after somebody put `sys.meta_path` back."""
    before = """
import importlib.util, sys, types
import sklearn.linear_model  # a framework that is there: the loaded modules are looked at
spec = importlib.util.find_spec("wave")
spec.loader = importlib.util.LazyLoader(spec.loader)
lazy = sys.modules["wave"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lazy)
class Shy(types.ModuleType):
    def __getattribute__(self, name):
        raise RuntimeError(name)
sys.modules["shy"] = Shy("shy")
sys.modules["xgboost"] = None
finders = list(sys.meta_path)
import reticent
reticent.autolog()
assert object.__getattribute__(lazy, "__class__") is not types.ModuleType
sys.meta_path[:] = finders
"""
    assert train(toy, root, before + TRAINING) == ("[{'value': '21'}]\n", "")


def test_a_framework_whose_import_calls_autolog_again_is_captured_when_it_is_whole(toy: Path, root: Path) -> None:
    (toy / "toy.py").write_text("import reticent\nreticent.autolog()\n" + FRAMEWORK.format(version="1.5"))
    assert train(toy, root) == ("[{'value': '21'}]\n", "")


def name_hooks(toy: Path, *names: str) -> None:
    """Have the integration name its hooks, which are in a module of their own."""
    hooks, table = INTEGRATION.split("integration =")
    (toy / "toy_hooks.py").write_text(hooks)
    patches = " ".join(f"Patch('toy:train', {name!r})," for name in names)
    (toy / "toy_reticent.py").write_text(hooks.splitlines()[1] + "\nintegration =" + table.format(patches=patches))


def test_a_hook_that_is_named_is_imported_with_its_first_call(toy: Path, root: Path) -> None:
    name_hooks(toy, "toy_hooks:train")
    before = "assert 'toy_hooks' not in sys.modules; assert 'toy_reticent' in sys.modules\nassert toy.train"
    code = TRAINING.replace("assert toy.train", before)
    assert train(toy, root, code) == ("[{'value': '21'}]\n", "")


@pytest.mark.parametrize("name", ["toy_hooks:trian", "toy_hoks:train"])
def test_a_hook_that_is_not_there_is_told_and_the_training_goes_on(name: str, toy: Path, root: Path) -> None:
    name_hooks(toy, name)
    output, errors = train(toy, root)
    assert output == "[]\n"
    assert "toy integration (train) failed with" in errors
    assert "the training is not affected" in errors


def test_a_light_hook_that_is_not_there_is_tried_once(toy: Path, root: Path) -> None:
    name_hooks(toy, "toy_hooks:train")
    table = toy / "toy_reticent.py"
    table.write_text(table.read_text().replace("Patch", "LightPatch"))
    (toy / "toy_hooks.py").write_text("print('imported')\nraise RuntimeError('broken')")
    code = TRAINING.replace("assert toy.train", "toy.train(21)\nassert toy.train")
    output, errors = train(toy, root, code)
    assert output == "imported\n[]\n"
    assert errors.count("toy integration (train) failed with RuntimeError; the training is not affected") == 1


def name_options(toy: Path, name: str) -> None:
    table = toy / "toy_reticent.py"
    table.write_text(table.read_text().replace('module="toy"', f'module="toy", options="{name}"'))
    (toy / "toy_options.py").write_text(OPTIONS)


def test_options_that_are_named_are_imported_with_the_first_call(toy: Path, root: Path) -> None:
    name_options(toy, "toy_options:ToyOptions")
    before = "assert 'toy_options' not in sys.modules; assert 'toy_reticent' in sys.modules\nassert toy.train"
    after = "\nassert 'toy_options' in sys.modules\nprint("
    code = TRAINING.replace("assert toy.train", before).replace("\nprint(", after)
    assert train(toy, root, code) == ("[{'value': '21'}]\n", "")
    off = code.replace("autolog()", "autolog(toy={'params': False})").replace(before, "assert toy.train")
    assert train(toy, root, off) == ("[{}, {'value': '21'}]\n", "")


def test_options_that_are_not_there_are_told_and_the_training_goes_on(toy: Path, root: Path) -> None:
    name_options(toy, "toy_options:ToyOption")
    output, errors = train(toy, root)
    assert output == "[]\n"
    assert "integrations failed with AttributeError; the training is not affected" in errors


@pytest.mark.parametrize("gone", ["hook", "options"])
def test_the_doctor_tells_of_what_is_not_there(gone: str, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if gone == "hook":
        name_hooks(toy, "toy_hooks:trian")
    else:
        name_options(toy, "toy_options:ToyOption")
    monkeypatch.delitem(sys.modules, "toy_reticent", raising=False)
    monkeypatch.syspath_prepend(toy)
    point = metadata.EntryPoint("toy", "toy_reticent:integration", "reticent.integrations")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    (report,) = inspect_integrations()
    assert report.error == "AttributeError"


@pytest.mark.parametrize("required", [">=2.0", ">=2.0.0", ">=2", ">=1.10", ">=1.2,<2", "==2.0", "", ">=2.0rc1"])
@pytest.mark.parametrize(
    "version", ["1.2", "1.9.9", "1.10", "2", "2.0", "2.0.1", "2.0rc1", "2.0.0+cpu", "10.0", "2.0.post1"]
)
def test_versions_are_compared_as_packaging_does(version: str, required: str) -> None:
    assert in_range(version, required) == SpecifierSet(required).contains(version, prereleases=True)


@pytest.mark.parametrize("framework", ["sys", "sklearn"])
def test_autolog_imports_nothing_of_weight(framework: str) -> None:
    code = (
        f"import sys, {framework}; before = set(sys.modules); import reticent; reticent.autolog();"
        "heavy = 'sklearn', 'torch', 'numpy', 'pandas', 'rich', 'sqlite3', 'msgspec', 'asyncio', 'reticent.run';"
        "print(sorted((sys.modules.keys() - before).intersection(heavy)))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETICENT_")}
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert output == "[]\n"


@pytest.mark.parametrize("said", ["nothing", "file", "environment", "configure"])
def test_settings_are_read_where_there_are_some(said: str, tmp_path: Path) -> None:
    code = "import sys, reticent; reticent.autolog(); print('reticent.settings' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETICENT_")}
    if said == "file":
        (tmp_path / "reticent.toml").write_text("[autolog]\nxgboost = 3")
    elif said == "environment":
        environment["RETICENT_AUTOLOG"] = '{"xgboost": 3}'
    elif said == "configure":
        code = "import reticent; reticent.configure(autolog={'xgboost': 3}); reticent.autolog()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    if said == "nothing":
        assert done.stdout == "False\n", done.stderr
    else:
        assert "setting 'autolog': xgboost must be true, false or a table of options" in done.stderr


def test_import_reticent_imports_nothing_of_weight() -> None:
    code = (
        "import sys; before = set(sys.modules); import reticent;"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('reticent')))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "['__future__']\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sklern": False}, "unknown integration or option 'sklern'; known: "),
        ({"sklearn": 3}, "autolog: sklearn must be true, false or a table of options"),
        ({"sklearn": {"log_model": False}}, "log_model"),
        ({"log_models": "no"}, "bool"),
        ({"sklearn": {"max_children": "many"}}, "max_children"),
        ({"dry_run": "many"}, "dry_run must be true or false"),
        ({"checkpoints": "many"}, "checkpoints must be 'best' or 'both' or 'last' or 'none'"),
        ({"keras": {"checkpoints": "many"}}, "keras: checkpoints must be 'best' or 'both' or 'last' or 'none'"),
        ({"xgboost": {"importance_types": ["gain", "many"]}}, "importance_types must be 'cover' or 'gain' or"),
        ({"importance_types": ["weight"]}, "importance_types must be 'gain' or 'split'"),  # XGBoost's, not LightGBM's
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str, root: Path) -> None:
    with pytest.raises(SettingsError) as error:
        reticent.autolog(**options)
    assert message in str(error.value)
    assert "many" not in str(error.value)


def test_threads_that_switch_it_on_and_off_leave_it_whole(toy: Path, root: Path) -> None:
    code = """
        import sys, threading
        import reticent, toy
        sys.setswitchinterval(1e-6)
        def switch():
            for _ in range(5):
                reticent.autolog(log_models=False)
                reticent.autolog(disable=True)
        threads = [threading.Thread(target=switch) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reticent.autolog()
        toy.train(3)
        print(len(reticent.search_runs()))
    """
    assert train(toy, root, textwrap.dedent(code))[0].split()[-1] == "1"


def test_on_a_network_file_system_logs_stay_and_the_database_moves(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reticent import files
    from reticent.backends.sqlite.schema import database_path

    monkeypatch.setattr(files, "_mounts", lambda: iter([(Path("/"), "ext4"), (root.parent, "nfs4")]))
    monkeypatch.setattr(files, "_kinds", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with reticent.start_run() as run:
        for step in range(5000):
            reticent.log_metric("loss", float(step), step=step)
    assert len(reticent.get_run(run.run_id).metric_history("loss")) == 5000
    assert database_path(root).is_relative_to(tmp_path / "cache")
    assert database_path(root).exists()
    assert not (root / "reticent.db").exists()
    assert len(list((root / "runs" / run.run_id).glob("*.metrics"))) == 1  # appended: it has no segments that grow
