"""Serving: MLflow's protocol, and a server that bad clients neither fill, nor hold, nor make say what it should not."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.linear_model import LogisticRegression

from reticent.models import function
from reticent.models.serve.pool import Pool

from .conftest import RunDirectory

SECRET = "sk-" + "proj-" + "4hT9qLw2" * 6
JSON, CSV = "application/json", "text/csv"

OBEDIENT = '''
import os, time, warnings

def obey(data):
    """Does what the data says."""
    order = data["do"].iloc[0] if hasattr(data, "iloc") else data["do"][0]
    what, _, how = str(order).partition(" ")
    if what == "wait":
        open(how + ".waits", "a").close()
        while not os.path.exists(how):
            time.sleep(0.01)
    if what == "raise":
        raise ValueError(how)
    if what == "exit":
        raise SystemExit(how)
    if what == "warn":
        warnings.warn(how)
    if what == "object":
        return object()
    if what == "nan":
        return [float("nan"), float("inf"), None, 1.5]
    return [str(order)]
'''


class Server:
    """`reticent models serve` in a process of its own, its log in a file."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        command = [sys.executable, "-m", "reticent.cli", "models", "serve", "--port", "0", *arguments]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env=environment, encoding="utf-8"
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "/invocations" in line, (line, log.read_text())
        self.port = int(line.rpartition(":")[2].partition("/")[0])

    def ask(
        self, path: str = "/invocations", body: Any = None, kind: str | None = JSON, method: str | None = None
    ) -> tuple[int, str, str]:
        """Status, Content-Type and body of an answer."""
        status, headers, text = self.answer(path, body, kind, method)
        return status, headers["content-type"], text

    def answer(
        self, path: str = "/invocations", body: Any = None, kind: str | None = JSON, method: str | None = None
    ) -> tuple[int, Any, str]:
        return request(self.port, path, body, kind, method)

    def do(self, order: str) -> tuple[int, str]:
        """Give the obedient model an order."""
        status, _, text = self.ask(body={"dataframe_split": {"columns": ["do"], "data": [[order]]}})
        return status, text

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.settimeout(30)
        return connection

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.stdout is not None
        with self.process.stdout:
            return self.process.wait(30)


def request(port: int, path: str, body: Any, kind: str | None, method: str | None) -> tuple[int, Any, str]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"Content-Type": kind} if kind else {}
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, headers if data is not None else {}, method=method
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


@pytest.fixture(scope="module")
def obedient_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = RunDirectory(tmp_path_factory.mktemp("obedient") / "runs" / "a")
    names: dict[str, Any] = {"__name__": "__main__"}  # so that it is pickled by value
    exec(OBEDIENT, names)
    run.log(names["obey"], flavor=function.flavor)
    return str(run.path / "artifacts/model")


@pytest.fixture(scope="module")
def server(obedient_model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With small limits: bodies of 1 MB, requests of 3 seconds, 2 threads."""
    options = ["--trust", "--max-mb", "1", "--timeout", "3", "--threads", "2"]
    running = Server(tmp_path_factory.mktemp("server") / "log", obedient_model, *options)
    yield running
    assert running.end() == 0


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, np.ndarray]:
    rows = np.arange(40)
    return pd.DataFrame({"a": rows, "b": rows / 7}), (rows % 3 == 0).astype(int)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, table: Any) -> str:
    from reticent_integrations.sklearn.flavor import flavor

    X, y = table
    model = LogisticRegression().fit(X, y)
    run = RunDirectory(tmp_path_factory.mktemp("classifier") / "runs" / "a")
    run.log(model, flavor=flavor, input_example=X, signature_outputs=model.predict(X))
    return str(run.path / "artifacts/model")


def bodies(X: pd.DataFrame) -> dict[str, tuple[Any, str | None]]:
    rows = X.head(6)
    csv = rows.to_csv(index=False).encode()
    split = rows.to_dict("split", index=False)
    return {
        "split": ({"dataframe_split": split}, JSON),
        "split with an index": ({"dataframe_split": rows.to_dict("split")}, JSON),
        "records": ({"dataframe_records": rows.to_dict("records")}, JSON),
        "instances by row": ({"instances": rows.to_dict("records")}, JSON),
        "inputs by column": ({"inputs": rows.to_dict("list")}, JSON),
        "inputs by row": ({"inputs": rows.to_dict("records")}, JSON),
        "whole numbers for real ones": ({"dataframe_records": [{"a": 3, "b": 2}]}, JSON),
        "columns in another order, and more": ({"dataframe_records": [{"b": 0.5, "c": "x", "a": 3}]}, JSON),
        "a gap": ({"dataframe_records": [{"a": 3, "b": None}]}, JSON),
        "NaN": (b'{"dataframe_records": [{"a": 3, "b": NaN}]}', JSON),
        "empty params": ({"dataframe_split": split, "params": {}}, JSON),
        "csv": (csv, CSV),
        "csv, charset": (csv, "text/csv; charset=UTF-8"),
        "json, charset": ({"dataframe_split": split}, "application/json; charset=utf-8"),
        "a column is missing": ({"dataframe_records": [{"a": 3}]}, JSON),
        "csv, a column is missing": (b"a\n1\n", CSV),
        "a text for a number": ({"dataframe_records": [{"a": 3, "b": "x"}]}, JSON),
        "rows of different lengths": ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [1, 2, 3]]}}, JSON),
        "split without data": ({"dataframe_split": {"columns": ["a", "b"]}}, JSON),
        "split with more": ({"dataframe_split": {**split, "dtype": "x"}}, JSON),
        "records that are none": ({"dataframe_records": {"a": 1}}, JSON),
        "split that is none": ({"dataframe_split": [1, 2]}, JSON),
        "a list": ([1, 2], JSON),
        "a number": (b"7", JSON),
        "nothing": (b"{}", JSON),
        "no body": (b"", JSON),
        "two at once": ({"dataframe_split": split, "inputs": [1]}, JSON),
        "no JSON": (b"{", JSON),
        "no UTF-8": (b'{"inputs": "\xff"}', JSON),
        "another charset": (b"{}", "application/json; charset=latin-1"),
        "another parameter": (b"{}", "application/json; x=y"),
        "another type": (b"{}", "application/xml"),
    }


@pytest.fixture(scope="module")
def mlflow_port(classifier: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "mlflow.pyfunc.scoring_server.app:app"]
    environment = {**os.environ, "__pyfunc_model_path__": classifier}
    log = tmp_path_factory.mktemp("mlflow") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            try:
                request(port, "/ping", None, None, None)
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail(log.read_text())
        yield port
    finally:
        process.kill()
        process.wait()


def test_answers_are_those_of_mlflows_server(classifier: str, table: Any, mlflow_port: int, tmp_path: Path) -> None:
    ours = Server(tmp_path / "log", classifier, "--trust")
    try:
        for path, method in [("/ping", None), ("/health", None), ("/invocations", "GET"), ("/nothing", None)]:
            (status, headers, text), (theirs, their_headers, their_text) = (
                request(port, path, None, None, method) for port in (ours.port, mlflow_port)
            )
            assert (status, headers["content-type"]) == (theirs, their_headers["content-type"]), path
            assert text == their_text or status >= 400
        assert ours.ask("/version")[0] == 200

        different = {}
        good = 0
        for name, (body, kind) in bodies(table[0]).items():
            (status, headers, text), (theirs, their_headers, their_text) = (
                request(port, "/invocations", body, kind, None) for port in (ours.port, mlflow_port)
            )
            got = (status, headers["content-type"], *said(status, text))
            expected = (theirs, their_headers["content-type"], *said(theirs, their_text))
            good += status == 200
            if got != expected:
                different[name] = f"{got} {text} is not {expected}"
        assert not different
        assert good >= 11
    finally:
        ours.end()


def said(status: int, text: str) -> tuple[Any, ...]:
    """What of a body must be the same: predictions, and the codes of errors."""
    if status == 200:
        return (json.loads(text),)
    return (json.loads(text)["error_code"],) if text.startswith("{") else ()


def test_params_must_be_an_object(server: Server) -> None:
    status, _, text = server.ask(body={"inputs": {"do": ["x"]}, "params": [1]})
    assert (status, json.loads(text)["error_code"]) == (400, "BAD_REQUEST")


def test_params_that_the_model_does_not_take_are_told(classifier: str, tmp_path: Path) -> None:
    server = Server(tmp_path / "log", classifier, "--trust")
    try:
        status, _, text = server.ask(body={"inputs": [[3, 0.5]], "params": {"temperature": 1}})
        assert status == 400
        assert "params that its signature does not have" in json.loads(text)["message"]
        assert server.ask(body={"inputs": [[3, 0.5]]})[0] == 200
    finally:
        server.end()


def test_params_that_the_signature_does_not_have_are_refused(server: Server, classifier: str, tmp_path: Path) -> None:
    body: dict[str, Any] = {"inputs": {"do": ["x"]}, "params": {"max_new_tokens": 100_000_000}}
    status, _, text = server.ask(body=body)  # a model without a signature
    assert (status, json.loads(text)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "does not have" in text
    running = Server(tmp_path / "log", classifier, "--trust")
    try:
        row = {"dataframe_records": [{"a": 3, "b": 2.0}]}
        assert running.ask(body=row)[0] == 200
        assert running.ask(body={**row, "params": {"check_input": False}})[0] == 400
    finally:
        running.end()


def test_numbers_that_are_none_are_written_as_mlflow_writes_them(server: Server) -> None:
    assert server.do("nan") == (200, '{"predictions": [NaN, Infinity, null, 1.5]}')


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused_and_its_sender_gets_to_know(server: Server, chunked: bool) -> None:
    body = b" " * 3_000_000
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    content = iter([body[:100_000]] * 30) if chunked else body
    connection.request("POST", "/invocations", content, {"Content-Type": JSON}, encode_chunked=chunked)
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error_code"] == "BAD_REQUEST"
    connection.close()
    just_fits = json.dumps({"inputs": {"do": ["x"]}}).encode()
    assert server.ask(body=just_fits + b" " * (1_000_000 - len(just_fits)))[0] == 200


@pytest.mark.parametrize("claimed", ["99999999999999999999999", "-1", "1e3"])
def test_a_length_that_is_none_is_refused(server: Server, claimed: str) -> None:
    with server.connect() as connection:
        head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {claimed}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).split()[1] in (b"413", b"400")


def test_a_body_without_an_end_is_cut_off_and_never_held(server: Server) -> None:
    memory = psutil.Process(server.process.pid).memory_info().rss
    sent = 0
    with server.connect() as connection:
        connection.sendall(
            f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with suppress(ConnectionError):
            while sent < 1 << 40:
                connection.sendall(chunk)
                sent += len(chunk)
    assert 1_000_000 < sent < 1 << 40
    assert psutil.Process(server.process.pid).memory_info().rss - memory < 20_000_000
    assert server.do("x")[0] == 200


def test_slow_clients_are_cut_off_and_others_are_served(server: Server) -> None:
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: 100\r\n\r\n".encode()
    slow = [server.connect() for _ in range(40)]
    slow_heads = [server.connect() for _ in range(40)]
    try:
        for connection in slow:
            connection.sendall(head + b"{")
        for connection in slow_heads:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nX: ")
        assert server.do("x")[0] == 200  # while all of them hang
        for connection in slow:
            assert connection.recv(1000).split()[1] == b"408"
        for connection in slow_heads:
            with suppress(ConnectionResetError):
                assert connection.recv(1000) == b""
    finally:
        for connection in [*slow, *slow_heads]:
            connection.close()


def test_long_headers_are_refused(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nX: " + b"x" * 200_000)
        assert connection.recv(1000).split()[1] == b"400"
    assert server.ask("/ping")[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"inputs": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"inputs": ' + b"[" * 100 + b"1" + b"]" * 100 + b"}",
        b'{"inputs": ' + b"9" * 10_000 + b"}",
        b'{"inputs": {"do": [' + b"9" * 4_000 + b"]}}",
        b'{"inputs": {"do": 1e999}}',
        b'{"dataframe_split": {"columns": ["do", "do"], "data": [[1, 2]]}}',
        b'{"dataframe_split": {"columns": 7, "data": 8, "index": {}}}',
        b'{"dataframe_records": [7, null, []]}',
        b'{"instances": [{"do": 1}, {"other": 2}]}',
        b'{"inputs": {"do": [[1], [1, 2]]}}',
        b'{"inputs": null}',
        b"\x00\xff",
        b"",
    ],
    ids=range(14),
)
@pytest.mark.parametrize("kind", [JSON, CSV])
def test_bad_bodies_are_the_clients_fault(server: Server, body: bytes, kind: str) -> None:
    status, content_type, text = server.ask(body=body, kind=kind)
    assert status in (200, 400)
    assert content_type == JSON
    if status == 400:
        told = json.loads(text)
        assert told.keys() == {"error_code", "message"}
        assert told["error_code"] == "BAD_REQUEST"
        assert "Traceback" not in text
        assert len(text) < 1000
    assert server.ask("/ping")[0] == 200


@pytest.mark.parametrize(
    "order", [f"raise {SECRET}", "raise tulip-7-fox", "exit tulip-7-fox", "warn tulip-7-fox", "object"]
)
def test_a_model_that_fails_is_told_of_without_its_words(server: Server, order: str) -> None:
    status, text = server.do(order)
    assert status == (200 if order.startswith("warn") else 500 if order == "object" else 400)
    if status != 200:
        assert "tulip-7-fox" not in text
        assert SECRET not in text
        assert "File" not in text
    log = server.log.read_text()
    assert "tulip-7-fox" not in log
    assert SECRET not in log
    expected = {"raise": "ValueError", "exit": "SystemExit", "warn": "UserWarning", "object": "TypeError"}
    assert expected[order.split()[0]] in log


N = 40_000


def many(text: str, count: int = N) -> str:
    return ",".join(text.replace("N", str(number)) for number in range(count))


HUGE = {
    "records of a name each": '{"dataframe_records": [' + many('{"cN":1}') + "]}",
    "split of a name each": '{"dataframe_split": {"data": [' + many('{"cN":1}') + "]}}",
    "columns of a row each": '{"dataframe_split": {"data": {' + many('"cN":{"iN":1}') + "}}}",
    "a long row": '{"dataframe_split": {"data": [[' + many("1") + "]," + many("[]") + "]}}",
    "names alone": '{"dataframe_split": {"data": [], "columns": [' + many("N") + '], "index": [' + many("N") + "]}}",
    "a long text": '{"inputs": ["' + "x" * 400_000 + '",' + many('"x"') + "]}",
    "a long text, named": '{"inputs": {"do": ["' + "x" * 400_000 + '",' + many('"x"') + "]}}",
    "csv, a wide head": many("cN") + "\n" + "1\n" * N,
    "csv, a head of two lines": '"c\n",' + many("cN") + "\n" + "1\n" * N,
    "csv, many columns": many("N", 140_000) + "\n",
}


@pytest.mark.parametrize("name", HUGE)
def test_a_small_body_makes_no_huge_table(server: Server, name: str) -> None:
    before = psutil.Process(server.process.pid).memory_info().rss
    body = HUGE[name].encode()
    assert len(body) < 1_000_000
    status, _, text = server.ask(body=body, kind=CSV if name.startswith("csv") else JSON)
    assert (status, json.loads(text)["error_code"]) == (400, "BAD_REQUEST")
    assert "could not predict" not in text
    assert psutil.Process(server.process.pid).memory_info().rss - before < 150_000_000


def test_secrets_in_requests_are_not_in_the_log(server: Server) -> None:
    word = "tulip-7-fox"  # a secret that no rule knows
    for secret in (word, SECRET):
        server.ask(f"/invocations?token={secret}", {"inputs": {"do": [secret]}})
        server.ask(f"/invocations/{secret}", {"inputs": [secret]})
        server.ask(f"/{secret}?key={secret}")
        server.ask(body=f"{{{secret}".encode())
        server.ask(body=f"{secret}\n{secret},{secret}\n".encode(), kind=CSV)
        server.ask(body=b"{}", kind=f"application/{secret}")
        server.ask("/ping", method=secret)
        with server.connect() as connection:
            connection.sendall(f"nonsense {secret}\r\n\r\n".encode())
            connection.recv(1000)
    log = server.log.read_text()
    assert "POST /invocations 200" in log
    assert "POST (path) 404" in log
    assert word not in log
    assert SECRET not in log


def test_a_long_prediction_is_given_up_and_many_are_too_many(server: Server, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with ThreadPoolExecutor(40) as clients:
        answers = [clients.submit(server.answer, body={"inputs": {"do": [f"wait {go}"]}}) for _ in range(40)]
        statuses = [answer.result()[0] for answer in answers]
    go.touch()
    # Two threads, and four requests that wait for each of them.
    assert sorted(statuses) == [503] * 30 + [504] * 10
    refused = next(answer.result() for answer in answers if answer.result()[0] == 503)
    assert refused[1]["retry-after"] == "1"
    assert json.loads(refused[2])["error_code"] == "TEMPORARILY_UNAVAILABLE"
    until = time.monotonic() + 20
    while server.do("x")[0] == 503 and time.monotonic() < until:
        time.sleep(0.05)
    assert server.do("x") == (200, '{"predictions": ["x"]}')


def test_many_requests_in_parallel_each_get_their_own_answer(server: Server) -> None:
    def ask(number: int) -> tuple[int, str, int]:
        while True:
            status, text = server.do(f"n{number}")
            if status != 503:
                return status, text, number

    with ThreadPoolExecutor(16) as clients:
        for status, text, number in clients.map(ask, range(400)):
            assert (status, json.loads(text)) == (200, {"predictions": [f"n{number}"]})


def test_a_connection_is_used_again(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.connect()
    used = connection.sock
    for _ in range(3):
        connection.request("POST", "/invocations", '{"inputs": {"do": ["x"]}}', {"Content-Type": JSON})
        assert connection.getresponse().read() == b'{"predictions": ["x"]}'
        assert connection.sock is used
    connection.close()


def waits(process: subprocess.Popen[str], place: Path) -> None:
    until = time.monotonic() + 20
    while not Path(f"{place}.waits").exists():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_answered_when_the_server_is_stopped(
    obedient_model: str, tmp_path: Path, number: signal.Signals
) -> None:
    running = Server(tmp_path / "log", obedient_model, "--trust")
    go = tmp_path / "go"
    answers: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: answers.append(running.do(f"wait {go}")))
    client.start()
    waits(running.process, go)
    running.process.send_signal(number)
    until = time.monotonic() + 20
    while time.monotonic() < until:  # it listens no more
        try:
            running.connect().close()
        except OSError:
            break
    go.touch()
    client.join()
    assert answers == [(200, json.dumps({"predictions": [f"wait {go}"]}))]
    assert running.end() == 0
    assert "Traceback" not in running.log.read_text()


def test_a_prediction_without_end_does_not_keep_the_server_from_stopping(obedient_model: str, tmp_path: Path) -> None:
    running = Server(tmp_path / "log", obedient_model, "--trust")
    go = tmp_path / "never"
    answers: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: answers.append(running.do(f"wait {go}")))
    client.start()
    waits(running.process, go)
    assert running.end() == 0
    client.join()
    assert answers[0][0] == 503
    assert "Traceback" not in running.log.read_text()


def test_threads_that_are_stuck_are_replaced_and_when_all_are_the_server_ends(
    obedient_model: str, tmp_path: Path
) -> None:
    options = ["--trust", "--timeout", "8", "--threads", "2"]
    running = Server(tmp_path / "log", obedient_model, *options)
    try:
        for _ in range(2):  # as many again as there are threads
            assert running.do("x")[0] == 200
            assert running.ask("/ping")[0] == 200
            with ThreadPoolExecutor(2) as clients:
                orders = [f"wait {tmp_path / 'never'}"] * 2
                assert [status for status, _ in clients.map(running.do, orders)] == [504] * 2
        status, _, text = running.ask("/ping")
        assert (status, json.loads(text)["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert "stuck" in text
        assert running.process.wait(30) == 1
    finally:
        running.process.kill()
        running.end()
    log = running.log.read_text()
    assert "every thread is stuck" in log
    assert "start it again" in log
    assert "Traceback" not in log


def test_threads_that_were_stuck_are_threads_again() -> None:
    pool = Pool(2, 8)

    def threads() -> int:
        return sum(thread.name.startswith("reticent-predict-") for thread in threading.enumerate())

    def stuck() -> threading.Event:
        begun, go = threading.Event(), threading.Event()

        def call() -> bool:
            begun.set()
            return go.wait(60)

        future = pool.submit(call)
        assert begun.wait(60)
        pool.give_up(future)
        return go

    before = threads()
    for count in (1, 2, 4, 4):
        going = [stuck() for _ in range(count)]
        assert threads() == before + min(count, 2)
        assert (pool.stuck_s() is not None) is (count == 4)
        for go in going:
            go.set()
        until = time.monotonic() + 20
        while threads() > before and time.monotonic() < until:
            time.sleep(0.01)
        assert threads() == before
        assert pool.stuck_s() is None
        assert [pool.submit(lambda: 7).result(20) for _ in range(8)] == [7] * 8
    waiting = stuck(), stuck(), stuck(), stuck()
    never = pool.submit(lambda: 7)  # it has not begun, so it makes nothing stuck
    pool.give_up(never)
    for go in waiting:
        go.set()
    assert pool.submit(lambda: 8).result(20) == 8
    assert never.cancelled()


def test_what_is_reached_from_elsewhere_comes_with_a_warning(obedient_model: str, tmp_path: Path) -> None:
    for host, warned in (("127.0.0.1", False), ("0.0.0.0", True)):
        running = Server(tmp_path / host, obedient_model, "--trust", "--host", host)
        assert running.ask("/ping")[0] == 200
        assert running.end() == 0
        assert ("no authentication" in running.log.read_text()) is warned


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "trust=True"),
        (["--trust", "--host", "host.invalid"], "cannot listen"),
        (["--trust", "--port", "{used}"], "cannot listen"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(obedient_model: str, options: list[str], told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        options = [option.format(used=used.getsockname()[1]) for option in options]
        command = [sys.executable, "-m", "reticent.cli", "models", "serve", obedient_model, *options]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
