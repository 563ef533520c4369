"""Files, models, data sets and parents arrive at an MLflow server as its users expect them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from reticent import records
from reticent.backends import Batch, Mark, Rejection, Target, UnavailableError
from reticent.backends.mlflow import MlflowBackend, proxied
from reticent.backends.mlflow import s3 as parts
from reticent.backends.mlflow.direct import Direct
from reticent.records import SealedRecord
from reticent.testing.batches import START, batch, sealed

from .diff import Server
from .faults import FaultyProxy, status
from .servers import Gateway, Mlflow, mlflow_server


def artifact(directory: Path, path: str, content: bytes) -> records.Artifact:
    """A file of the run in this directory, and its record."""
    file = directory / "artifacts" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return records.Artifact(time=START, path=sealed(path), size=len(content), sha256=digest)


@contextmanager
def opened(url: str, root: Path) -> Iterator[MlflowBackend]:
    backend = MlflowBackend()
    backend.open(Target(f"mlflow+{url}", root))
    try:
        yield backend
    finally:
        backend.close()


def write(url: str, one: Batch) -> Sequence[Rejection]:
    with opened(url, one.directory) as backend:
        return backend.write(dataclasses.replace(one, mark=Mark()))


def of(run_id: str, directory: Path, *entries: SealedRecord, experiment: str = "default") -> Batch:
    begun = records.RunStarted(time=START, run_id=run_id, name=sealed(run_id), experiment=sealed(experiment))
    return dataclasses.replace(batch(directory, begun, *entries), run_id=run_id, started=begun)


@pytest.fixture
def team_on_s3(request: pytest.FixtureRequest) -> Mlflow:
    team: Mlflow = request.getfixturevalue("team")
    return team


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> str:
    return hashlib.md5(request.node.nodeid.encode() + os.urandom(8)).hexdigest()


def test_a_file_that_is_there_is_not_sent_again_and_a_removed_one_goes(
    mlflow_url: str, tmp_path: Path, run_id: str
) -> None:
    one, other = artifact(tmp_path, "a/one.bin", b"one"), artifact(tmp_path, "a/ö ther.bin", b"other")
    empty = artifact(tmp_path, "a/empty", b"")
    with FaultyProxy(mlflow_url) as proxy:
        assert list(write(proxy.url, of(run_id, tmp_path, one, other, empty))) == []
        assert proxy.seen("/artifacts/.*one.bin", "PUT") == 1
        assert list(write(proxy.url, of(run_id, tmp_path, one, other))) == []
        assert proxy.seen("/artifacts/.*one.bin", "PUT") == 1
        changed = artifact(tmp_path, "a/one.bin", b"two")
        gone = records.ArtifactRemoved(time=START, path=sealed("a/ö ther.bin"))
        assert list(write(proxy.url, of(run_id, tmp_path, one, other, changed, gone))) == []
    (run,) = Server(mlflow_url).runs(run_id)
    files = Server(mlflow_url).files(run["info"]["artifact_uri"])
    assert files.pop("reticent/sha256.json")
    assert files == {"a/one.bin": hashlib.sha256(b"two").hexdigest(), "a/empty": empty.sha256}


def test_a_directory_of_the_servers_machine_is_used_where_it_is_here_too(tmp_path: Path, run_id: str) -> None:
    """The server is started without --serve-artifacts, so that its runs name a path."""
    there = tmp_path / "there"
    with mlflow_server(
        tmp_path / "server", options=("--no-serve-artifacts", "--default-artifact-root", str(there))
    ) as server:
        file = artifact(tmp_path, "a.txt", b"some")
        (rejection,) = write(server.url, of(run_id, tmp_path, file))
        assert rejection.count == 1
        assert "cannot be reached from here" in rejection.reason
        there.mkdir()
        assert list(write(server.url, of(run_id, tmp_path, file))) == []
        (run,) = Server(server.url).runs(run_id)
        assert next(there.rglob("a.txt")).read_bytes() == b"some"
        listed = Server(server.url).ask("GET", "mlflow/artifacts/list", params={"run_id": run["info"]["run_id"]})
        assert "a.txt" in {one["path"] for one in listed["files"]}


def test_a_large_file_goes_to_the_store_in_parts_and_on_where_it_stopped(
    team_on_s3: Mlflow, tmp_path: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxied, "LARGE", 20 << 20)
    monkeypatch.setattr(proxied, "PART", 5 << 20)
    content = os.urandom(23 << 20)
    file = artifact(tmp_path, "big.bin", content)
    sent: list[int] = []
    put = proxied.Client.put_elsewhere

    def through(client: proxied.Client, url: str, data: bytes, headers: dict[str, str]) -> str:
        sent.append(len(data))
        if len(sent) == 3:
            raise UnavailableError("the store fails in its third part")
        return put(client, url, data, headers)

    monkeypatch.setattr(proxied.Client, "put_elsewhere", through)
    with pytest.raises(UnavailableError):
        write(team_on_s3.url, of(run_id, tmp_path, file))
    assert list(write(team_on_s3.url, of(run_id, tmp_path, file))) == []
    assert len(sent) == 6, "five parts, the third one twice"
    (run,) = Server(team_on_s3.url).runs(run_id)
    assert Server(team_on_s3.url).files(run["info"]["artifact_uri"])["big.bin"] == file.sha256
    assert proxied._begun == {}


def test_where_the_store_cannot_be_reached_large_files_go_through_the_server(
    team_on_s3: Mlflow, tmp_path: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxied, "LARGE", 1 << 20)
    file = artifact(tmp_path, "big.bin", os.urandom(3 << 20))

    def unreachable(*_: object) -> str:
        raise UnavailableError("no route to host")

    monkeypatch.setattr(proxied.Client, "put_elsewhere", unreachable)
    assert list(write(team_on_s3.url, of(run_id, tmp_path, file))) == []
    (run,) = Server(team_on_s3.url).runs(run_id)
    assert Server(team_on_s3.url).files(run["info"]["artifact_uri"])["big.bin"] == file.sha256


def test_a_store_that_serves_no_parts_gets_large_files_whole(
    mlflow_url: str, tmp_path: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxied, "LARGE", 1 << 20)
    file = artifact(tmp_path, "big.bin", os.urandom(3 << 20))
    assert list(write(mlflow_url, of(run_id, tmp_path, file))) == []
    (run,) = Server(mlflow_url).runs(run_id)
    assert Server(mlflow_url).files(run["info"]["artifact_uri"])["big.bin"] == file.sha256


def test_straight_to_s3_with_own_credentials_in_little_memory(
    s3: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    import s3fs

    s3fs.S3FileSystem(endpoint_url=s3.url, skip_instance_cache=True).mkdir("direct")
    store = Direct("s3://direct/0/run/artifacts")
    big = tmp_path / "big.bin"
    block = os.urandom(1 << 20)
    with big.open("wb") as file:
        for number in range(200):
            file.write(number.to_bytes(2, "big") + block[2:])
    store.put("warm.bin", b"x")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.put("a/big.bin", big)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    assert store.size("a/big.bin") == 200 << 20
    assert store.read("a/big.bin") == big.read_bytes()
    assert grown <= 64, f"{grown} MB"
    store.remove("a")
    store.remove("a")
    assert store.size("a/big.bin") is None
    assert store.read("warm.bin") == b"x"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(
        UnavailableError, match=r"s3://direct cannot be used .* credentials are taken from the environment"
    ):
        Direct("s3://direct/0/run/artifacts").put("b", b"x")


KILLED_IN_PART_4 = """
    import os, sys
    from pathlib import Path
    from reticent.backends.mlflow import s3
    from reticent.backends.mlflow.direct import Direct
    s3.PART, s3.AT_ONCE = 5 << 20, 1
    send = s3._send
    def killed(client, place, upload, number, data):
        if number == 4:
            os.kill(os.getpid(), 9)
        return send(client, place, upload, number, data)
    s3._send = killed
    Direct("s3://killed/run").put("big.bin", Path(sys.argv[1]))
"""


def test_what_a_killed_process_sent_straight_to_s3_is_not_sent_again(
    s3: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    import s3fs

    files = s3fs.S3FileSystem(endpoint_url=s3.url, skip_instance_cache=True)
    files.mkdir("killed")
    big = tmp_path / "big.bin"
    content = os.urandom(33 << 20)
    big.write_bytes(content)
    command = [sys.executable, "-c", textwrap.dedent(KILLED_IN_PART_4), str(big)]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    monkeypatch.setattr(parts, "PART", 5 << 20)
    sent: list[int] = []
    send = parts._send

    def noted(client: object, place: dict[str, str], upload: str, number: int, data: bytes) -> str:
        sent.append(number)
        return send(client, place, upload, number, data)

    monkeypatch.setattr(parts, "_send", noted)
    big.write_bytes(content[: 5 << 20] + b"another one" + content[(5 << 20) + 11 :])
    Direct("s3://killed/run").put("big.bin", big)
    assert sorted(sent) == [2, 4, 5, 6, 7], "two parts were there, and one of another content"
    assert Direct("s3://killed/run").read("big.bin") == big.read_bytes()
    assert files.list_multipart_uploads("killed") == []


def test_s3_fails_in_one_of_many_parts(s3: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem(endpoint_url=s3.url, skip_instance_cache=True).mkdir("failing")
    store = Direct("s3://failing/run")
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(48 << 20))
    monkeypatch.setattr(parts, "PART", 5 << 20)
    sent: list[int] = []
    send = parts._send

    def fails_once(client: object, place: dict[str, str], upload: str, number: int, data: bytes) -> str:
        sent.append(number)
        if sent.count(3) == 1 and number == 3:
            raise OSError("reset in part 3")
        return send(client, place, upload, number, data)

    monkeypatch.setattr(parts, "_send", fails_once)
    with pytest.raises(UnavailableError, match="part 3"):
        store.put("big.bin", big)
    assert store.size("big.bin") is None
    store.put("big.bin", big)
    assert sorted(sent) == [1, 2, 3, *range(3, 11)], "each part once, the third one twice"
    assert store.read("big.bin") == big.read_bytes()


def test_a_child_that_comes_first_gets_its_parent(mlflow_url: str, tmp_path: Path, run_id: str) -> None:
    parent_id = run_id[::-1]
    child = records.RunStarted(
        time=START, run_id=run_id, name=sealed("child"), experiment=sealed(f"of {run_id}"), parent_id=parent_id
    )
    write(mlflow_url, dataclasses.replace(batch(tmp_path, child), run_id=run_id, started=child))
    server = Server(mlflow_url)
    (awaited,) = server.runs(parent_id)
    (run,) = server.runs(run_id)
    assert {"key": "mlflow.parentRunId", "value": awaited["info"]["run_id"]} in run["data"]["tags"]

    lr = records.Param(time=START, key=sealed("lr"), value=sealed("1"))
    # In another experiment than its child was in: the run that stands for it is found there.
    write(mlflow_url, of(parent_id, tmp_path, lr, experiment="default"))
    (parent,) = server.runs(parent_id)
    assert parent["info"]["run_id"] == awaited["info"]["run_id"]
    assert parent["info"]["run_name"] == parent_id
    assert parent["data"]["params"] == [{"key": "lr", "value": "1"}]


def test_a_parent_in_another_experiment_is_found(mlflow_url: str, tmp_path: Path, run_id: str) -> None:
    parent_id = run_id[::-1]
    write(mlflow_url, of(parent_id, tmp_path, experiment=f"parents {run_id}"))
    child = records.RunStarted(
        time=START, run_id=run_id, name=sealed("child"), experiment=sealed("default"), parent_id=parent_id
    )
    write(mlflow_url, dataclasses.replace(batch(tmp_path, child), run_id=run_id, started=child))
    (parent,) = Server(mlflow_url).runs(parent_id)
    (run,) = Server(mlflow_url).runs(run_id)
    assert {"key": "mlflow.parentRunId", "value": parent["info"]["run_id"]} in run["data"]["tags"]


def test_data_sets_are_inputs_with_columns_that_mlflow_knows(mlflow_url: str, tmp_path: Path, run_id: str) -> None:
    schema = {"features": {"columns": [{"name": "a", "type": "float64"}, {"name": "b", "type": "category"}]}}
    array = {"features": {"shape": [9, 4], "dtype": "float32"}}

    def dataset(name: str, digest: str, source: str, schema: object) -> records.Dataset:
        return records.Dataset(
            time=START,
            name=sealed(name),
            context=sealed("train"),
            digest=sealed(digest),
            source=sealed(source),
            schema=sealed(json.dumps(schema)),
            profile=sealed('{"features": {"rows": 9}}'),
        )

    given = [
        dataset("table", "d" * 50, "memory (pandas.DataFrame)", schema),
        dataset("n" * 600, "d", "s3://bucket/path", array),
        dataset("odd", "e", "https://example.org/x.csv", []),
    ]
    for _ in range(2):
        assert list(write(mlflow_url, of(run_id, tmp_path, *given))) == []
    (run,) = Server(mlflow_url).runs(run_id)
    import mlflow

    run = mlflow.MlflowClient(mlflow_url).get_run(run["info"]["run_id"])
    inputs = {one.dataset.name: one for one in run.inputs.dataset_inputs}
    assert sorted(inputs) == sorted(["table", "n" * 500, "odd"])
    assert len(run.inputs.dataset_inputs) == 3
    table = inputs["table"]
    assert [(one.key, one.value) for one in table.tags] == [("mlflow.data.context", "train")]
    columns = json.loads(table.dataset.schema)["mlflow_colspec"]
    assert [(one.name, one.type.name) for one in mlflow.types.Schema.from_json(json.dumps(columns)).inputs] == [
        ("a", "double"),
        ("b", "string"),
    ]
    tensor = mlflow.data.schema.TensorDatasetSchema.from_dict(json.loads(inputs["n" * 500].dataset.schema))
    assert tensor.features.inputs[0].shape == (-1, 4)
    assert [inputs[name].dataset.source_type for name in ("table", "n" * 500, "odd")] == ["code", "s3", "http"]


MLMODEL = "flavors: {python_function: {loader_module: x}}\nmodel_uuid: abc\nutc_time_created: '2026'\n"


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_model_is_an_output_of_its_run_once(mlflow_url: str, tmp_path: Path, run_id: str, cut: int) -> None:
    """Also where the process died between any two of its records."""
    weights = artifact(tmp_path, "model/data/weights.bin", b"weights")
    text = artifact(tmp_path, "model/MLmodel", MLMODEL.encode())
    model = records.Model(time=START, path=sealed("model"), flavor="x", mlmodel=sealed(MLMODEL), size=1)
    whole = of(run_id, tmp_path, weights, model, text)
    first = dataclasses.replace(whole, entries=whole.entries[:cut])
    with FaultyProxy(mlflow_url) as proxy:
        write(proxy.url, first)
        for _ in range(2):
            assert list(write(proxy.url, whole)) == []
        server = Server(mlflow_url)
        (run,) = server.runs(run_id)
        run = server.ask("GET", "mlflow/runs/get", params={"run_id": run["info"]["run_id"]})["run"]
        (output,) = run["outputs"]["model_outputs"]
        logged = server.ask("GET", f"mlflow/logged-models/{output['model_id']}")["model"]["info"]
        assert (logged["name"], logged["status"]) == ("model", "LOGGED_MODEL_READY")
        assert sorted(server.files(logged["artifact_uri"])) == ["MLmodel", "data/weights.bin"]
        assert sorted(server.files(run["info"]["artifact_uri"])) == ["reticent/sha256.json"]
        removed = records.ArtifactRemoved(time=START, path=sealed("model"))
        assert list(write(proxy.url, of(run_id, tmp_path, removed))) == []
        assert server.files(logged["artifact_uri"]) == {}


def test_a_model_that_comes_after_the_end_has_the_metrics_of_its_run(
    mlflow_url: str, tmp_path: Path, run_id: str
) -> None:
    ended = records.RunEnded(time=START, status=records.RunStatus.FINISHED)
    points = batch(tmp_path, metrics=[("loss", 0, 0.5), ("loss", 1, 0.25)]).metrics
    assert list(write(mlflow_url, dataclasses.replace(of(run_id, tmp_path, ended), metrics=points))) == []
    text = artifact(tmp_path, "model/MLmodel", MLMODEL.encode())
    assert list(write(mlflow_url, of(run_id, tmp_path, text))) == []
    server = Server(mlflow_url)
    (run,) = server.runs(run_id)
    run = server.ask("GET", "mlflow/runs/get", params={"run_id": run["info"]["run_id"]})["run"]
    (output,) = run["outputs"]["model_outputs"]
    (metric,) = server.ask("GET", f"mlflow/logged-models/{output['model_id']}")["model"]["data"]["metrics"]
    assert (metric["key"], metric["value"]) == ("loss", 0.25)


def test_a_failed_run_says_why_until_it_goes_on(mlflow_url: str, tmp_path: Path, run_id: str) -> None:
    error = (
        'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    fit()\nValueError: no rows\n'
    )
    ended = records.RunEnded(time=START, status=records.RunStatus.FAILED, error=sealed(error))
    resumed = records.RunStarted(
        time=START, run_id=run_id, name=sealed("a run"), experiment=sealed("files"), resumed=True
    )
    server = Server(mlflow_url)
    assert list(write(mlflow_url, of(run_id, tmp_path, ended))) == []
    (run,) = server.runs(run_id)
    assert {"key": "reticent.error", "value": "ValueError: no rows"} in run["data"]["tags"]
    place = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert server.content(f"{place}/reticent/error.txt") == error.encode()
    assert list(write(mlflow_url, of(run_id, tmp_path, resumed))) == []
    (run,) = server.runs(run_id)
    assert run["info"]["status"] == "RUNNING"
    assert "reticent.error" not in {one["key"] for one in run["data"]["tags"]}


def test_a_model_that_mlflow_3_has_no_name_for_is_listed_with_its_run(
    mlflow_url: str, tmp_path: Path, run_id: str
) -> None:
    text = artifact(tmp_path, "models/best.v1/MLmodel", MLMODEL.encode())
    model = records.Model(time=START, path=sealed("models/best.v1"), flavor="x", mlmodel=sealed(MLMODEL), size=1)
    for _ in range(2):
        assert list(write(mlflow_url, of(run_id, tmp_path, text, model))) == []
    (run,) = Server(mlflow_url).runs(run_id)
    tags = {one["key"]: one["value"] for one in run["data"]["tags"]}
    (listed,) = json.loads(tags["mlflow.log-model.history"])
    assert listed["artifact_path"] == "models/best.v1"
    assert listed["flavors"] == {"python_function": {"loader_module": "x"}}
    assert "models/best.v1/MLmodel" in Server(mlflow_url).files(run["info"]["artifact_uri"])


def test_a_server_of_mlflow_2_is_not_asked_for_models_of_its_own(mlflow_url: str, tmp_path: Path, run_id: str) -> None:
    text = artifact(tmp_path, "model/MLmodel", MLMODEL.encode())
    model = records.Model(time=START, path=sealed("model"), flavor="x", mlmodel=sealed(MLMODEL), size=1)
    with FaultyProxy(mlflow_url) as proxy:
        proxy.fails(status(200, body=b"2.22.0"), path="^/version")
        assert list(write(proxy.url, of(run_id, tmp_path, text, model))) == []
        assert proxy.seen("logged-models") == 0
    (run,) = Server(mlflow_url).runs(run_id)
    assert "mlflow.log-model.history" in {one["key"] for one in run["data"]["tags"]}
    assert "model/MLmodel" in Server(mlflow_url).files(run["info"]["artifact_uri"])
