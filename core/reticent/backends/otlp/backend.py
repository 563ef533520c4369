"""Sends batches of run log records to an OpenTelemetry collector."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import unquote

from reticent.backends import Batch, Rejection, Target, UnavailableError, web
from reticent.backends.credentials import secret, taken
from reticent.backends.local import table_of
from reticent.backends.otlp.encoding import attributes_of, logs_request, metrics_request

Signal = Literal["metrics", "logs"]

_REFUSES = "the collector refuses"
_NOT_TAKEN = 404

_arrived: dict[tuple[str, str], dict[str, int]] = {}
"""Of runs whose records failed after their points had arrived, by URL and id: how many points of each writer had. Those are
not sent again, though they come again."""


class OtlpBackend:
    needs = ("opentelemetry.proto", "requests")
    aliases = True

    def open(self, target: Target) -> str:
        self._url = web.address(target.url, "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")
        self._session = web.session()
        self._session.headers.update(_headers())
        if ca := os.environ.get("OTEL_EXPORTER_OTLP_CERTIFICATE"):
            self._session.verify = ca
        if certificate := os.environ.get("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"):
            self._session.cert = (certificate, os.environ.get("OTEL_EXPORTER_OTLP_CLIENT_KEY", certificate))
        # A collector has an address only for what it was set up to take; requests may be empty.
        signals: tuple[Signal, ...] = ("metrics", "logs")
        self._lacking = {signal for signal in signals if self._post(signal, b"").status == _NOT_TAKEN}
        if len(self._lacking) == len(signals):
            raise UnavailableError(f"{self._url} is no OTLP receiver: it has neither /v1/metrics nor /v1/logs")
        return self._url

    def write(self, batch: Batch) -> Sequence[Rejection]:
        run, place = attributes_of(batch), (self._url, batch.run_id)
        had = _arrived.get(place, {})
        points = [
            (f"{block.writer}/{number}", point)
            for block in batch.metrics
            for number, point in enumerate(block, block.first)
            if number >= had.get(block.writer, 0)
        ]
        rejections = self._send("metrics", points, run)
        covered = {block.writer: block.first + len(block) for block in batch.metrics}
        had = had | {writer: max(end, had.get(writer, 0)) for writer, end in covered.items()}
        _arrived[place] = had
        rejections += self._send("logs", [one for one in batch.entries if table_of(one.record) is not None], run)
        # Of a batch that had failed, the first part may have come alone.
        _arrived[place] = {writer: end for writer, end in had.items() if end > covered.get(writer, 0)}
        if not _arrived[place]:
            del _arrived[place]
        return rejections

    def close(self) -> None:
        self._session.close()

    def _send(self, signal: Signal, items: Sequence[Any], run: dict[str, object]) -> list[Rejection]:
        """Send all in one request, or in several if the collector takes none so large."""
        if not items:
            return []
        if signal in self._lacking:
            return [Rejection(len(items), f"the collector takes no {signal}: it has no /v1/{signal}")]
        request = metrics_request(items, run) if signal == "metrics" else logs_request(items, run)
        answer = self._post(signal, request.SerializeToString())
        if answer.status == 413 and len(items) > 1:
            middle = len(items) // 2
            return [*self._send(signal, items[:middle], run), *self._send(signal, items[middle:], run)]
        if answer.status == _NOT_TAKEN:
            raise UnavailableError(f"{self._url} no longer has /v1/{signal}")
        if not answer.ok:
            return [Rejection(len(items), f"{_REFUSES} {signal}: status {answer.status}")]
        return _partial(signal, answer.content)

    def _post(self, signal: Signal, message: bytes) -> web.Reply:
        """The answer. UnavailableError if it is that the collector cannot do it now."""
        with web.failures(self._url):
            answer = web.ask(
                self._session,
                "POST",
                f"{self._url}/v1/{signal}",
                data=gzip.compress(message, 1),
                headers={"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"},
            )
        status = answer.status
        if status in (401, 403):
            raise UnavailableError(
                f"{self._url} refuses these credentials (status {status}): set OTEL_EXPORTER_OTLP_HEADERS"
            )
        if status in (408, 425, 429) or status >= 500:
            after = web.wait(answer.headers.get("Retry-After", ""))
            raise UnavailableError(f"{self._url} answers with status {status}", after)
        return answer


def _headers() -> dict[str, str]:
    """Those of OTEL_EXPORTER_OTLP_HEADERS, `name=value,name=value` in percent encoding: credentials, as a rule."""
    pairs = (pair.partition("=") for pair in (secret("OTEL_EXPORTER_OTLP_HEADERS") or "").split(","))
    headers = {unquote(name).strip(): unquote(value).strip() for name, equals, value in pairs if equals}
    taken.update(part for value in headers.values() for part in (value, value.rpartition(" ")[2]))
    return headers


def _partial(signal: Signal, content: bytes) -> list[Rejection]:
    """What the collector did not take of a request that it took."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    answer: Any = ExportMetricsServiceResponse() if signal == "metrics" else ExportLogsServiceResponse()
    try:
        answer.ParseFromString(content)
    except DecodeError:
        return []  # it has answered that it has them
    told = answer.partial_success
    count = told.rejected_data_points if signal == "metrics" else told.rejected_log_records
    return [Rejection(count, f"{_REFUSES} {signal}: {told.error_message[: web.LONGEST_MESSAGE]}")] if count else []
