"""Anomalies in the documents: shaded and lettered in the plot, a row with the host, a line in the summary."""

from __future__ import annotations

from pathlib import Path

from report_data import whole

from harness.report.anomalies import SHOWN, stretches, unusual
from harness.report.figures import over_time
from harness.report.plots import results_section
from harness.report.series import extract
from harness.report.summary import render_summary
from harness.results import AnomalyFinding, AnomalyResult, Results


def finding(begin_s: float, confidence: float = 0.999) -> AnomalyFinding:
    return AnomalyFinding(
        kind="burst",
        begin_s=begin_s,
        end_s=begin_s + 0.15,
        begin_ns=0,
        end_ns=0,
        open=False,
        size=150.0,
        period_ms=None,
        threshold_ms=None,
        slow=30,
        lost=0,
        confidence=confidence,
        words=f"burst at {begin_s:.3f} s for 150 ms: 30 slow samples close together",
        host=["robot was stopped 150 ms of 160 ms (elsewhere 0.00%)"],
    )


def result(*findings: AnomalyFinding, tested: bool = True) -> AnomalyResult:
    return AnomalyResult(
        tested=tested,
        n=3000,
        learned_from=1024,
        level_ms=3.0,
        slow_over_ms=9.0,
        false_alarm=0.05,
        findings=list(findings),
        words="none found; of clean runs at most 5% show any" if tested else "too few",
    )


def with_anomalies(found: AnomalyResult) -> Results:
    results, _, _ = whole()
    name, scenario = next(iter(results.scenarios.items()))
    return results.model_copy(update={"scenarios": {name: scenario.model_copy(update={"anomalies": found})}})


def test_the_table_has_a_row_with_the_host_for_each_letter_of_the_plot(tmp_path: Path) -> None:
    _, samples, run = whole()
    found = result(finding(2.0), finding(5.0))
    blocks = list(results_section(with_anomalies(found), samples, run, tmp_path))
    [rows] = [block["rows"] for block in blocks if "rows" in block and "robot was stopped" in str(block)]
    assert [row[0]["text"] for row in rows] == [letter for letter, _, _ in stretches(found)] == ["A", "B"]
    assert "a letter" in str(blocks)


def test_the_plot_is_shaded_where_something_was_found() -> None:
    _, samples, _ = whole()
    series = extract(samples, 0)
    plain, marked = over_time(series, []), over_time(series, [], (), [("A", 2.0, 2.15), ("B", 2.1, 4.0)])
    assert marked.count("<path") > plain.count("<path")


def test_of_many_the_surest_are_shown_and_the_rest_counted() -> None:
    found = result(*(finding(float(second), 0.9 + second / 1000) for second in range(SHOWN + 5)))
    assert [begin for _, begin, _ in stretches(found)] == [float(second) for second in range(5, SHOWN + 5)]
    assert "5 less sure ones" in str(list(unusual(found)))


def test_nothing_found_and_not_looked_for_are_said_apart() -> None:
    assert "Anomalies: none found" in str(list(unusual(result())))
    assert "not looked for: too few" in str(list(unusual(result(tested=False))))
    assert list(unusual(None)) == []


def test_the_summary_has_a_line_with_the_host() -> None:
    text = render_summary(with_anomalies(result(finding(2.0))))
    assert "anomaly (no part of the verdict), burst at 2.000 s" in text
    assert "robot was stopped" in text
