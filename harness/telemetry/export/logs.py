"""Logs over OTLP: what a program logs, while it does, and what happened in a run of a rig, afterwards.

By the official SDK, exporter and handler, and their standard variables (``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_BLRP_SCHEDULE_DELAY``, ``OTEL_SERVICE_NAME``, ``OTEL_SDK_DISABLED``, ...). Records go out in a thread
of their own; where no collector answers, some are lost and nothing else happens.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from harness import __version__
from harness.telemetry.export.extra import library

BAD = frozenset(
    {"exception", "look_failed", "bag_not_written", "search_out_of_time", "swarm_unsettled", "table_salvaged"}
)
"""Events that say that something did not go as it should have."""
STAMPS = ("t_ns", "utc", "event")
OWN = "opentelemetry"
"""The SDK's own logger: what it says of a send that failed is not sent again."""


class OtlpLogs:
    """Sends what ``logger`` and those below it log, from ``level`` on, until it is closed; a context manager.

    Records logged within a span of OpenTelemetry carry its ids. ``logger``: None for all of the program.
    ``exporter``: by default the one for gRPC. Raises UnavailableError without the extra ``telemetry``.
    """

    def __init__(
        self, logger: logging.Logger | None = None, level: int = logging.INFO, exporter: Any = None
    ) -> None:
        self._logger = logging.getLogger() if logger is None else logger
        if exporter is None:
            exporter = library("opentelemetry.exporter.otlp.proto.grpc._log_exporter").OTLPLogExporter()
        resource = library("opentelemetry.sdk.resources").Resource.create({"service.version": __version__})
        logs = library("opentelemetry.sdk._logs")
        self._provider = logs.LoggerProvider(resource=resource, shutdown_on_exit=False)
        if os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true":
            batches = library("opentelemetry.sdk._logs.export").BatchLogRecordProcessor
            self._provider.add_log_record_processor(batches(exporter))
        handler = library("opentelemetry.instrumentation.logging.handler").LoggingHandler
        self._handler: logging.Handler = handler(level, self._provider, log_code_attributes=True)
        self._handler.addFilter(lambda record: record.name.split(".")[0] != OWN)
        self._logger.addHandler(self._handler)

    def close(self) -> None:
        """Send what is left, and no more. Repeatable."""
        self._logger.removeHandler(self._handler)
        self._provider.shutdown()

    def __enter__(self) -> OtlpLogs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def records_of(
    events: Sequence[Mapping[str, Any]], offset: int, spans: Mapping[int, tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """The events of a run as fields of log records; ``offset``: CLOCK_REALTIME less CLOCK_MONOTONIC in ns.
    ``spans``: by the instant from which it holds, trace and span of what went on then."""
    begun = sorted(spans)
    for event in events:
        at = int(event["t_ns"])
        within = [each for each in begun if each <= at]
        trace_id, span_id = spans[within[-1]] if within else (None, None)
        name = str(event.get("event", ""))
        details = {str(key): value for key, value in event.items() if key not in STAMPS and value is not None}
        bad = name in BAD or bool(details.get("failures")) or (name == "ended" and "reason" in details)
        yield {
            "timestamp": at + offset,
            "trace_id": trace_id,
            "span_id": span_id,
            "severity_text": "WARN" if bad else "INFO",
            "body": " ".join([name, *(f"{key}={_word(value)}" for key, value in details.items())]),
            "attributes": {f"harness.{key}": _word(value) for key, value in details.items()},
            "event_name": f"harness.{name}",
        }


def _word(value: Any) -> str | int | float | bool:
    """What an attribute can hold: anything else as JSON."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, default=str)
