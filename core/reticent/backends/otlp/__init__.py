"""Any OpenTelemetry collector, by OTLP over HTTP: `otlp+http://collector:4318`, `otlp+https://host/prefix`, or `otlp` with
the address in OTEL_EXPORTER_OTLP_ENDPOINT.

Points are gauges under their keys; all other records are log records called `reticent.<kind of record>`. Each has the run's
id, name and experiment as attributes, its own time, and `reticent.id`. A collector cannot be asked what it has: when an
answer is lost, what was sent comes once more, with the same time and the same `reticent.id` within its run.
"""

from reticent.backends.otlp.backend import OtlpBackend

__all__ = ["OtlpBackend"]
