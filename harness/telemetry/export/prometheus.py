"""A Prometheus endpoint: every scrape reads what was observed until then.

Names follow https://prometheus.io/docs/practices/naming/: ``harness_budget_duration_seconds`` (a histogram
with an edge at every limit), ``harness_budget_value`` for anything that is no time,
``harness_budget_overruns_total``, ``harness_budget_failures_total``, ``harness_budget_limit`` and
``harness_budget_allowed_ratio``, each by ``operation`` and ``pillar``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.errors import UnavailableError
from harness.telemetry.export.extra import library
from harness.telemetry.export.points import Points, points_of

if TYPE_CHECKING:
    from harness.telemetry.budget.registry import Budgets

LABELS = ("operation", "pillar")


class Collector:
    """What `prometheus_client` asks at every scrape."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._families = library("prometheus_client.core")

    def collect(self) -> Iterator[Any]:
        """All metric families, of names that were observed or have a limit."""
        core = self._families
        times = core.HistogramMetricFamily(
            "harness_budget_duration_seconds", "How long an operation took", labels=LABELS
        )
        values = core.HistogramMetricFamily(
            "harness_budget_value", "An observation that is no time, in its unit", labels=(*LABELS, "unit")
        )
        overruns = core.CounterMetricFamily(
            "harness_budget_overruns", "Observations beyond a limit", labels=(*LABELS, "limit")
        )
        failures = core.CounterMetricFamily(
            "harness_budget_failures", "Operations that ended in an exception", labels=LABELS
        )
        limits = core.GaugeMetricFamily(
            "harness_budget_limit", "The limit, in seconds or in the unit", labels=(*LABELS, "limit", "unit")
        )
        allowed = core.GaugeMetricFamily(
            "harness_budget_allowed_ratio", "Share of observations that may be beyond a limit", labels=LABELS
        )
        for found in self._budgets.observed():
            points = points_of(found)
            labels = [points.name, points.pillar]
            if points.count:
                if points.unit == "s":
                    times.add_metric(labels, buckets(points), points.total)
                else:
                    values.add_metric([*labels, points.unit], buckets(points), points.total)
                failures.add_metric(labels, points.failed)
            if points.limits:
                allowed.add_metric(labels, points.allowed)
            for which, limit in points.limits.items():
                limits.add_metric([*labels, which, points.unit], limit)
                overruns.add_metric([*labels, which], points.over[which])
        yield from (times, values, overruns, failures, limits, allowed)


def buckets(points: Points) -> list[tuple[str, int]]:
    """Edges as text and counts up to them, as `prometheus_client` takes them."""
    pairs = zip(points.edges, points.cumulative, strict=True)
    return [*((repr(edge), count) for edge, count in pairs), ("+Inf", points.count)]


class PrometheusEndpoint:
    """``http://ADDRESS:PORT/metrics`` for as long as it is open; a context manager.

    ``address``: the loopback interface unless told otherwise. ``port`` 0 takes a free one, :attr:`port` tells
    which. ``more``: further collectors. Raises UnavailableError where the port is taken or the
    extra is missing.
    """

    def __init__(
        self, budgets: Budgets, port: int = 9464, address: str = "127.0.0.1", more: Sequence[Any] = ()
    ) -> None:
        client = library("prometheus_client")
        registry = client.CollectorRegistry(auto_describe=False)
        for collector in (Collector(budgets), *more):
            registry.register(collector)
        try:
            self._server, self._thread = client.start_http_server(port, addr=address, registry=registry)
        except OSError as error:
            raise UnavailableError(
                f"a Prometheus endpoint at {address}:{port}: {error.strerror or error}",
                hint="choose another port, or 0 for a free one",
            ) from error
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Stop answering. Repeatable."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> PrometheusEndpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
