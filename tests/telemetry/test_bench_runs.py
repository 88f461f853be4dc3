"""What is known of the runs of a bench, on real run folders: while they go on, and when they have ended."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_runs import Runs, made

from harness.analysis.anomalies import Kind
from harness.conclude import RunOutcome
from harness.config import load_rig
from harness.model import Verdict
from harness.telemetry.bench.columns import lines_of
from harness.telemetry.bench.families import BenchCollector
from harness.telemetry.bench.live import Counted, LiveRun, Watched, watched_of
from harness.telemetry.bench.past import Past, _ended
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget import Budgets
from harness.telemetry.page.columns import Columns

pytestmark = pytest.mark.slow
KEY = ("loop", "command")
Families = dict[str, dict[tuple[str, ...], float]]


@dataclass
class Seen:
    """Two runs, one after the other, and what was seen meanwhile: run, samples done, values in its columns,
    and all metrics, of the last look at each run."""

    runs: Runs
    outcomes: list[RunOutcome] = field(default_factory=list)
    totals: dict[str, list[int]] = field(default_factory=dict)
    charts: dict[str, list[int]] = field(default_factory=dict)
    running: dict[str, Families] = field(default_factory=dict)
    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    after: Families = field(default_factory=dict)
    ever: dict[str, int] = field(default_factory=dict)
    ended_chart: tuple[str, int] = ("", 0)
    left_live: set[str] = field(default_factory=set)


def families(watch: BenchWatch) -> Families:
    """Samples by name and labels."""
    found: Families = {}
    for family in BenchCollector(watch).collect():
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    runs = made(tmp_path_factory.mktemp("bench"))
    seen = Seen(runs)
    book = Budgets(reports=runs.reports)
    # Looked at by the test alone.
    with BenchWatch(book, runs.reports, 1e6) as watch, Columns(watch, runs.reports, 1e6) as columns:

        def look() -> None:
            watch.look()
            columns.look()
            followed = watch.live.get("loop")
            if followed is not None and followed.columns:
                name = followed.folder.name
                seen.totals.setdefault(name, []).append(followed.columns["command"].shown().total)
                seen.running[name] = families(watch)
                seen.verdicts[name] = {each.requirement: v for each, v in followed.life.verdicts.items()}
                if (drawn := columns.of.get(KEY)) is not None and drawn.run == name:
                    seen.charts.setdefault(name, []).append(drawn.shown.total)

        for _ in range(2):
            seen.outcomes.append(runs.run(look))
        look()
        seen.left_live = set(watch.live)
        seen.after = families(watch)
        seen.ever = {w.requirement: observed.tally.n for w, observed in watch.ever["loop"].observed()}
        seen.ended_chart = (columns.of[KEY].run, columns.of[KEY].shown.total)
        yield seen


def results_of(outcome: RunOutcome) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((outcome.folder / "results.json").read_text())
    return found


# --- while it goes on


def test_each_run_begins_anew_and_only_counters_go_on(seen: Seen) -> None:
    first, second = (outcome.folder.name for outcome in seen.outcomes)
    assert set(seen.totals) == {first, second}
    for totals in seen.totals.values():
        assert totals == sorted(totals) and totals[0] < totals[-1] <= 300
    sizes = [len(seen.runs.values_s(outcome)) for outcome in seen.outcomes]
    assert seen.ever == {"MEDIAN": sum(sizes), "TAIL": sum(sizes)}
    assert all(max(seen.charts[name]) <= size for name, size in zip((first, second), sizes, strict=True))
    assert seen.left_live == set()


def test_a_run_that_goes_on_has_its_metrics_and_one_that_ended_has_not(seen: Seen) -> None:
    for name, found in seen.running.items():
        assert found["harness_rig_running"][("loop",)] == 1.0
        assert found["harness_rig_running_planned"][KEY] == 300
        assert 0 < found["harness_rig_running_samples"][KEY] <= 300
        assert found["harness_rig_running_quantile_seconds"][(*KEY, "0.5")] < 1.0
        assert found["harness_rig_heartbeat_timestamp_seconds"][("loop",)] > 0
        held = {key[2:] for key, value in found["harness_rig_running_verdict"].items() if value == 1.0}
        assert held == {(which, verdict.value) for which, verdict in seen.verdicts[name].items()}
    assert seen.after["harness_rig_running"] == {("loop",): 0.0}
    assert "harness_rig_running_samples" not in seen.after
    assert "harness_rig_running_verdict" not in seen.after


def test_what_was_counted_is_what_was_recorded(seen: Seen) -> None:
    values = np.concatenate([seen.runs.values_s(outcome) for outcome in seen.outcomes])
    lost = int(np.isinf(values).sum())
    assert lost >= 10
    for requirement, limit_s, allowed in (("MEDIAN", 0.1, 0.5), ("TAIL", 0.15, 0.2)):
        key = (*KEY, requirement)
        assert seen.after["harness_rig_latency_seconds_count"][key] == len(values)
        assert seen.after["harness_rig_latency_seconds_bucket"][(*key, "+Inf")] == len(values)
        assert seen.after["harness_rig_overruns_total"][key] == (values > limit_s).sum()
        assert seen.after["harness_rig_limit_seconds"][key] == limit_s
        assert seen.after["harness_rig_allowed_ratio"][key] == pytest.approx(allowed)
    # Unanswered ones count with their timeout.
    whole = np.where(np.isinf(values), 0.3, values).sum()
    assert seen.after["harness_rig_latency_seconds_sum"][(*KEY, "MEDIAN")] == pytest.approx(whole, rel=1e-6)


def test_only_requirements_that_single_samples_break_are_watched(seen: Seen) -> None:
    rig = load_rig(seen.runs.rig).rig
    assert [each.requirement for each in watched_of(rig)] == ["MEDIAN", "TAIL"]
    (lines,) = lines_of(rig).values()
    assert [(each.requirement, each.what, each.limit_s) for each in lines] == [
        ("MEDIAN", "p50", 0.1),
        ("TAIL", "p80", 0.15),
        ("MEAN", "mean", 0.12),
    ]


def test_a_limit_that_changes_is_counted_anew() -> None:
    counted, old = Counted(from_intent=True), Watched("command", "R", 0.01, 0.99, 0.95, 0.1)
    new = Watched("command", "R", 0.02, 0.99, 0.95, 0.1)
    counted.expect([old])
    counted._books[old].observe("latency", 0.001)
    counted.expect([old])
    assert [observed.tally.n for _, observed in counted.observed()] == [1]
    counted.expect([new])
    assert [(watched, observed.tally.n) for watched, observed in counted.observed()] == [(new, 0)]


def test_a_folder_that_is_no_run_is_not_followed(tmp_path: Path) -> None:
    run = LiveRun(tmp_path, Counted(from_intent=True))
    run.look()
    run.end()
    assert (run.life.figures, run.life.verdicts, run.columns) == ({}, {}, {})


# --- when it has ended


def test_the_newest_run_is_shown_as_its_results_have_it(seen: Seen) -> None:
    past = Past(seen.runs.reports)
    past.look()
    past.look()
    rig, results = past.rigs["loop"], results_of(seen.outcomes[-1])
    newest = rig.newest
    assert newest is not None and sum(rig.runs.values()) == len(rig.ended) == 2 and rig.open == set()
    assert (newest.run, newest.verdict, newest.simulated) == (results["run_id"], results["verdict"], True)
    p50_ms = results["scenarios"]["command"]["latency_ms"]["p50"]
    assert newest.quantiles[("command", "0.5")] == p50_ms * 1e-3
    assert ("command", "0.99") not in newest.quantiles  # every 20th is lost
    factors = {"ms": 1e-3, "%": 1.0}
    for found, asked in zip(newest.requirements, results["requirements"], strict=True):
        factor = factors[asked["unit"]]
        estimate = None if asked["estimate"] is None else asked["estimate"] * factor
        assert (found.id, found.verdict) == (asked["id"], asked["verdict"])
        assert found.limit == asked["limit"] * factor
        assert (found.estimate, found.headroom) == (estimate, asked["headroom"])
    whats = {each.id: (each.what, each.unit, each.unanswered) for each in newest.requirements}
    assert whats["TAIL"] == ("p80 latency", "s", False) and whats["LOSS"] == ("loss rate", "%", False)
    assert whats["MEAN"][:2] == ("mean latency", "s")


def test_metrics_of_the_newest_run(seen: Seen) -> None:
    results, after = results_of(seen.outcomes[-1]), seen.after
    verdicts = [results_of(outcome)["verdict"] for outcome in seen.outcomes]
    for verdict in Verdict:
        assert after["harness_rig_runs_total"][("loop", verdict.value)] == verdicts.count(verdict.value)
    for asked in results["requirements"]:
        key = (*KEY, asked["id"])
        assert after["harness_requirement_verdict"][(*key, asked["verdict"])] == 1.0
        assert sum(v for k, v in after["harness_requirement_verdict"].items() if k[:3] == key) == 1.0
    assert after["harness_requirement_limit"][(*KEY, "LOSS", "upper", "%")] == 20.0
    assert after["harness_requirement_limit"][(*KEY, "TAIL", "upper", "s")] == 0.15
    assert after["harness_rig_last_run_timestamp_seconds"][("loop", "true")] > 0
    for name, scenario in results["scenarios"].items():
        kinds = [each["kind"] for each in scenario["anomalies"]["findings"]]
        for kind in Kind if scenario["anomalies"]["tested"] else ():
            assert after["harness_rig_anomalies"][("loop", name, kind.value)] == kinds.count(kind.value)


def test_anomalies_of_a_run_are_counted_by_kind(seen: Seen) -> None:
    """The runs above may be too short to be looked through: here the results say what was found."""
    results = results_of(seen.outcomes[-1])
    name, scenario = next(iter(results["scenarios"].items()))
    found = [{"kind": "burst"}, {"kind": "burst"}, {"kind": "drift"}]
    scenario["anomalies"] = {"tested": True, "findings": found}
    assert _ended(results).anomalies == {
        (name, kind.value): {"burst": 2, "drift": 1}.get(kind.value, 0) for kind in Kind
    }
    scenario["anomalies"] = {"tested": False, "findings": []}
    assert _ended(results).anomalies == {}


def test_the_chart_of_a_run_that_ended_is_of_all_that_counts(seen: Seen) -> None:
    newest = seen.outcomes[-1]
    values = seen.runs.values_s(newest)
    assert seen.ended_chart == (newest.folder.name, len(values))
    reports = seen.runs.reports
    with BenchWatch(Budgets(reports=None), reports, 1e6) as watch, Columns(watch, reports, 1e6) as columns:
        drawn = columns.of[KEY]
    assert [each.requirement for each in drawn.lines] == ["MEDIAN", "TAIL", "MEAN"]
    # Drawn at twice the highest limit, which is their timeout.
    lost = sum(n for each in drawn.shown.columns for low, up, n in each if low < 0.3 <= up)
    assert lost == np.isinf(values).sum()
    assert sum(each.total for each in drawn.shown.columns) == len(values)


def test_a_newest_run_that_cannot_be_read_leaves_no_chart_of_an_older_one(seen: Seen, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    names = [outcome.folder.name for outcome in seen.outcomes]
    shutil.copytree(seen.outcomes[0].folder, reports / "loop" / names[0])
    with BenchWatch(Budgets(reports=None), reports, 1e6) as watch, Columns(watch, reports, 1e6) as columns:
        assert columns.of[KEY].run == names[0]
        shutil.copytree(seen.outcomes[1].folder, reports / "loop" / names[1])
        (reports / "loop" / names[1] / "samples.parquet").unlink()
        watch.look()
        columns.look()
        assert columns.of == {}


def test_results_are_read_once_they_are_whole(
    seen: Seen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reports = tmp_path / "reports"
    folder = reports / "loop" / seen.outcomes[0].folder.name
    shutil.copytree(seen.outcomes[0].folder, folder)
    whole = (folder / "results.json").read_text()
    (folder / "results.json").write_text(whole[: len(whole) // 2])
    past = Past(reports)
    past.look()
    assert past.rigs["loop"].newest is None and past.rigs["loop"].open == {folder}
    (folder / "results.json").write_text(whole)
    past.look()
    assert past.rigs["loop"].newest is not None and past.rigs["loop"].open == set()
    shutil.rmtree(folder)
    past.look()
    assert sum(past.rigs["loop"].runs.values()) == 1  # counts never fall
    other = reports / "other" / "2026-01-01T00-00-00Z-0001"
    other.mkdir(parents=True)
    (other / "run.json").write_text("{}")
    (other / "results.json").write_text('{"run_id": "x"}')
    with caplog.at_level(logging.WARNING, "harness.bench"):
        past.look()
        past.look()
    assert len(caplog.records) == 1 and "not as this version writes it" in caplog.text
    assert past.rigs["other"].open == set() and past.rigs["other"].newest is None


def test_a_run_that_was_killed_is_not_followed_once_a_newer_one_has_ended(seen: Seen, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    killed, ended = (reports / "loop" / outcome.folder.name for outcome in seen.outcomes)
    shutil.copytree(seen.outcomes[0].folder, killed)
    (killed / "results.json").unlink()
    with BenchWatch(Budgets(reports=None), reports, 1e6) as watch:
        assert watch.live["loop"].folder == killed
        shutil.copytree(seen.outcomes[1].folder, ended)
        watch.look()
        watch.look()
        assert watch.live == {} and watch.past.rigs["loop"].open == {killed}
        assert families(watch)["harness_rig_running"] == {("loop",): 0.0}
