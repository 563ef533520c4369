"""Runs carried by hand: what is imported is what was exported, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
import string
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import reticent
from reticent.bundle import export_runs, import_bundle
from reticent.bundle.compression import ENDINGS, unpacking
from reticent.errors import BundleError, MissingExtraError
from reticent.progress import ProgressFiles
from reticent.runlog import RunReader
from reticent.session import Session
from reticent.sessions import current
from reticent.store import sync

from .conftest import content, session_at

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=40
)
WRITERS = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20)


@st.composite
def run_files(draw: st.DrawFn) -> dict[str, bytes]:
    """Of a run whose log may hold anything: it may have been damaged on the machine that it comes from."""
    files = {f"{draw(WRITERS)}.events": draw(st.binary(max_size=2000))}
    for number in range(draw(st.integers(0, 3))):
        files[f"{draw(WRITERS)}.{number:06d}.metrics"] = draw(st.binary(max_size=5000))
    for path in draw(
        st.lists(st.lists(NAMES.filter(lambda one: one not in (".", "..")), min_size=1, max_size=3), max_size=4)
    ):
        files["artifacts/" + "/".join(path)] = draw(st.binary(max_size=3000))
    return files


@pytest.mark.parametrize("ending", ENDINGS)
@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=run_files())
def test_what_is_imported_is_what_was_exported(
    ending: str, files: dict[str, bytes], root: Path, tmp_path: Path
) -> None:
    directory = root / "runs" / "any"
    for place in (directory, tmp_path / "there"):
        shutil.rmtree(place, ignore_errors=True)
    kept = {}
    for path, data in files.items():
        try:
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(data)
        except OSError:  # a file where another one has a directory
            continue
        kept[path] = data
    kept = content(directory)
    export_runs(current(), ["any"], tmp_path / f"x{ending}")
    assert [run.run_id for run in import_bundle(session_at(tmp_path / "there"), tmp_path / f"x{ending}").new] == ["any"]
    assert content(tmp_path / "there" / "runs" / "any") == kept


def test_a_run_with_its_child_is_read_on_the_other_machine(exported: Session, there: Session, tmp_path: Path) -> None:
    manifest = export_runs(exported, ["one", "two"], tmp_path / "x.tar.zst")
    assert [(run.run_id, run.ended) for run in manifest.runs] == [("one", True), ("two", True)]
    import_bundle(there, tmp_path / "x.tar.zst")
    assert content(there.root / "runs") == content(exported.root / "runs")
    reader = RunReader(there.root / "runs" / "one")
    _, blocks = reader.read()
    assert [point.value for block in blocks for point in block] == [step / 2 for step in range(2000)]
    modes = {path.stat().st_mode & 0o777 for path in (there.root / "runs").rglob("*")}
    assert modes == {0o600, 0o700}


def test_nothing_of_the_root_and_nothing_unsealed_is_in_a_bundle(exported: Session, tmp_path: Path) -> None:
    key = exported.root_key()
    assert len(key) == 32
    for place in ("staging", "quarantine"):
        (exported.root / "runs" / "one" / place).mkdir(exist_ok=True)
        (exported.root / "runs" / "one" / place / "secret.txt").write_text("unsealed")
    os.symlink(exported.root / "key", exported.root / "runs" / "one" / "artifacts" / "linked")
    export_runs(exported, ["one"], tmp_path / "x.tar.gz")
    with (tmp_path / "x.tar.gz").open("rb") as file:
        unpacked = unpacking(file).read(1 << 30)
    assert b"hello" in unpacked
    assert b"unsealed" not in unpacked
    assert key not in unpacked


def test_of_a_run_that_goes_on_there_is_what_there_is(root: Path, there: Session, tmp_path: Path) -> None:
    with reticent.start_run("open", run_id="open") as run:
        for step in range(5000):
            run.log_metric("loss", float(step), step)
        run.log_text("so far", "so-far.txt")
        assert reticent.flush(30)
        session = current()
        session.working = lambda *_: run.log_metric("loss", -1.0, 5000)  # between any two steps of the export
        manifest = export_runs(session, ["open"], tmp_path / "x.tar.zst")
        session.working = lambda *_: None
    assert [run.ended for run in manifest.runs] == [False]
    import_bundle(there, tmp_path / "x.tar.zst")
    _, blocks = RunReader(there.root / "runs" / "open").read()
    assert [point.value for block in blocks for point in block] == [float(step) for step in range(5000)]
    assert (there.root / "runs" / "open" / "artifacts" / "so-far.txt").read_text() == "so far"


OPEN = """
import os, time
import reticent
with reticent.start_run("open", run_id="open") as run:
    run.log_metric("loss", 1.0, 1)
    os.write(1, b"ready")
    time.sleep(600)
"""


def test_where_a_run_is_imported_that_went_on_it_is_crashed(root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "RETICENT_DIR": str(tmp_path / "there"), "RETICENT_BACKENDS": ""}
    process = subprocess.Popen([sys.executable, "-c", OPEN], env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"ready"
        export_runs(session_at(tmp_path / "there"), ["open"], tmp_path / "x.tar.zst")
    finally:
        process.kill()
        process.communicate()
    import_bundle(current(), tmp_path / "x.tar.zst")
    run = reticent.get_run("open")
    assert (run.status.value, run.metrics) == ("CRASHED", {"loss": 1.0})


def test_a_sign_of_life_from_the_future_is_none(exported: Session, there: Session, tmp_path: Path) -> None:
    """By it a process on another machine would seem to live until then."""
    (events,) = (exported.root / "runs" / "one").glob("*.events")
    os.utime(events, (1e10, 1e10))
    (events_of_child,) = (exported.root / "runs" / "two").glob("*.events")
    os.utime(events_of_child, (1.5e9, 1.5e9))
    export_runs(exported, ["one", "two"], tmp_path / "x.tar.gz")
    import_bundle(there, tmp_path / "x.tar.gz")
    assert (there.root / "runs" / "one" / events.name).stat().st_mtime <= time.time()
    assert (there.root / "runs" / "two" / events_of_child.name).stat().st_mtime == 1.5e9


def test_what_is_here_already_stays(exported: Session, there: Session, tmp_path: Path) -> None:
    bundle = tmp_path / "x.tar.zst"
    export_runs(exported, ["one", "two"], bundle)
    import_bundle(there, bundle)
    (events,) = (there.root / "runs" / "one").glob("*.events")
    with events.open("ab") as file:
        file.write(b"what was delivered since\n")
    (there.root / "runs" / "one" / "another.events").write_bytes(b"by another process\n")
    before = content(there.root / "runs")
    again = import_bundle(there, bundle)
    assert ([run.run_id for run in again.known], again.new) == (["one", "two"], [])
    assert content(there.root / "runs") == before


def test_another_run_of_that_id_is_refused_and_none_is_taken(exported: Session, there: Session, tmp_path: Path) -> None:
    export_runs(exported, ["one", "two"], tmp_path / "x.tar.zst")
    other = there.root / "runs" / "two" / "artifacts"
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("another one")
    with pytest.raises(BundleError, match="another run two is here already"):
        import_bundle(there, tmp_path / "x.tar.zst")
    assert content(there.root / "runs") == {"two/artifacts/mine.txt": b"another one"}


def test_every_backend_is_to_be_given_what_was_imported(exported: Session, tmp_path: Path) -> None:
    """Also one that had it before it was moved away."""
    export_runs(exported, ["one"], tmp_path / "x.tar.zst")
    assert sync(["sqlite"])["sqlite"].runs == 0
    shutil.rmtree(exported.root / "runs" / "one")
    import_bundle(exported, tmp_path / "x.tar.zst")
    (directory,) = (exported.root / "delivery").iterdir()
    files = ProgressFiles(exported.root, "sqlite", "")
    files.directory = directory
    assert "one" in files.outstanding()
    assert files.load("one").cursor.writers == {}
    assert sync(["sqlite"], run_ids=["one"])["sqlite"].records >= 2000
    assert reticent.get_run("one").metric_summary("loss").count == 2000


def test_a_name_has_to_say_how_to_compress(exported: Session, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has to end in \.tar\.zst"):
        export_runs(exported, ["one"], tmp_path / "x.zip")


def test_without_zstandard_the_extra_is_named(
    exported: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"reticent\[zstd\]"):
        export_runs(exported, ["one"], tmp_path / "x.tar.zst")
    export_runs(exported, ["one"], tmp_path / "x.tar.gz")


def test_a_bundle_takes_the_place_of_a_file_only_when_it_is_whole(exported: Session, tmp_path: Path) -> None:
    bundle = tmp_path / "x.tar.gz"
    bundle.write_text("before")
    with pytest.raises(FileNotFoundError):
        export_runs(exported, ["nowhere"], bundle)
    assert bundle.read_text() == "before"
    export_runs(exported, ["one"], bundle)
    assert tarfile.is_tarfile(bundle)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert list((exported.root / "moving").iterdir()) == []


LARGE = """
import resource, sys
from pathlib import Path
from reticent.bundle import export_runs, import_bundle
from reticent.sessions import current
import zstandard
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
session = current()
before = peak()
if sys.argv[1] == "export":
    export_runs(session, ["large"], Path(sys.argv[2]))
else:
    import_bundle(session, Path(sys.argv[2]))
print(peak() - before)
"""


def test_memory_is_bounded(exported: Session, tmp_path: Path) -> None:
    shutil.copytree(exported.root / "runs" / "one", exported.root / "runs" / "large")
    with (exported.root / "runs" / "large" / "artifacts" / "zeros").open("wb") as file:
        file.truncate(400 << 20)

    def more(what: str, root: Path) -> int:
        return int(
            subprocess.run(
                [sys.executable, "-c", LARGE, what, str(tmp_path / "x.tar.zst")],
                env={**os.environ, "RETICENT_DIR": str(root)},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        )

    assert more("export", exported.root) < 40
    assert more("import", tmp_path / "there") < 40
