"""Whatever happens to an MLflow server, or on the way to it: every record arrives once, and training goes on."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reticent
from reticent.backends import web
from reticent.backends.mlflow import client
from reticent.backends.mlflow.batches import Point, Request, missing, send
from reticent.testing import isolated

from .diff import Server, differences
from .faults import Fault, FaultyProxy, cut_off, garbage, hang, lost_answer, reset, slow, status
from .servers import free_port

MLMODEL = "flavors: {python_function: {loader_module: x}}\nmodel_uuid: abc\n"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", "sqlite") as directory:
        yield directory


@pytest.fixture
def proxy(mlflow_url: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(mlflow_url) as one:
        yield one


def logged(steps: int = 300, **params: object) -> str:
    """A run of all kinds of records in the log; its id."""
    with reticent.start_run("faults", experiment="faults") as run:
        reticent.log_params({"lr": 0.1, "long": "x" * 7000, **params})
        reticent.set_tag("team", "fruit")
        run.log_dataset("table", "train", digest="d", source="s", schema={}, profile={})
        for step in range(steps):
            reticent.log_metric("loss", 1 / (step + 1), step=step)
            reticent.log_metric("recall@5", step, step=step)
        reticent.log_text("some text", "notes/a.txt")
        reticent.log_text("weights", "model/weights.txt")
        reticent.log_text(MLMODEL, "model/MLmodel")
    assert reticent.flush(60)
    return run.run_id


def synced(proxy: FaultyProxy, run_id: str) -> str | None:
    """Deliver one run; what the error says, if there was one."""
    (result,) = reticent.sync([f"mlflow+{proxy.url}"], run_ids=[run_id]).values()
    return result.error


def delivered(proxy: FaultyProxy, run_id: str, most: int = 8) -> list[str]:
    """Deliver until it succeeds; the errors before."""
    errors = []
    for _ in range(most):
        error = synced(proxy, run_id)
        if error is None:
            return errors
        errors.append(error)
    raise AssertionError(f"not delivered after {most} attempts: {errors}")


def rejected(run_id: str) -> list[tuple[int, str]]:
    """What the store of an MLflow server would not take of a run."""
    all_ = reticent.get_run(run_id).deliveries()
    return [(one.rejected, one.error or "") for one in all_ if one.backend == "mlflow" and one.rejected]


ENDPOINTS = [
    "/experiments/get",
    "/runs/search",
    "/runs/create",
    "/runs/log-batch",
    "/runs/log-inputs",
    "mlflow-artifacts/artifacts/.*a.txt",
    "mlflow-artifacts/artifacts/.*MLmodel",
    "sha256.json",
    "/logged-models$",
    "/logged-models/m-",
    "/runs/outputs",
    "/runs/update",
]
FAULTS = {
    "lost answer": (lost_answer, ENDPOINTS),
    "500": (status(500), ENDPOINTS),
    "garbage": (garbage, ["/experiments/get", "/runs/search", "/runs/log-batch", "/artifacts/.*MLmodel"]),
    "cut off": (cut_off(3), ["/runs/create", "/runs/log-batch", "/artifacts/.*MLmodel"]),
    "empty object": (status(200), ["/experiments/get", "/runs/create", "/logged-models$"]),
    "page of a gateway": (
        status(502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"),
        ["/experiments/get", "/runs/log-batch"],
    ),
}


@pytest.mark.parametrize(
    ("fault", "endpoint"), [(name, endpoint) for name, (_, places) in FAULTS.items() for endpoint in places]
)
def test_once_after_a_failure_anywhere(
    fault: str, endpoint: str, proxy: FaultyProxy, root: Path, mlflow_url: str
) -> None:
    run_id = logged()
    proxy.fails(FAULTS[fault][0], path=endpoint, times=2)
    errors = delivered(proxy, run_id)
    assert errors, f"no request has met the fault: {[one.path for one in proxy.requests]}"
    assert differences(root, run_id, mlflow_url) == []
    assert rejected(run_id) == []


@pytest.mark.parametrize("times", [1, 2, 5])
def test_an_unclear_answer_is_asked_about_not_sent_again(
    times: int, proxy: FaultyProxy, root: Path, mlflow_url: str
) -> None:
    """The server looks for every point that it gets a second time: a search through all it has."""
    once, again = logged(steps=5000), logged(steps=5000)
    delivered(proxy, once)
    first = sent(proxy)
    proxy.fails(lost_answer, path="/runs/log-batch", times=times)
    delivered(proxy, again)
    assert differences(root, again, mlflow_url) == []
    assert sent(proxy) - first < 1.1 * first, "points were sent twice"


def test_a_short_run_is_three_requests_and_a_search(proxy: FaultyProxy, root: Path, mlflow_url: str) -> None:
    with reticent.start_run("short", experiment="faults", tags={"team": "fruit"}) as run:
        for step in range(900):
            reticent.log_metric("loss", 1 / (step + 1), step=step)
    assert reticent.flush(60)
    assert delivered(proxy, run.run_id) == []
    every = [one.path.rpartition("/mlflow/")[2] for one in proxy.requests if "/runs/" in one.path]
    assert every == ["runs/search", "runs/create", "runs/log-batch", "runs/update"]
    assert differences(root, run.run_id, mlflow_url) == []


def test_a_tag_that_is_refused_keeps_no_run_from_the_server(proxy: FaultyProxy, root: Path, mlflow_url: str) -> None:
    run_id = logged()
    refusal = b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "a tag is too long"}'
    proxy.fails(status(400, body=refusal), path="/runs/create", times=1)
    assert delivered(proxy, run_id) == []
    assert proxy.seen("/runs/create") == 2
    assert differences(root, run_id, mlflow_url) == []


def test_points_of_one_moment_are_told_apart_by_their_values(mlflow_url: str) -> None:
    server = client.Client(mlflow_url)
    number = server.post("runs/create", experiment_id="0", run_name="moment")["run"]["info"]["run_id"]
    values = [0.1, "NaN", "Infinity", "-Infinity", 1e300]
    points = [Point("loss", value, 1_750_000_000_000, 0) for value in values]
    for count in range(len(points) + 1):
        assert list(missing(server, number, points)) == points[count:]
        send(server, number, Request(metrics=points[count : count + 1]))
    server.close()


def sent(proxy: FaultyProxy) -> int:
    """Bytes in requests of `log-batch`."""
    return sum(one.size for one in proxy.requests if one.path.endswith("/runs/log-batch"))


def test_how_long_a_server_wants_to_be_left_alone(proxy: FaultyProxy, root: Path) -> None:
    run_id = logged()
    proxy.fails(status(429, {"Retry-After": "7"}), path="/runs/log-batch", times=1)
    with pytest.raises(client.UnavailableError) as raised:
        client.Client(proxy.url).post("runs/log-batch", run_id="x")
    assert raised.value.retry_after == 7
    assert delivered(proxy, run_id) == []


@pytest.mark.parametrize("code", [401, 403])
def test_who_may_not_in_is_told_what_to_set(code: int, proxy: FaultyProxy, root: Path) -> None:
    run_id = logged()
    proxy.fails(status(code))
    error = synced(proxy, run_id)
    assert error is not None
    assert f"status {code}" in error
    assert "MLFLOW_TRACKING_TOKEN" in error
    proxy.works()
    assert delivered(proxy, run_id) == []


def test_a_param_is_written_once_and_the_first_value_stays(proxy: FaultyProxy, root: Path, mlflow_url: str) -> None:
    with reticent.start_run("faults", experiment="faults") as run:
        reticent.log_params({f"p{number}": number for number in range(50)})
    assert delivered(proxy, run.run_id) == []
    with reticent.start_run(run_id=run.run_id):
        reticent.log_params({"p7": "changed", "more": 1})
        reticent.log_param("more", 2)
    assert delivered(proxy, run.run_id) == []
    (found,) = Server(mlflow_url).runs(run.run_id)
    params = {one["key"]: one["value"] for one in found["data"]["params"]}
    assert (params["p7"], params["more"]) == ("7", "1")
    ((count, reason),) = rejected(run.run_id)
    assert count == 2
    assert "MLflow keeps the first one" in reason


def test_a_gateway_that_takes_only_small_requests(proxy: FaultyProxy, root: Path, mlflow_url: str) -> None:
    def small(handler: object) -> None:
        size = int(handler.headers["Content-Length"])  # type: ignore[attr-defined]
        if size > 9000:
            status(413, {"Content-Type": "text/html"}, b"<html>Too large</html>")(handler)  # type: ignore[arg-type]
        else:
            handler.answer(*handler.forward())  # type: ignore[attr-defined]

    run_id = logged(long="x")
    proxy.fails(small, path="/runs/log-batch")
    assert delivered(proxy, run_id) == []
    assert differences(root, run_id, mlflow_url) == []


def test_a_run_that_was_deleted_on_the_server(proxy: FaultyProxy, root: Path, mlflow_url: str) -> None:
    with reticent.start_run("faults", experiment="faults") as run:
        reticent.log_param("lr", 1)
    assert delivered(proxy, run.run_id) == []
    server = Server(mlflow_url)
    (found,) = server.runs(run.run_id)
    server.ask("POST", "mlflow/runs/delete", json={"run_id": found["info"]["run_id"]})
    with reticent.start_run(run_id=run.run_id):
        for step in range(2000):
            reticent.log_metric("loss", 0.5, step=step)
    assert delivered(proxy, run.run_id) == []
    assert proxy.seen("/runs/log-batch") < 10, "every point was tried on its own"
    ((count, reason),) = rejected(run.run_id)
    assert count >= 2000
    assert "deleted on the server" in reason


def test_an_experiment_that_was_deleted_on_the_server(proxy: FaultyProxy, root: Path, mlflow_url: str) -> None:
    name = f"gone {root}"
    with reticent.start_run("faults", experiment=name) as first:
        reticent.log_param("lr", 1)
    assert delivered(proxy, first.run_id) == []
    server = Server(mlflow_url)
    (found,) = server.runs(first.run_id)
    server.ask("POST", "mlflow/experiments/delete", json={"experiment_id": found["info"]["experiment_id"]})
    with reticent.start_run("faults", experiment=name) as second:
        reticent.log_param("lr", 2)
    delivered(proxy, second.run_id)
    assert differences(root, second.run_id, mlflow_url) == []


def test_a_certificate_that_nobody_vouches_for(
    proxy: FaultyProxy, root: Path, tmp_path: Path, mlflow_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made), "-out", str(tmp_path / "out.pem")]
    subprocess.run(command, check=True, capture_output=True)
    made.write_text(made.read_text() + (tmp_path / "out.pem").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made)
    assert proxy._server is not None
    proxy._server.socket = context.wrap_socket(proxy._server.socket, server_side=True)
    run_id = logged()
    url = f"mlflow+https://127.0.0.1:{proxy.port}"
    (result,) = reticent.sync([url], run_ids=[run_id]).values()
    assert result.error is not None
    assert "TLS" in result.error
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in result.error
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "out.pem"))
    (result,) = reticent.sync([url], run_ids=[run_id]).values()
    assert result.error is None
    assert differences(root, run_id, mlflow_url) == []


def test_a_host_that_has_no_address(root: Path) -> None:
    (result,) = reticent.sync(["mlflow+http://tracking.invalid:5000"], run_ids=[logged()]).values()
    assert result.error is not None
    assert "http://tracking.invalid:5000 cannot be reached" in result.error


def test_a_proxy_in_the_environment_that_is_not_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    (result,) = reticent.sync(["mlflow+http://tracking.invalid:5000"], run_ids=[logged()]).values()
    assert result.error is not None
    assert "the proxy in the environment fails" in result.error


def test_a_server_that_says_nothing(
    proxy: FaultyProxy, root: Path, mlflow_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "TIMEOUT_S", (1, 1))
    run_id = logged()
    proxy.fails(hang, path="/runs/log-batch", times=1)
    error = synced(proxy, run_id)
    assert error is not None
    assert "does not answer in time" in error
    monkeypatch.setattr(web, "TIMEOUT_S", (5, 60))
    proxy.works()
    delivered(proxy, run_id)
    assert differences(root, run_id, mlflow_url) == []


TRAINING = """
    import sys, time, reticent
    taken = []
    with reticent.start_run("trained", run_id="{run_id}", experiment="trainings"):
        reticent.log_params({"lr": 0.1, "layers": 3})
        for step in range(6000):
            began = time.perf_counter()
            reticent.log_metric("loss", 1 / (step + 1), step=step)
            taken.append(time.perf_counter() - began)
            if step == 3000:
                print("half", flush=True)
                sys.stdin.readline()
        reticent.log_text("some text", "notes/a.txt")
    print(sorted(taken)[3000], flush=True)
    sys.exit(3)
"""
EXIT_S = 3


class Training:
    """A training in a process of its own, which waits half-way."""

    def __init__(self, directory: Path, proxy: FaultyProxy) -> None:
        self.run_id = os.urandom(16).hex()
        self.root = directory / "root"
        self._environment = {
            **os.environ,
            "RETICENT_DIR": str(self.root),
            "RETICENT_BACKENDS": f"mlflow+{proxy.url}",
            "RETICENT_EXIT_TIMEOUT_S": str(EXIT_S),
            "RETICENT_CAPTURE": '{"git": false, "system_s": 0}',
        }
        script = directory / "train.py"
        script.write_text(textwrap.dedent(TRAINING).replace("{run_id}", self.run_id))
        self.process = self._start(str(script))
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "half\n"

    def goes_on(self) -> None:
        """To its end, which is as it is without us."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("on\n")
        self.process.stdin.flush()
        median = float(self.process.stdout.readline())
        assert median < 50e-6
        ended = time.monotonic()
        _, errors = self.process.communicate(timeout=120)
        assert self.process.returncode == 3
        assert time.monotonic() - ended < EXIT_S + 7, "the exit has a deadline; the rest is a busy machine"
        assert "Traceback" not in errors, errors

    def is_killed(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=60)

    def synced(self) -> None:
        done = self._start("-m", "reticent.cli", "sync")
        output, errors = done.communicate(timeout=240)
        assert done.returncode == 0, output + errors

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self._environment
        )


Start = Callable[[], Training]


@pytest.fixture
def start(tmp_path: Path, proxy: FaultyProxy) -> Iterator[Start]:
    begun: list[Training] = []

    def begin() -> Training:
        begun.append(Training(tmp_path, proxy))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


def test_down_from_the_start(start: Start, proxy: FaultyProxy, mlflow_url: str) -> None:
    proxy.down()
    training = start()
    training.goes_on()
    proxy.up()
    training.synced()
    assert differences(training.root, training.run_id, mlflow_url) == []


def test_dying_half_way_and_back(start: Start, proxy: FaultyProxy, mlflow_url: str) -> None:
    training = start()
    while not proxy.seen("/runs/log-batch"):
        time.sleep(0.02)
    proxy.down()
    training.goes_on()
    proxy.up()
    training.synced()
    assert differences(training.root, training.run_id, mlflow_url) == []


def test_away_for_a_while_in_the_middle(start: Start, proxy: FaultyProxy, mlflow_url: str) -> None:
    training = start()
    while not proxy.seen("/runs/log-batch"):
        time.sleep(0.02)
    proxy.fails(status(503), times=3)
    training.goes_on()
    training.synced()
    assert differences(training.root, training.run_id, mlflow_url) == []


@pytest.mark.parametrize("fault", [hang, slow(1), reset, lost_answer, garbage], ids=lambda one: one.__qualname__)
def test_failing_from_the_first_batch_on(fault: Fault, start: Start, proxy: FaultyProxy, mlflow_url: str) -> None:
    proxy.fails(fault, path="/runs/")
    training = start()
    training.goes_on()
    proxy.works()
    training.synced()
    assert differences(training.root, training.run_id, mlflow_url) == []


@pytest.mark.parametrize("fault", [None, lost_answer, hang], ids=["healthy", "lost answers", "hanging"])
def test_a_training_that_is_killed(fault: Fault | None, start: Start, proxy: FaultyProxy, mlflow_url: str) -> None:
    if fault is not None:
        proxy.fails(fault, path="/runs/log-batch")
    training = start()
    while not proxy.seen("/runs/log-batch"):
        time.sleep(0.02)
    training.is_killed()
    proxy.works()
    training.synced()
    assert differences(training.root, training.run_id, mlflow_url) == []
    (run,) = Server(mlflow_url).runs(training.run_id)
    assert {"key": "reticent.status", "value": "CRASHED"} in run["data"]["tags"]
    assert run["info"]["status"] == "FAILED"


def test_two_processes_deliver_one_run(start: Start, proxy: FaultyProxy, mlflow_url: str) -> None:
    proxy.down()
    training = start()
    training.goes_on()
    proxy.up()
    both = [training._start("-m", "reticent.cli", "sync") for _ in range(2)]
    for one in both:
        one.communicate(timeout=240)
    training.synced()
    assert differences(training.root, training.run_id, mlflow_url) == []
