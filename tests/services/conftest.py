"""Servers that all tests of this directory share: starting one takes ten seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .servers import Gateway, Mlflow, Postgres, gateway, is_installed, mlflow_server, postgres


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server on SQLite with its artifacts in a directory: for what tests of their own experiments ask."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server.url


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    if not is_installed("initdb"):
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[Gateway]:
    if not is_installed("radosgw"):
        pytest.skip("no S3 gateway is installed: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd")
    with gateway() as server:
        yield server


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory, database: Postgres, s3: Gateway) -> Iterator[Mlflow]:
    """What teams run: MLflow on PostgreSQL, its artifacts in S3."""
    import s3fs

    s3fs.S3FileSystem(
        key=s3.environment["AWS_ACCESS_KEY_ID"], secret=s3.environment["AWS_SECRET_ACCESS_KEY"], endpoint_url=s3.url
    ).mkdir("team")
    directory = tmp_path_factory.mktemp("team")
    with mlflow_server(directory, database.url, "s3://team/artifacts", s3.environment) as server:
        yield server
