"""S3 fails in part 3 of 10: the rest arrives meanwhile, the file in the end, and nothing else waits for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import reticent
from reticent.backends.mlflow import proxied
from reticent.backends.mlflow import s3 as in_parts
from reticent.testing import isolated

from .diff import Server, differences
from .faults import Fault, FaultyProxy, cut_off, reset, status
from .servers import Gateway, Mlflow, mlflow_server

PART = 5 << 20
THIRD = r"partNumber=3(&|$)"


@pytest.fixture(scope="module")
def store(s3: Gateway) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, s3: Gateway, store: FaultyProxy) -> Iterator[Mlflow]:
    """Its runs' files are in S3, which it and we reach through the proxy."""
    files(s3).mkdir("parts")
    directory = tmp_path_factory.mktemp("parts")
    with mlflow_server(directory, None, "s3://parts/proxied", through(s3, store)) as one:
        for name in ("proxied", "direct"):
            told = {"name": name} | ({"artifact_location": "s3://parts/direct"} if name == "direct" else {})
            made = requests.post(f"{one.url}/api/2.0/mlflow/experiments/create", json=told, timeout=60)
            made.raise_for_status()
        yield one


@pytest.fixture
def root(
    tmp_path: Path, s3: Gateway, store: FaultyProxy, server: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    monkeypatch.setattr(proxied, "LARGE", PART)
    monkeypatch.setattr(proxied, "PART", PART)
    monkeypatch.setattr(in_parts, "PART", PART)
    for name, value in through(s3, store).items():
        monkeypatch.setenv(name, value)
    with isolated(tmp_path / "root") as directory:
        yield directory
        store.works()


@pytest.mark.parametrize("fault", [status(503), reset, cut_off(1000)], ids=["503", "reset", "cut off"])
@pytest.mark.parametrize("way", ["proxied", "direct"])
def test_a_part_that_fails(
    way: str, fault: Fault, root: Path, tmp_path: Path, s3: Gateway, store: FaultyProxy, server: Mlflow
) -> None:
    url = f"mlflow+{server.url}"
    big, content = run_with_a_file(way, tmp_path)
    other = run_with_a_file(way, None)[0]
    assert reticent.flush(60)
    store.requests.clear()
    store.fails(fault, path=THIRD)
    error = reticent.sync([url])[url].error
    assert error is not None
    assert "the artifact store" in error
    assert differences(root, other, server.url) == []
    assert all(one.startswith("file 'files/big.bin'") for one in differences(root, big, server.url))
    store.works()
    assert reticent.sync([url])[url].error is None
    assert differences(root, big, server.url) == []
    (run,) = Server(server.url).runs(big)
    with files(s3).open(
        run["info"]["artifact_uri"].replace("mlflow-artifacts:", "s3://parts/proxied") + "/files/big.bin"
    ) as there:
        assert hashlib.sha256(there.read()).digest() == hashlib.sha256(content).digest()
    if way == "proxied":
        assert store.seen(r"partNumber=2(&|$)", "PUT") == 1, "it did not go on where it had stopped"


def test_a_part_that_fails_for_a_training(root: Path, tmp_path: Path, store: FaultyProxy, server: Mlflow) -> None:
    reticent.configure(backends=[f"mlflow+{server.url}"])
    store.requests.clear()
    store.fails(status(503), path=THIRD)
    big, _ = run_with_a_file("proxied", tmp_path)
    until(lambda: store.seen(THIRD) > 0)
    other, _ = run_with_a_file("proxied", None)
    until(lambda: differences(root, other, server.url) == [])
    assert all(one.startswith("file 'files/big.bin'") for one in differences(root, big, server.url))
    store.works()
    assert reticent.flush(120)
    assert differences(root, big, server.url) == []


def run_with_a_file(experiment: str, place: Path | None) -> tuple[str, bytes]:
    """A run's id, and the content of its file if it has one, in ten parts."""
    parts = [bytes([number]) * PART for number in range(10)]  # what is random may look like a secret
    content = b"".join(parts)[7:] if place else b""
    with reticent.start_run(experiment=experiment) as run:
        run.log_param("lr", 0.1)
        if place:
            (place / "big.bin").write_bytes(content)
            run.log_artifact(place / "big.bin", "files")
        for step in range(300):
            run.log_metric("loss", 1 / (step + 1), step)
        run.log_text("some text", "notes/a.txt")
    return run.run_id, content


def through(s3: Gateway, proxy: FaultyProxy) -> dict[str, str]:
    return {**s3.environment, "AWS_ENDPOINT_URL": proxy.url, "MLFLOW_S3_ENDPOINT_URL": proxy.url}


def files(s3: Gateway) -> Any:
    import s3fs

    own = s3.environment
    return s3fs.S3FileSystem(
        key=own["AWS_ACCESS_KEY_ID"],
        secret=own["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=s3.url,
        use_listings_cache=False,
        skip_instance_cache=True,
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
