"""What an OpenTelemetry collector receives keeps what backends promise, as far as one can that is never asked."""

from __future__ import annotations

import gzip
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from reticent import records
from reticent.backends import UnavailableError, create
from reticent.backends.otlp import OtlpBackend
from reticent.errors import SettingsError
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, Batch, batch, example, param, split, started

Answer = tuple[int, dict[str, str], bytes]


class Collector(ThreadingHTTPServer):
    """Keeps every request by its path, and answers as `answers` tells for a signal, or as a collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: defaultdict[str, list[bytes]] = defaultdict(list)
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, Callable[[bytes], Answer | None]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def metrics(self, prefix: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
        """Name, attributes and point of each that came."""
        for body in self.received[f"{prefix}/v1/metrics"]:
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                    for point in metric.gauge.data_points:
                        yield metric.name, plain(point.attributes), point

    def logs(self, prefix: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], Any]]:
        """Name, attributes, body and record of each that came."""
        for body in self.received[f"{prefix}/v1/logs"]:
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                for record in (record for scope in resource.scope_logs for record in scope.log_records):
                    yield record.event_name, plain(record.attributes), plain(record.body.kvlist_value.values), record


class _Handler(BaseHTTPRequestHandler):
    server: Collector
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.headers.append(dict(self.headers))
        told = self.server.answers.get(self.path.rpartition("/")[2], lambda _: (200, {}, b""))(body)
        if told is None or told[0] == 200:
            self.server.received[self.path].append(body)
        if told is None:  # it has it, and its answer is lost
            self.close_connection = True
            return
        status, headers, content = told
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def plain(values: Any) -> dict[str, Any]:
    found = {}
    for one in values:
        kind = one.value.WhichOneof("value")
        value = None if kind is None else getattr(one.value, kind)
        found[one.key] = plain(value.values) if kind == "kvlist_value" else value
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestOtlp(BackendContract):
    backend = OtlpBackend
    collector: ClassVar[Collector]

    @pytest.fixture(autouse=True)
    def use(self, collector: Collector) -> None:
        type(self).collector = collector

    def url(self, directory: Path) -> str:
        """A store is a prefix of its own."""
        return f"otlp+{self.collector.url}{quote(str(directory))}"

    def prefix(self, url: str) -> str:
        return url.removeprefix(f"otlp+{self.collector.url}")

    def read(self, url: str, run_id: str) -> dict[str, object]:
        """What there is for those who drop what has the same id."""
        metrics: defaultdict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
        for name, told, point in self.collector.metrics(self.prefix(url)):
            if told["reticent.run_id"] == run_id:
                metrics[name][told["reticent.id"]] = told["reticent.step"], point.as_double
        logs = {
            told["reticent.id"]: (name, {**body, "time": record.time_unix_nano})
            for name, told, body, record in self.collector.logs(self.prefix(url))
            if told["reticent.run_id"] == run_id
        }
        if not logs and not metrics:
            return {}

        def bodies(kind: str) -> list[dict[str, Any]]:
            return [body for name, body in logs.values() if name == f"reticent.{kind}"]

        ended = bodies("end")
        aliases = sorted(bodies("model_alias"), key=lambda one: int(one["time"]))
        return {
            "status": ended[-1]["status"] if ended else "RUNNING",
            "params": {body["key"]: body["value"] for body in bodies("param")},
            "tags": {body["key"]: body["value"] for body in bodies("tag")},
            "metrics": {key: sorted(points.values(), key=lambda point: point[0]) for key, points in metrics.items()},
            "artifacts": sorted(body["path"] for body in bodies("artifact")),
            "aliases": {f"{body['name']}@{body['alias']}": body["path"] for body in aliases},
        }

    def ids(self, url: str) -> list[str]:
        """Of all that came, however often."""
        prefix = self.prefix(url)
        return [
            *(told["reticent.id"] for _, told, _ in self.collector.metrics(prefix)),
            *(told["reticent.id"] for _, told, _, _ in self.collector.logs(prefix)),
        ]

    def test_nothing_comes_twice_while_answers_arrive(self, store: str, tmp_path: Path) -> None:
        first, rest = split(example(tmp_path), _Middle())
        self.write(store, tmp_path, first, rest)
        assert len(self.ids(store)) == len(set(self.ids(store))) == 27

    def test_what_a_point_and_a_record_say_of_themselves(self, store: str, tmp_path: Path) -> None:
        ended = records.RunEnded(time=START + 1.5, status=records.RunStatus.FAILED, counts={"param": 2})
        self.write(store, tmp_path, batch(tmp_path, started(), ended, metrics=[("loss", 7, 0.5)]))
        run = {"reticent.run_id": RUN, "reticent.run_name": "calm-owl-7", "reticent.experiment": "default"}
        ((name, told, point),) = self.collector.metrics(self.prefix(store))
        assert (name, point.as_double, point.time_unix_nano) == ("loss", 0.5, int(START) * 10**9)
        assert told == {**run, "reticent.step": 7, "reticent.id": "1795416129-4711-a1b2/0"}
        _, (name, told, body, record) = self.collector.logs(self.prefix(store))
        assert (name, record.severity_text) == ("reticent.end", "ERROR")
        assert record.time_unix_nano == int((START + 1.5) * 10) * 10**8
        assert told == {**run, "reticent.id": "1795416129-4711-a1b2@200"}
        assert body["counts"] == {"param": 2}

    def test_a_lost_answer_brings_the_same_again_under_the_same_ids(self, store: str, tmp_path: Path) -> None:
        whole = example(tmp_path)
        self.collector.answers["metrics"] = lambda body: None if body else (200, {}, b"")
        with pytest.raises(UnavailableError, match="cannot be reached"):
            self.write(store, tmp_path, whole)
        self.collector.answers.clear()
        self.write(store, tmp_path, whole)
        assert len(self.ids(store)) == 20 + len(set(self.ids(store)))
        points = [(told["reticent.id"], point.time_unix_nano) for _, told, point in self._points(store)]
        assert len(set(points)) == 20

    def test_points_that_arrived_do_not_come_again_because_records_did_not(self, store: str, tmp_path: Path) -> None:
        """Also where they come again in smaller batches."""
        whole = example(tmp_path)
        self.collector.answers["logs"] = lambda body: (503 if body else 200, {"Retry-After": "7"}, b"")
        with pytest.raises(UnavailableError, match="503") as raised:
            self.write(store, tmp_path, whole)
        assert raised.value.retry_after == 7
        self.collector.answers.clear()
        first, rest = split(whole, _Middle())
        self.write(store, tmp_path, first, rest)
        assert len(self.ids(store)) == len(set(self.ids(store))) == 27
        self.write(store, tmp_path, rest)
        assert len(self.ids(store)) > 27, "what has been delivered is not kept in mind"

    def _points(self, store: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
        return self.collector.metrics(self.prefix(store))

    def _rejected(self, store: str, root: Path, written: Batch) -> list[tuple[int, str]]:
        with self.opened(store, root) as (backend, _):
            return [(one.count, one.reason) for one in backend.write(written)]

    def test_a_collector_for_metrics_alone_gets_those(self, store: str, tmp_path: Path) -> None:
        self.collector.answers["logs"] = lambda _: (404, {}, b"")
        ((count, reason),) = self._rejected(store, tmp_path, example(tmp_path))
        assert (count, reason) == (7, "the collector takes no logs: it has no /v1/logs")
        assert len(list(self._points(store))) == 20

    def test_what_is_too_large_is_sent_in_parts(self, store: str, tmp_path: Path) -> None:
        self.collector.answers["metrics"] = lambda body: (413 if len(body) > 2000 else 200, {}, b"")
        self.collector.answers["logs"] = lambda body: (413 if b"huge" in body else 200, {}, b"")
        whole = example(tmp_path)
        more = batch(tmp_path, *(one.record for one in whole.entries), param("huge", "x"), metrics=[])
        written = Batch(RUN, tmp_path, more.entries, whole.metrics, whole.started)
        assert self._rejected(store, tmp_path, written) == [(1, "the collector refuses logs: status 413")]
        assert len(self.ids(store)) == len(set(self.ids(store))) == 27

    def test_what_is_refused_is_counted(self, store: str, tmp_path: Path) -> None:
        partly = ExportMetricsServiceResponse()
        partly.partial_success.rejected_data_points, partly.partial_success.error_message = 3, "too old"
        self.collector.answers["metrics"] = lambda _: (200, {}, partly.SerializeToString())
        self.collector.answers["logs"] = lambda body: (400 if body else 200, {}, b"")
        assert self._rejected(store, tmp_path, example(tmp_path)) == [
            (3, "the collector refuses metrics: too old"),
            (7, "the collector refuses logs: status 400"),
        ]
        partly_logs = ExportLogsServiceResponse()
        partly_logs.partial_success.rejected_log_records = 1
        self.collector.answers["metrics"] = lambda _: (200, {}, b"\xff")
        self.collector.answers["logs"] = lambda _: (200, {}, partly_logs.SerializeToString())
        assert self._rejected(store, tmp_path, example(tmp_path)) == [(1, "the collector refuses logs: ")]

    def test_credentials_come_from_the_environment(
        self, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc,x-tenant = a")
        self.write(store, tmp_path, example(tmp_path))
        assert {(told["Authorization"], told["x-tenant"]) for told in self.collector.headers} == {("Bearer abc", "a")}
        self.collector.answers["metrics"] = lambda _: (401, {}, b"")
        with pytest.raises(UnavailableError, match="OTEL_EXPORTER_OTLP_HEADERS"):
            self.write(store, tmp_path, example(tmp_path))

    def test_what_is_no_collector_is_told(self, store: str, tmp_path: Path) -> None:
        self.collector.answers |= {signal: lambda _: (404, {}, b"") for signal in ("metrics", "logs")}
        with pytest.raises(UnavailableError, match="no OTLP receiver"):
            self.write(store, tmp_path, example(tmp_path))

    def test_the_address_may_be_in_the_environment(
        self, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", store.removeprefix("otlp+"))
        self.write("otlp", tmp_path, example(tmp_path))
        assert self.read(store, RUN)["status"] == "FINISHED"
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
        with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
            self.write("otlp", tmp_path, example(tmp_path))


class _Middle:
    """Chooses the middle of a range."""

    def randint(self, low: int, high: int) -> int:
        return (low + high) // 2


def test_it_is_found_by_its_url() -> None:
    assert isinstance(create("otlp+http://host:4318"), OtlpBackend)
