"""Real servers for tests and benchmarks, on loopback: MLflow, PostgreSQL, and S3 by Ceph's gateway.

Each is a context manager that gives the running server, and ends it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

READY_S = 120

S3_KEY, S3_SECRET = "AKIA" + "TEST", "SECRET" + "TEST"


def is_installed(command: str) -> bool:
    return shutil.which(command) is not None or any(Path("/usr/lib/postgresql").glob(f"*/bin/{command}"))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def mlflow_command(host: str, port: int, workers: int, store: str, artifacts: str) -> list[str]:
    """As in deploy/, which is started by no test."""
    return [
        "mlflow",
        "server",
        f"--host={host}",
        f"--port={port}",
        f"--workers={workers}",
        f"--backend-store-uri={store}",
        f"--artifacts-destination={artifacts}",
    ]


@dataclass
class Mlflow:
    """An MLflow server. `stop` and `start` keep its port and its data."""

    directory: Path
    port: int
    store: str
    artifacts: str
    environment: Mapping[str, str]
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = mlflow_command("127.0.0.1", self.port, 1, self.store, self.artifacts)
        with (self.directory / "mlflow.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, *self.options],
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **self.environment},
                cwd=self.directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_S
        while not _answers(f"{self.url}/health"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no MLflow server: {(self.directory / 'mlflow.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """At once, with its workers."""
        if self.process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def mlflow_server(
    directory: Path,
    store: str | None = None,
    artifacts: str | None = None,
    environment: Mapping[str, str] = {},
    options: tuple[str, ...] = (),
) -> Iterator[Mlflow]:
    directory.mkdir(parents=True, exist_ok=True)
    store = store or f"sqlite:///{directory}/mlflow.db"
    server = Mlflow(directory, free_port(), store, artifacts or str(directory / "artifacts"), environment, options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@dataclass
class Postgres:
    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://mlflow@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = (
            f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        )
        self._control("-w", "-l", str(self.directory / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._control("-m", "immediate", "-w", "stop")

    def _control(self, *arguments: str) -> None:
        _as_postgres("pg_ctl", "-D", str(self.directory / "data"), *arguments)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """In a directory of its own under /tmp: the server's user has to reach it, and a socket's path must be short."""
    directory = Path(f"/tmp/pg-{uuid.uuid4().hex[:8]}")
    directory.mkdir()
    if os.getuid() == 0:
        shutil.chown(directory, "postgres")
    server = Postgres(directory, free_port())
    try:
        _as_postgres("initdb", "-D", str(directory / "data"), "-A", "trust", "-U", "mlflow", "--no-sync")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _as_postgres(*command: str) -> None:
    """Run a command of PostgreSQL, which refuses to be root."""
    own = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    found = shutil.which(command[0]) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{command[0]}")))
    done = subprocess.run([*own, found, *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.decode()[-1000:]}")


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@dataclass
class Gateway:
    """Ceph's S3 gateway with one monitor and one object store in memory."""

    directory: Path
    port: int
    processes: list[subprocess.Popen[bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What clients of S3 (boto3, s3fs, MLflow) find it by."""
        return {
            "AWS_ACCESS_KEY_ID": S3_KEY,
            "AWS_SECRET_ACCESS_KEY": S3_SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "MLFLOW_S3_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def empty(self, bucket: str) -> None:
        """Remove all that is in a bucket, also from memory."""
        import s3fs

        files = s3fs.S3FileSystem(key=S3_KEY, secret=S3_SECRET, endpoint_url=self.url, skip_instance_cache=True)
        files.rm(files.ls(bucket), recursive=True)
        admin = ("radosgw-admin", "-c", str(self.directory / "ceph.conf"), "-n", "client.gateway")
        subprocess.run([*admin, "gc", "process", "--include-all"], check=True, capture_output=True, timeout=READY_S)


_CEPH = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 0
osd objectstore = memstore
memstore device bytes = 8589934592
keyring = {directory}/keyring
run dir = {directory}
admin socket = {directory}/$name.sock
log file = {directory}/$name.log
pid file = {directory}/$name.pid
mon data = {directory}/mon
osd data = {directory}/osd
[client.gateway]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw dns name = localhost
"""

_KEYS = {
    "mon.": ("--cap", "mon", "allow *"),
    "client.admin": ("--cap", "mon", "allow *", "--cap", "osd", "allow *"),
    "osd.0": ("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"),
    "client.gateway": ("--cap", "mon", "allow rw", "--cap", "osd", "allow rwx"),
}


@contextmanager
def gateway() -> Iterator[Gateway]:
    """In a directory of its own under /tmp, for its sockets' paths must be short."""
    if shutil.which("radosgw") is None:
        raise RuntimeError(
            "radosgw is not installed: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd"
        )
    directory = Path(f"/tmp/s3-{uuid.uuid4().hex[:8]}")
    server = Gateway(directory, free_port(), [])
    config = ("-c", str(directory / "ceph.conf"))

    def do(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, cwd=directory, timeout=READY_S)
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr.decode()[-1000:]}")

    def stay(*command: str) -> None:
        server.processes.append(
            subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    try:
        for name in ("mon", "osd"):
            (directory / name).mkdir(parents=True)
        told = {"fsid": str(uuid.uuid4()), "monitor": free_port(), "port": server.port, "directory": directory}
        (directory / "ceph.conf").write_text(_CEPH.format(**told))
        for number, (name, caps) in enumerate(_KEYS.items()):
            new = ("--create-keyring",) if number == 0 else ()
            do("ceph-authtool", *new, "keyring", "--gen-key", "-n", name, *caps)
        monitor = f"[v2:127.0.0.1:{told['monitor']}]"
        do("monmaptool", "--create", "--fsid", str(told["fsid"]), "--addv", "a", monitor, "monmap")
        do("ceph-mon", *config, "-i", "a", "--mkfs", "--monmap", "monmap", "--keyring", "keyring")
        stay("ceph-mon", *config, "-i", "a", "-f")
        do("ceph", *config, "osd", "create")
        do("ceph", *config, "auth", "import", "-i", "keyring")
        do("ceph-osd", *config, "-i", "0", "--mkfs")
        stay("ceph-osd", *config, "-i", "0", "-f")
        user = ("--uid=tracking", "--display-name=tracking", f"--access-key={S3_KEY}", f"--secret-key={S3_SECRET}")
        do("radosgw-admin", *config, "-n", "client.gateway", "user", "create", *user)
        stay("radosgw", *config, "-n", "client.gateway", "-f")
        deadline = time.monotonic() + READY_S
        while not _answers(server.url):
            if time.monotonic() > deadline:
                raise RuntimeError("the S3 gateway does not answer")
            time.sleep(0.1)
        yield server
    finally:
        for process in reversed(server.processes):
            process.kill()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)
