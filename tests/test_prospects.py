"""What a plan can show, what `harness plan` prints, and which runs are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import rig_file

from harness.cli import cli
from harness.config import load_rig, rig_from_text
from harness.errors import ConfigurationError
from harness.model import Severity
from harness.prospects import never_passes, percent, plan_findings, prospects, require_possible

P95 = {"id": "R", "scenario": "command", "quantile": 0.95, "limit": 50, "unit": "ms"}
SEQUENTIAL = {"kind": "trials", "samples": 120}


def rig(tmp_path: Path, schedule: dict[str, Any], *requirements: dict[str, Any], **changes: Any) -> Any:
    told = {"scenarios.command.schedule": schedule, "requirements": list(requirements) or [P95], **changes}
    return load_rig(rig_file(tmp_path, told)).rig


def paced(samples: int, **more: Any) -> dict[str, Any]:
    return {"kind": "paced", "rate_hz": 100, "samples": samples, **more}


def test_a_fixed_plan_says_what_each_true_rate_needs(tmp_path):
    (each,) = prospects(rig(tmp_path, paced(1000), {**P95, "quantile": 0.99}))
    independent = {row.share: row for row in each.rows if row.burst == 1}
    assert [independent[share].samples for share in (0.0, 0.1, 0.5)] == [299, 473, 2546]
    assert independent[0.5].minutes == pytest.approx(2546 / 100 / 60)
    assert each.minutes == pytest.approx(1000 / 100 / 60)
    # At the limit: the promised error.
    assert independent[1.0].passes <= 0.05 and independent[1.0].fails <= 0.05
    bursts = {row.share: row for row in each.rows if row.burst == 20}
    assert all(row.inconclusive > 0.99 for row in bursts.values())
    assert any("INCONCLUSIVE, though it complies" in note for note in each.notes)


def test_a_sequential_plan_says_how_many_trials_it_takes(tmp_path):
    (each,) = prospects(rig(tmp_path, SEQUENTIAL))
    rows = {row.share: row for row in each.rows}
    # docs/statistics.md: cap 120.
    assert (rows[0.1].passes, rows[0.1].mean_samples) == (
        pytest.approx(0.905, abs=1e-3),
        pytest.approx(80, abs=0.5),
    )
    assert rows[0.0].mean_samples == pytest.approx(65)
    assert rows[1.0].passes <= 0.05 and rows[1.0].fails <= 0.05
    assert {row.burst for row in each.rows} == {1.0}
    # quiet 20, dwell 10 to 50, answers within 50 ms.
    assert each.rate_hz == pytest.approx(10)


@pytest.mark.parametrize("schedule", [paced(300, stages=[100, 300]), {**SEQUENTIAL, "stages": [66, 120]}])
def test_stages_keep_the_promised_error(tmp_path, schedule):
    (each,) = prospects(rig(tmp_path, schedule))
    rows = {row.share: row for row in each.rows if row.burst == 1}
    assert 0.01 < rows[1.0].passes <= 0.05 and 0.01 < rows[1.0].fails <= 0.05
    assert rows[0.0].mean_samples < each.samples


@pytest.mark.parametrize(
    ("schedule", "changes", "says"),
    [
        (paced(58), {}, "at least 59 are needed"),
        (paced(58), {"family_wise": True}, "at least 59 are needed"),
        (paced(100), {"scenarios.command.longest_disturbance_ms": 20.0}, "at least 118 are needed"),
        (paced(70, stages=[60, 70]), {}, "at least 72 are needed"),
        ({**SEQUENTIAL, "samples": 64}, {}, "at least 65"),
        ({**SEQUENTIAL, "samples": 50, "stages": [20, 50]}, {}, "at least 59"),
    ],
)
def test_what_cannot_pass_is_refused(tmp_path, schedule, changes, says):
    loaded = rig(tmp_path, schedule, **changes)
    (each,) = prospects(loaded)
    assert says in (each.refusal or "")
    with pytest.raises(ConfigurationError, match="R: ") as caught:
        require_possible(loaded)
    assert "--anyway" in str(caught.value.hint)
    require_possible(loaded, anyway=True)


@pytest.mark.parametrize(
    "schedule",
    [
        paced(59),
        paced(72, stages=[60, 72]),
        {**SEQUENTIAL, "samples": 65},
        {**SEQUENTIAL, "stages": [20, 120]},
    ],
)
def test_what_could_pass_is_not(tmp_path, schedule):
    require_possible(rig(tmp_path, schedule))


def test_a_maximum_or_a_mean_alone_is_no_refusal(tmp_path):
    of = {"id": "M", "scenario": "command", "limit": 50, "unit": "ms"}
    largest, mean = {**of, "statistic": "max"}, {**of, "id": "E", "statistic": "mean"}
    found = prospects(rig(tmp_path, paced(20), largest, mean))
    assert [each.refusal for each in found] == [None, None]
    assert [each.rows for each in found] == [(), ()]
    assert "never passes" in " ".join(found[0].notes) and "scatter" in " ".join(found[1].notes)


def test_shares_are_planned_too(tmp_path):
    lost = {"id": "L", "scenario": "command", "quantity": "loss_rate", "limit": 5, "unit": "%"}
    within = {"id": "W", "scenario": "command", "quantity": "ratio", "within_ms": 50, "limit": 0.95}
    found = prospects(rig(tmp_path, paced(100), lost, within))
    assert [each.share for each in found] == [pytest.approx(0.05), pytest.approx(0.05)]
    assert [each.rows[0].samples for each in found] == [59, 59]


def test_chances_are_not_rounded_to_certainty():
    assert [percent(x) for x in (0.0, 1.0, 0.915, 0.9999, 0.0001)] == [
        "0 %",
        "100 %",
        "91.5 %",
        "> 99.9 %",
        "< 0.1 %",
    ]


@pytest.mark.parametrize(
    ("schedule", "status"), [(SEQUENTIAL, 0), (paced(99000, stages=[9000, 99000]), 0), (paced(10), 2)]
)
def test_the_command_fits_80_columns_and_speaks_json(tmp_path, monkeypatch, schedule, status):
    monkeypatch.setenv("COLUMNS", "80")
    file = rig_file(tmp_path, {"scenarios.command.schedule": schedule, "requirements": [P95]})
    shown = CliRunner().invoke(cli, ["plan", str(file)], standalone_mode=False)
    assert shown.exception is None and shown.return_value == status
    assert max(len(line.rstrip()) for line in shown.output.splitlines()) <= 80
    assert "p95 latency at most 50 ms" in shown.output and "INCONCL." in shown.output
    assert "\u2026" not in shown.output  # nothing is cut off
    told = CliRunner().invoke(cli, ["plan", str(file), "--json"], standalone_mode=False)
    (each,) = json.loads(told.output)["requirements"]
    assert (each["id"], each["samples"], bool(each["refusal"])) == ("R", schedule["samples"], status == 2)


def test_run_refuses_before_anything_is_made(tmp_path):
    file = rig_file(tmp_path, {"scenarios.command.schedule": paced(30), "requirements": [P95]})
    told = CliRunner().invoke(cli, ["run", str(file), "--out", str(tmp_path / "out")], standalone_mode=False)
    assert isinstance(told.exception, ConfigurationError) and told.exception.exit_status == 2
    assert "R: 30 samples cannot pass" in str(told.exception)
    assert not (tmp_path / "out").exists()


def test_a_rate_above_that_of_the_stimuli_is_refused(tmp_path):
    asked = {"id": "A", "scenario": "command", "quantity": "rate_hz", "limit": 100}
    (each,) = prospects(rig(tmp_path, paced(500), asked))
    assert "100 Hz" in (each.refusal or "") and "rate_hz" in (each.refusal or "")
    assert prospects(rig(tmp_path, paced(500), {**asked, "limit": 99}))[0].refusal is None
    assert prospects(rig(tmp_path, paced(500), {**asked, "limit_is": "upper"}))[0].refusal is None
    fixed = {**SEQUENTIAL, "stopping": "fixed"}
    # quiet 20, dwell at least 10: 33 a second at most.
    assert "33.3333 Hz" in (prospects(rig(tmp_path, fixed, {**asked, "limit": 40}))[0].refusal or "")
    assert prospects(rig(tmp_path, fixed, {**asked, "limit": 30}))[0].refusal is None


def test_a_run_that_never_passes_is_named(tmp_path):
    largest = {"id": "M", "scenario": "command", "statistic": "max", "limit": 50, "unit": "ms"}
    told = rig(tmp_path, paced(1000), {**P95, "id": "Q"}, largest)
    assert "M asks for a maximum" in never_passes(told) and "Q" not in never_passes(told).split("maximum")[0]
    assert [(each.name, each.severity) for each in plan_findings(told)] == [("plan", Severity.WARNING)]
    assert never_passes(rig(tmp_path, paced(1000))) == "" and plan_findings(rig(tmp_path, paced(1000))) == []
    (short,) = plan_findings(rig(tmp_path, paced(10)))
    assert short.severity is Severity.ERROR and "--anyway" in short.remedy
    file = rig_file(tmp_path, {"scenarios.command.schedule": paced(1000), "requirements": [P95, largest]})
    shown = CliRunner().invoke(cli, ["plan", str(file)], standalone_mode=False)
    assert "never ends in PASS" in " ".join(shown.output.split()) and shown.return_value == 0


def test_a_lower_limit_is_planned_below_it(tmp_path):
    lower = {**P95, "quantile": 0.05, "limit": 1, "limit_is": "lower"}
    file = rig_file(tmp_path, {"scenarios.command.schedule": paced(1000), "requirements": [lower]})
    shown = CliRunner().invoke(cli, ["plan", str(file)], standalone_mode=False)
    assert "5 % may be below the limit" in shown.output and "over the limit" not in shown.output
    shared = rig(tmp_path, paced(1000), P95, {**P95, "id": "S"}, family_wise=True)
    assert prospects(shared)[0].what.endswith("97.5 % each (95 % over the 2) confidence")


SIGNAL = """\
rig: {name: signal, simulated: true}
devices:
  robot:
    adapter: loopback
    signal_hz: 200
    ports:
      command: {stimulus: {key: sequence, values: {value: {alternate: [0.5, -0.5]}}}}
      speed: {response: {of: command, match: {kind: onset, rest_ms: 100, threshold: 0.1}}}
scenarios:
  step:
    kind: command_round_trip
    stimulus: robot.command
    response: robot.speed
    timeout_ms: 200
    probing: {consecutive: 4, rate_hz: 20}
    schedule: {kind: trials, samples: 60, quiet_ms: 80, dwell_ms: [40, 60], follow_ms: 45, warmup: 2}
requirements:
  - {id: STEP, scenario: step, quantile: 0.9, limit: 25}
"""


def test_a_signal_is_followed_after_its_onset_and_before_that_there_are_probes_and_a_warm_up():
    (each,) = prospects(rig_from_text(SIGNAL, "x.yaml"))
    # quiet 80, dwell 50 in the mean, an answer after 25, followed for 45.
    assert each.rate_hz == pytest.approx(1000 / 200)
    assert each.minutes == pytest.approx(60 * 0.2 / 60)
    # A probe: quiet 80, rest_ms 100 at least, 25, 45; then two trials.
    assert each.before_s == pytest.approx(4 * 0.25 + 2 * 0.2)
    assert any("and follow_ms" in note for note in each.notes)


def test_a_robot_that_is_never_at_rest_is_not_waited_for():
    hovering = SIGNAL.replace("quiet_ms: 80, dwell_ms: [40, 60]", "rest: none, dwell_ms: [100, 140]")
    (each,) = prospects(rig_from_text(hovering, "x.yaml"))
    assert each.rate_hz == pytest.approx(1000 / (120 + 25 + 45))


def test_before_a_paced_schedule_are_probes_and_its_warm_up(tmp_path):
    told = {"scenarios.command.probing": {"consecutive": 8, "rate_hz": 10}}
    (each,) = prospects(rig(tmp_path, paced(1000, warmup_s=3.0), **told))
    assert each.before_s == pytest.approx(3.0 + 8 / 10)
    told = {"scenarios.command.probing": {"consecutive": 8, "rate_hz": 100}}
    (each,) = prospects(rig(tmp_path, paced(1000, warmup_s=3.0), **told))
    assert each.before_s == pytest.approx(3.0 + 8 * 0.05)  # each waits for its answer
