"""How fast does a large file reach S3 through the MLflow backend, beside boto3 and s3fs alone, and with how much memory?

Each upload is a process of its own, which has sent small files before; in turns. Straight: the run's artifacts are in S3
as far as the client can see; through: the server hands them on. `BENCH_MB=1024` sends a GB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.services.servers import S3_KEY, S3_SECRET, Gateway, gateway, is_installed

from benchmarks.delivery import team
from benchmarks.turns import Row, in_turns, ratio, rounds, spread

PACKAGES = "postgresql radosgw ceph-mon ceph-osd"
MB = int(os.environ.get("BENCH_MB", 256))
WAYS = (("reticent", "straight"), ("boto3", "straight"), ("s3fs", "straight"), ("reticent", "through"))

START = """
import sys, time
from pathlib import Path
url, s3, directory, megabytes, experiment = sys.argv[1:]
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
"""
END = """
send("tiny", 1)
memory = peak()
send("small", 20)
begun = time.perf_counter()
send("large", int(megabytes))
print(int(megabytes) / (time.perf_counter() - begun), peak() - memory)
"""
CLIENTS = {
    "reticent": """
import uuid
from reticent.backends import Batch, Target
from reticent.backends.mlflow import MlflowBackend
from reticent.records import Artifact, Entry, RunStarted
backend, run_id = MlflowBackend(), uuid.uuid4().hex
backend.open(Target("mlflow+" + url, Path(directory)))
started = RunStarted(time=time.time(), run_id=run_id, name="upload", experiment=experiment)
def send(name, megabytes):
    record = Artifact(time=time.time(), path=name, size=megabytes << 20, sha256=uuid.uuid4().hex)
    batch = Batch(run_id, Path(directory), [Entry("w", 0, record)], (), started)
    assert batch.file(record)
    assert not backend.write(batch)
""",
    "boto3": """
import boto3
client = boto3.client("s3", endpoint_url=s3)
def send(name, megabytes):
    client.upload_file(f"{directory}/artifacts/{name}", "team", f"boto3/{name}")
""",
    "s3fs": """
import s3fs
files = s3fs.S3FileSystem(endpoint_url=s3)
def send(name, megabytes):
    files.put_file(f"{directory}/artifacts/{name}", f"team/s3fs/{name}")
""",
}


def measure() -> list[Row]:
    import requests
    import s3fs

    if missing := [command for command in ("postgres", "radosgw") if not is_installed(command)]:
        print(f"left out: uploads: {', '.join(missing)} not installed (apt-get install {PACKAGES})", file=sys.stderr)
        return []
    with ExitStack() as stack:
        place, s3 = stack.enter_context(tempfile.TemporaryDirectory()), stack.enter_context(gateway())
        s3fs.S3FileSystem(key=S3_KEY, secret=S3_SECRET, endpoint_url=s3.url).mkdir("team")
        one = stack.enter_context(team(Path(place), "s3://team/artifacts", s3.environment))
        files = Path(place) / "artifacts"
        files.mkdir()
        (files / "tiny").write_bytes(os.urandom(1 << 20))
        (files / "small").write_bytes(os.urandom(20 << 20))
        with (files / "large").open("wb") as file:
            for _ in range(MB):
                file.write(os.urandom(1 << 20))
        create = f"{one.server.url}/api/2.0/mlflow/experiments/create"
        for experiment, told in (("straight", {"artifact_location": "s3://team/straight"}), ("through", {})):
            requests.post(create, json={"name": experiment, **told}, timeout=60).raise_for_status()
        tasks = {" ".join(way): partial(uploaded, one.server.url, s3, place, *way) for way in WAYS}
        uploads = in_turns(tasks, rounds(2))
    beside = [rate for rate, _ in uploads["boto3 straight"]]
    return [
        {
            "client": client,
            "way": way,
            "MB": MB,
            "MB/s": spread(rate for rate, _ in readings),
            "of boto3's": ratio([rate for rate, _ in readings], beside),
            "memory grown MB": spread(memory for _, memory in readings),
        }
        for (client, way), readings in zip(WAYS, uploads.values(), strict=True)
    ]


def uploaded(url: str, s3: Gateway, place: str, client: str, way: str) -> tuple[float, float]:
    own = s3.environment
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            START + CLIENTS[client] + END,
            url,
            s3.url,
            place,
            str(MB),
            way,
        ],
        env={**os.environ, **own},
        check=True,
        capture_output=True,
        text=True,
    )
    s3.empty("team")
    rate, memory = done.stdout.split()
    return float(rate), float(memory)
