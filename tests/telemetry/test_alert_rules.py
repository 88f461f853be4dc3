"""Rules of alerts: files, hysteresis, windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.core import GaugeMetricFamily

from harness.cli import cli
from harness.telemetry.alerts.files import AlertFileError, Rule, load_alerts
from harness.telemetry.alerts.series import MetricWindow, OperationWindow
from harness.telemetry.alerts.state import Alert
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.buckets import Buckets

GOOD = """receivers:
  chat: {url_env: ALERT_URL}
rules:
  slow:
    operation: check
    quantile: 0.5
    raise_above: 5
    clear_at: 4
    for_s: 10
    to: [chat]
"""


def rule(**words: object) -> Rule:
    return Rule.model_validate({"operation": "check", "quantile": 0.5, "to": ["chat"], **words})


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("    raise_above: 5", "    raise_abov: 5", 7, "raise_above"),
        ("    quantile: 0.5\n", "", 4, "needs a quantile"),
        ("    operation: check\n", "", 4, "one of operation and metric"),
        ("    operation: check", "    metric: x\n    operation: check", 4, "one of operation and metric"),
        ("    clear_at: 4", "    clear_at: 6", 8, "above the limit 5"),
        ("    raise_above: 5", "    raise_below: 5", 8, "below the limit 5"),
        ("    raise_above: 5\n", "", 4, "one of raise_above and raise_below"),
        ("[chat]", "[chta]", 10, "'chat'"),
        ("{url_env: ALERT_URL}", "{}", 2, "one of url_env and command"),
        ("{url_env: ALERT_URL}", "{command: [a], headers_env: {A: B}}", 2, "no HTTP headers"),
        ("{url_env: ALERT_URL}", "{url_env: 'https://host/secret'}", 2, "url_env"),
        ("    to:", "    labels: {a: b}\n    to:", 10, "no labels"),
        ("rules:", "rules: [", 3, ""),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    file = tmp_path / "alerts.yaml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(AlertFileError) as caught:
        load_alerts(file)
    text = str(caught.value)
    assert said in text
    if said:
        assert [each.line for each in caught.value.problems] == [line], text


def test_the_command_says_what_a_rule_does_or_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(GOOD)
    ended = CliRunner().invoke(cli, ["alerts", "check", str(file)], standalone_mode=False)
    assert ended.exception is None
    assert "alerts.yaml:4: slow: quantile 0.5 over 60 s of check above 5 for 10 s" in ended.output
    file.write_text(GOOD.replace("slow", "1"))
    ended = CliRunner().invoke(cli, ["alerts", "check", str(file)], standalone_mode=False)
    assert isinstance(ended.exception, AlertFileError)


def test_the_example_of_the_page_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "alerts.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "alerts.yaml"
    file.write_text(text)
    assert list(load_alerts(file).rules) == list(yaml.safe_load(text)["rules"])


def states(alert: Alert, values: list[float | None]) -> list[tuple[str, bool]]:
    return [(alert.step(value, float(at)), alert.state)[::-1] for at, value in enumerate(values)]


def test_an_alert_is_pending_then_fires_and_is_resolved_at_the_clear_limit() -> None:
    alert = Alert(rule(raise_above=5, clear_at=4, for_s=2))
    found = states(alert, [5, 6, 4.5, 6, 6, 6, 6, 4.5, 5.5, 4, 4.5, 6, 6, 6])
    assert [state for state, _ in found] == (
        ["quiet", "pending", "quiet", "pending", "pending"]
        + ["firing"] * 4
        + ["resolved", "resolved", "pending", "pending", "firing"]
    )
    assert [at for at, (_, told) in enumerate(found) if told] == [5, 9, 13]


def test_small_values_may_be_the_bad_ones_and_the_limit_is_within() -> None:
    alert = Alert(rule(raise_below=0.4))
    assert states(alert, [0.4, 0.39, 0.4]) == [("quiet", False), ("firing", True), ("resolved", True)]


def test_without_data_an_alert_stays_or_is_resolved_as_the_rule_says() -> None:
    nan = float("nan")
    assert states(Alert(rule(raise_above=5)), [6, None, nan])[-1] == ("firing", False)
    assert states(Alert(rule(raise_above=5, without_data="resolve")), [6, nan])[-1] == ("resolved", True)
    assert states(Alert(rule(raise_above=5, for_s=9)), [6, None])[-1] == ("quiet", False)


def test_a_window_of_an_operation_forgets_what_is_older(budgets: Budgets) -> None:
    budgets.define("check", upper=5, unit="ms")
    window = OperationWindow(rule(raise_above=5, window_s=10, at_least=3))

    def look(now_s: float) -> float | None:
        return window.look(budgets.observed()[0], now_s)

    for _ in range(100):
        budgets.observe("check", 50.0)
    assert look(0) is None, "what was before the rules does not count"
    for value in (1.0, 8.0):
        budgets.observe("check", value)
    assert look(1) is None, "fewer than at_least"
    budgets.observe("check", 8.0)
    assert look(2) == pytest.approx(8.0, rel=0.012)
    for _ in range(5):
        budgets.observe("check", 2.0)
    assert look(11.5) == pytest.approx(2.0, rel=0.012)
    assert look(12) == pytest.approx(2.0, rel=0.012)
    assert look(30) is None
    budgets.reset()
    assert look(31) is None
    for _ in range(3):
        budgets.observe("check", 3.0)
    assert look(32) == pytest.approx(3.0, rel=0.012)


def test_an_operation_that_is_first_seen_later_counts_whole(budgets: Budgets) -> None:
    window = OperationWindow(rule(raise_above=5))
    assert window.look(None, 0) is None
    budgets.observe("check", 7.0, unit="ms")
    assert window.look(budgets.observed()[0], 1) == pytest.approx(7.0, rel=0.012)


@pytest.mark.slow
def test_the_memory_of_a_window_is_bounded(budgets: Budgets) -> None:
    budgets.define("check", upper=5)
    window = OperationWindow(rule(raise_above=5, window_s=100))
    for step in range(500):
        window.look(budgets.observed()[0], step * 0.5)
    assert len(window._marks) <= 34


def test_what_came_since_is_the_difference_at_any_scale() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(0, 1, 500), rng.lognormal(0, 90, 20_000)
    counted = Buckets()
    counted.add(first)
    older = Buckets.of(counted.scale, counted.zeros, counted.above, counted.below)
    counted.add(second)
    alone = Buckets()
    alone.add(second)
    found = counted.since(older)
    assert found.scale < older.scale and found.total == 20_000
    assert found.quantile(0.9) == alone.quantile(0.9)


def test_each_set_of_labels_of_a_metric_is_a_series() -> None:
    asked = Rule.model_validate(
        {"metric": "m", "labels": {"q": "9"}, "window_s": 2, "raise_above": 1, "to": ["chat"]}
    )
    last, high = MetricWindow(asked), MetricWindow(asked.model_copy(update={"quantile": 1.0}))

    def family(**rigs: float) -> list[GaugeMetricFamily]:
        made = GaugeMetricFamily("m", "", labels=("rig", "q"))
        for rig, value in rigs.items():
            made.add_metric([rig, "9"], value)
            made.add_metric([rig, "5"], -1)
        return [made, GaugeMetricFamily("other", "", value=9)]

    a, b = ((("q", "9"), ("rig", rig)) for rig in "ab")
    assert last.look(family(a=3, b=4), 0) == high.look(family(a=3, b=4), 0) == {a: 3, b: 4}
    assert last.look(family(a=2), 1) == {a: 2}
    assert high.look(family(a=2), 1) == {a: 3}
    assert high.look(family(a=1), 3) == {a: 2}
