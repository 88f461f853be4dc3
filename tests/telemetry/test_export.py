"""What is exported is what was observed: scraped, received over gRPC, and read from a file."""

from __future__ import annotations

import json
import logging
import math
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import otlp_receiver
import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.errors import ConfigurationError, RecordingError, UnavailableError
from harness.telemetry.budget import Budgets
from harness.telemetry.export import JsonLines, Otlp, PrometheusEndpoint
from harness.telemetry.export import extra as module
from harness.telemetry.export.otlp import AGGREGATION, EXPONENTIAL
from harness.telemetry.export.periodic import Periodic

SECONDS = np.random.default_rng(1).lognormal(-6, 1.2, 5000)
RATIOS = np.random.default_rng(2).uniform(-0.2, 0.9, 300)


@pytest.fixture
def budgets() -> Budgets:
    book = Budgets(reports=None)
    book.define("check", upper=5, pillar="security", text="one check")
    book.define("ratio", lower=0.4, upper=0.6, unit="1", pillar="compression")
    book.define("silent", upper=1)
    for value in SECONDS:
        book.observe("check", value, unit="s")
    for value in RATIOS:
        book.observe("ratio", value)
    return book


def scrape(endpoint: PrometheusEndpoint) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_a_scrape_has_exact_counts_at_every_edge_and_at_the_limit(budgets: Budgets) -> None:
    with PrometheusEndpoint(budgets, 0) as endpoint:
        found = scrape(endpoint)
        budgets.observe("check", 1.0)
        again = scrape(endpoint)
    samples = found["harness_budget_duration_seconds"].samples
    buckets = {float(s.labels["le"]): s.value for s in samples if s.name.endswith("_bucket")}
    assert 0.005 in buckets and len(buckets) == 35
    for edge, count in buckets.items():
        assert count == (edge >= SECONDS).sum(), edge
    by_name = {s.name.removeprefix("harness_budget_duration_seconds"): s for s in samples}
    assert by_name["_count"].value == 5000 and by_name["_sum"].value == pytest.approx(SECONDS.sum())
    assert by_name["_count"].labels == {"operation": "check", "pillar": "security"}
    over, limits = (
        {(s.labels["operation"], s.labels["limit"]): s.value for s in found[name].samples}
        for name in ("harness_budget_overruns", "harness_budget_limit")
    )
    assert over == {
        ("check", "upper"): (SECONDS > 0.005).sum(),
        ("ratio", "upper"): (RATIOS > 0.6).sum(),
        ("ratio", "lower"): (RATIOS < 0.4).sum(),
        ("silent", "upper"): 0,
    }
    assert limits["check", "upper"] == 0.005 and limits["ratio", "lower"] == 0.4
    counts = [s.value for s in again["harness_budget_duration_seconds"].samples if s.name.endswith("_count")]
    assert counts == [5001]


def test_the_endpoint_is_on_the_loopback_and_a_taken_port_is_told(budgets: Budgets) -> None:
    with PrometheusEndpoint(budgets, 0) as endpoint:
        assert endpoint._server.server_address[0] == "127.0.0.1"
        with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{endpoint.port}[\s\S]*another port"):
            PrometheusEndpoint(budgets, endpoint.port)


@pytest.fixture(scope="module")
def receiver() -> Iterator[otlp_receiver.Receiver]:
    with otlp_receiver.receiving() as found:
        yield found


@pytest.mark.slow
def test_otlp_arrives_sample_for_sample(
    budgets: Budgets, receiver: otlp_receiver.Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "bench-7")
    Otlp(budgets, every_s=3600).close()
    (resource,) = receiver.got[-1].resource_metrics
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert attributes["service.name"] == "bench-7" and attributes["telemetry.sdk.language"] == "python"
    metrics = receiver.metrics()
    assert set(metrics) == {
        "harness.budget.duration",
        "ratio",
        "harness.budget.overruns",
        "harness.budget.failures",
    }
    duration = metrics["harness.budget.duration"]
    (point,) = duration.histogram.data_points
    assert duration.unit == "s" and duration.histogram.aggregation_temporality == 2
    assert point.count == 5000 and point.sum == pytest.approx(SECONDS.sum())
    assert (point.min, point.max) == (SECONDS.min(), SECONDS.max())
    assert 0.005 in point.explicit_bounds
    edges = [-math.inf, *point.explicit_bounds, math.inf]
    for low, high, count in zip(edges[:-1], edges[1:], point.bucket_counts, strict=True):
        assert count == ((low < SECONDS) & (high >= SECONDS)).sum()
    over = {
        tuple(sorted((a.key, a.value.string_value) for a in each.attributes)): each.as_int
        for each in metrics["harness.budget.overruns"].sum.data_points
    }
    key = (("harness.limit", "upper"), ("harness.operation", "check"), ("harness.pillar", "security"))
    assert over[key] == (SECONDS > 0.005).sum()


@pytest.mark.slow
def test_exponential_histograms_arrive_sample_for_sample(
    budgets: Budgets, receiver: otlp_receiver.Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
    monkeypatch.setenv(AGGREGATION, EXPONENTIAL)
    Otlp(budgets, every_s=3600).close()
    metrics = receiver.metrics()
    for name, values in (("harness.budget.duration", SECONDS), ("ratio", RATIOS)):
        (point,) = metrics[name].exponential_histogram.data_points
        base = 2.0 ** (2.0**-point.scale)
        assert point.count == len(values) and len(point.positive.bucket_counts) <= 160
        for side, sign in ((point.positive, 1), (point.negative, -1)):
            for number, count in enumerate(side.bucket_counts):
                low, high = (base ** (side.offset + number + each) for each in (0, 1))
                within = (sign * values > low * (1 + 1e-9)) & (sign * values <= high * (1 - 1e-9))
                assert count == within.sum()


@pytest.mark.slow
def test_it_is_exported_again_and_again(
    budgets: Budgets, receiver: otlp_receiver.Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    before = len(receiver.got)
    with Otlp(budgets):
        for _ in range(1000):
            if len(receiver.got) >= before + 3:
                break
            receiver.arrived.wait(0.05)
            receiver.arrived.clear()
    assert len(receiver.got) >= before + 3


@pytest.mark.slow
def test_without_a_collector_nothing_else_happens(
    budgets: Budgets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with caplog.at_level(logging.CRITICAL, "opentelemetry"):
        Otlp(budgets, every_s=3600).close()
    assert budgets.results()["check"].n == 5000


def test_variables_are_minded(budgets: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kept:
        def __init__(self) -> None:
            self.got: list[Any] = []

        def export(self, data: Any) -> None:
            self.got.append(data)

        def shutdown(self) -> None: ...

    kept = Kept()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    Otlp(budgets, kept, 3600).close()
    assert kept.got == []
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    Otlp(Budgets(reports=None), kept, 3600).close()
    assert kept.got == []  # nothing was observed
    monkeypatch.setenv(AGGREGATION, "pie")
    with pytest.raises(ConfigurationError, match="=pie is no aggregation"):
        Otlp(budgets, kept, 3600)
    monkeypatch.delenv(AGGREGATION)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "soon")
    with pytest.raises(ConfigurationError, match="'soon' is no number"):
        Otlp(budgets, kept)


def test_json_lines_are_appended(budgets: Budgets, tmp_path: Path) -> None:
    path = tmp_path / "budgets.jsonl"
    path.write_text('{"earlier": true}\n')
    lines = JsonLines(budgets, path, 3600)
    lines.now()
    budgets.observe("check", 1.0)
    lines.close()
    lines.close()
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found[0] == {"earlier": True} and len(found) == 5
    first, last = (
        next(each for each in part if each["operation"] == "check") for part in (found[1:3], found[3:])
    )
    assert (first["count"], last["count"], first["unit"], first["limits"]) == (
        5000,
        5001,
        "s",
        {"upper": 0.005},
    )
    for edge, count in first["at_most"]:
        assert count == (edge >= SECONDS).sum()
    assert first["at_most"][-1][1] == 5000
    with pytest.raises(RecordingError, match="cannot be appended to"):
        JsonLines(budgets, tmp_path, 3600)


def test_an_export_that_fails_is_logged_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    calls, enough = [0], threading.Event()

    def act() -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise RuntimeError("mine")
        enough.set()

    with Periodic(act, 0.01, "test"):
        assert enough.wait(20)
    assert "test failed" in caplog.text
    with pytest.raises(ConfigurationError, match="every 0 s"):
        Periodic(act, 0, "test")


def test_a_missing_extra_is_one_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(UnavailableError, match=r"prometheus_client[\s\S]*\[telemetry\]"):
        PrometheusEndpoint(Budgets(reports=None))
