"""A backend with a policy of its own gets less than the run log and the other backends have, and the files to match."""

from __future__ import annotations

import hashlib
import os
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import reticent
from reticent import records, sessions
from reticent.backends import Batch
from reticent.models.mlmodel import published_model
from reticent.redaction import Policies
from reticent.resealing import reseal
from reticent_redact import Policy, Redactor, UserRule

from .conftest import RULE, STAFF, Memory

GITHUB = "ghp_" + "a1B2" * 9


def configure(**own: Any) -> None:
    reticent.configure(redact={"keep": ["site_password"], "backends": {"hoard": own}})


def run_of_all_kinds(directory: Path) -> None:
    """A run in which everything that has text in it has the number of an employee in it."""
    with suppress(RuntimeError), reticent.start_run(f"by {STAFF}", run_id="r", experiment=STAFF) as run:
        run.log_params({"customer": "acme", "lr": 0.1, f"of {STAFF}": 1, "nested": {"who": STAFF}})
        run.set_tags({"owner": STAFF, "plain": "as it is"})
        run.log_metric(f"loss of {STAFF}", 0.5, 1)
        run.log_text(f"trained by {STAFF}\n", f"notes/{STAFF}.txt")
        run.log_text("nothing to hide", "notes/plain.txt")
        binary = directory / "weights.bin"
        binary.write_bytes(b"\0\xff" + STAFF.encode() + b"\0")
        run.log_artifact(binary)
        run.log_dataset("d", "train", digest="1", source=STAFF, schema={"columns": [STAFF]}, profile={})
        run.warn(f"odd {STAFF}", f"odd: {STAFF}")
        raise RuntimeError(f"no such employee: {STAFF}")
    assert reticent.flush(60)


def test_everything_with_text_in_it_is_sealed_again(memory: type[Memory], root: Path, tmp_path: Path) -> None:
    configure(rules=[RULE], deny=["customer"])
    run_of_all_kinds(tmp_path)
    kinds = {type(record) for record in memory.written}
    assert kinds >= {records.RunStarted, records.RunEnded, records.Param, records.Tag, records.MetricKey}
    assert kinds >= {records.Artifact, records.Dataset, records.Warned, records.Withheld, records.Staged}
    received = repr((memory.written, memory.points, memory.files))
    assert STAFF not in received
    assert STAFF.encode() not in pickle.dumps(memory.files)
    params = {record.key: record.value for record in memory.written if isinstance(record, records.Param)}
    assert params == {
        "customer": "[REDACTED:key-denied]",
        "lr": "0.1",
        "of [REDACTED:staff-number]": "1",
        "nested": "{'who': '[REDACTED:staff-number]'}",
    }
    assert [point.key for point in memory.points] == ["loss of [REDACTED:staff-number]"]
    assert memory.files == {
        "notes/[REDACTED:staff-number].txt": b"trained by [REDACTED:staff-number]\n",
        "notes/plain.txt": b"nothing to hide",
    }
    (withheld,) = [record for record in memory.written if isinstance(record, records.Withheld)]
    assert (withheld.path, withheld.rule) == ("weights.bin", "staff-number")


def test_the_run_log_and_other_backends_have_it_all(memory: type[Memory], root: Path, tmp_path: Path) -> None:
    configure(rules=[RULE], deny=["customer"])
    run_of_all_kinds(tmp_path)
    run = reticent.get_run("r")
    assert run.params["customer"] == "acme"
    assert run.tags["owner"] == STAFF
    assert {artifact.path for artifact in run.artifacts()} >= {f"notes/{STAFF}.txt", "weights.bin"}
    assert (root / "runs" / "r" / "artifacts" / "weights.bin").is_file()


def test_no_copy_is_left_behind(memory: type[Memory], root: Path, tmp_path: Path) -> None:
    configure(rules=[RULE])
    run_of_all_kinds(tmp_path)
    stores = [path for path in (root / "delivery").iterdir() if path.name.startswith("hoard-")]
    assert [path for store in stores for path in (store / "sealed").iterdir()] == []
    (stale,) = [store / "sealed" / "1-killed" for store in stores]
    stale.mkdir()
    os.utime(stale, (1, 1))
    with reticent.start_run("s") as run:
        run.log_param("lr", 1)
    assert reticent.flush(60)
    assert not stale.exists()


def test_what_the_base_keeps_is_hidden_there(memory: type[Memory], root: Path) -> None:
    configure(deny=["unused"])
    with reticent.start_run("r", run_id="r") as run:
        run.set_tag("note", "the password is blue-Harbour-42")  # before the key that tells that it is one
        run.log_param("site_password", "blue-Harbour-42")
    assert reticent.flush(60)
    assert reticent.get_run("r").params == {"site_password": "blue-Harbour-42"}
    assert "blue-Harbour-42" not in repr(memory.written)


def test_only_listed_params_go_there(memory: type[Memory], root: Path) -> None:
    configure(only=["lr", "batch_*"])
    with reticent.start_run("r", run_id="r") as run:
        run.log_params({"lr": 0.1, "batch_size": 8, "customer": "acme"})
    assert reticent.flush(60)
    assert {record.key for record in memory.written if isinstance(record, records.Param)} == {"lr", "batch_size"}
    assert set(reticent.get_run("r").params) == {"lr", "batch_size", "customer"}


def test_a_batch_that_was_refused_comes_again(memory: type[Memory], root: Path, tmp_path: Path) -> None:
    configure(rules=[RULE])
    memory.refuses = True
    with reticent.start_run("r", run_id="r") as run:
        run.log_text(f"by {STAFF}", "a.txt")
    assert not reticent.flush(1)
    memory.refuses = False
    assert reticent.sync(["hoard"])["hoard"].error is None
    assert memory.files == {"a.txt": b"by [REDACTED:staff-number]"}


def test_nothing_is_delivered_if_it_cannot_be_sealed(memory: type[Memory], root: Path) -> None:
    configure(rules=[RULE])
    sessions.current().sender("hoard")._stricter = Broken()  # type: ignore[assignment] # what it is does not matter
    with reticent.start_run("r", run_id="r") as run:
        run.log_param("owner", "anybody")
    assert not reticent.flush(1)
    assert memory.written == []


class Broken:
    def batch(self, batch: Batch, directory: Path) -> Any:
        raise RuntimeError("broken")


def test_a_model_lists_the_files_that_are_there(memory: type[Memory], root: Path, tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    configure(rules=[{"id": "penalty", "pattern": "scikit-learn"}])
    with reticent.start_run("r", run_id="r") as run:
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        run.log_model(model)
    assert reticent.flush(60)
    assert b"scikit-learn" in (root / "runs" / "r" / "artifacts" / "model" / "requirements.txt").read_bytes()
    assert b"[REDACTED:penalty]" in memory.files["model/requirements.txt"]
    (said,) = [record.mlmodel for record in memory.written if isinstance(record, records.Model)]
    text = memory.files["model/MLmodel"].decode()
    assert published_model(said).files == published_model(text).files
    for file in published_model(text).files:
        assert hashlib.sha256(memory.files[f"model/{file.path}"]).hexdigest() == file.sha256


def test_hashes_become_plain_markers_where_a_backend_wants_none() -> None:
    base = Policy(actions={"github-token": "hash"}, hash_key=b"k" * 16)
    seal = Redactor(base).seal
    tag = records.Tag(time=1.0, key=seal("k", channel="tag"), value=seal(GITHUB, channel="tag"))
    assert "@" in tag.value
    same = Policies(base, {"m": Policy(deny=("x",))}).of("m")
    masking = Policies(base, {"m": Policy(actions={"*": "mask"})}).of("m")
    assert reseal(tag, Redactor(same)) is tag
    masked = reseal(tag, Redactor(masking))
    assert masked is not None
    assert masked.value == "[REDACTED:github-token]"


def test_sealing_again_changes_nothing_twice() -> None:
    redactor = Redactor(Policy(rules=(UserRule("staff-number", r"STAFF-\d{6}"),)))
    seal = Redactor().seal
    param = records.Param(time=1.0, key=seal("a", channel="param name"), value=seal(STAFF, channel="param"))
    once = reseal(param, redactor)
    assert once is not None
    assert once != param
    assert reseal(once, redactor) is once
