"""Records as OTLP has them (https://opentelemetry.io/docs/specs/otlp/)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from reticent.backends import Batch
from reticent.records import Entry, Lost, Metric, RunEnded, RunStatus, SealedRecord, Warned, Withheld

SCOPE = "reticent"


def attributes_of(batch: Batch) -> dict[str, object]:
    """What is said of the run with each point and each record of it."""
    told: dict[str, object] = {"reticent.run_id": batch.run_id}
    if batch.started is not None:
        told |= {"reticent.run_name": batch.started.name, "reticent.experiment": batch.started.experiment}
    return told


def metrics_request(points: Iterable[tuple[str, Metric]], run: Mapping[str, object]) -> Any:
    """`points` with the id of each."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    _describe(resource.resource)
    scope = resource.scope_metrics.add()
    scope.scope.name = SCOPE
    step, number = _key_values({"reticent.step": 0, "reticent.id": ""})
    attributes, gauges = [*_key_values(run), step, number], {}  # one list for all: each point has a copy
    for identity, point in points:
        if point.key not in gauges:
            gauges[point.key] = scope.metrics.add(name=point.key).gauge.data_points
        step.value.int_value, number.value.string_value = point.step, identity
        gauges[point.key].add(time_unix_nano=_nanoseconds(point.time), as_double=point.value, attributes=attributes)
    return request


def logs_request(entries: Sequence[Entry], run: Mapping[str, object]) -> Any:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    _describe(resource.resource)
    scope = resource.scope_logs.add()
    scope.scope.name = SCOPE
    common = _key_values(run)
    for entry in entries:
        fields = msgspec.to_builtins(entry.record)
        kind, time = fields.pop("type"), _nanoseconds(fields.pop("time"))
        severity = _severity(entry.record)
        one = scope.log_records.add(
            time_unix_nano=time,
            observed_time_unix_nano=time,
            severity_number=severity,
            severity_text=_SEVERITIES[severity],
            event_name=f"reticent.{kind}",
            body=_any(fields),
        )
        one.attributes.extend(common)
        one.attributes.extend(_key_values({"reticent.id": f"{entry.writer}@{entry.offset}"}))
    return request


_INFO, _WARN, _ERROR = 9, 13, 17
_SEVERITIES = {_INFO: "INFO", _WARN: "WARN", _ERROR: "ERROR"}


def _severity(record: SealedRecord) -> int:
    if isinstance(record, RunEnded):
        return _INFO if record.status is RunStatus.FINISHED else _ERROR
    return _WARN if isinstance(record, (Warned, Lost, Withheld)) else _INFO


def _describe(resource: Any) -> None:
    resource.attributes.extend(_key_values({"service.name": "reticent"}))


def _nanoseconds(time: float) -> int:
    return round(time * 1e6) * 1000  # no finer: a float of seconds has no more digits


def _key_values(values: Mapping[str, object]) -> list[Any]:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    return [KeyValue(key=key, value=_any(value)) for key, value in values.items()]


def _any(value: object) -> Any:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValueList

    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=_key_values(value)))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue() if value is None else AnyValue(string_value=str(value))
