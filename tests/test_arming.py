"""Nothing real moves unless somebody said so by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import RIG, lines, rig_file, run_here, try_run

from harness import cli
from harness.arming import movements, require_arming
from harness.config import load_rig
from harness.errors import SafetyError, UnavailableError
from harness.hostcheck import findings_before, require_free_host
from harness.model import Severity
from harness.pace import duration_s

REAL: dict[str, Any] = {"rig.simulated": False, "scenarios.command.schedule.samples": 20}


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))


def asked(answer: bool) -> tuple[list[str], Any]:
    questions: list[str] = []

    def ask(question: str) -> bool:
        questions.append(question)
        return answer

    return questions, ask


def test_a_simulated_rig_needs_nothing(tmp_path):
    rig = load_rig(rig_file(tmp_path)).rig
    questions, ask = asked(False)
    require_arming(rig, armed=False, operator="", ask=ask)
    assert questions == []


@pytest.mark.parametrize(
    ("armed", "operator", "answer", "says"),
    [
        (False, "Ada", True, "--arm"),
        (True, "", True, "--operator"),
        (True, "Ada", None, "--confirm-area-clear"),
        (True, "Ada", False, "Ada did not confirm"),
    ],
)
def test_a_real_rig_is_refused_and_nothing_is_started(tmp_path, armed, operator, answer, says):
    _, ask = asked(bool(answer))
    error = try_run(tmp_path, REAL, armed=armed, operator=operator, confirm=None if answer is None else ask)
    assert isinstance(error, SafetyError)
    assert error.exit_status == 4
    assert says in str(error)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "robot.jsonl").exists()


def test_a_real_rig_does_not_move_for_a_verdict_that_a_busy_host_spoils(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (1e6, 0.0, 0.0))
    questions, ask = asked(True)
    busy = {**REAL, "host.max_load_per_cpu": 1.5}
    error = try_run(tmp_path, busy, armed=True, operator="Ada", confirm=ask, anyway=False)
    assert isinstance(error, UnavailableError) and error.exit_status == 4
    assert "would be INCONCLUSIVE for that reason" in error.message and "--anyway" in str(error.hint)
    assert questions == [] and not (tmp_path / "out").exists()
    # Who is not armed is told that first, and whoever insists gets as far as the question.
    error = try_run(tmp_path, busy, operator="Ada", confirm=ask, anyway=False)
    assert "--arm" in str(error)
    _, no = asked(False)
    error = try_run(tmp_path, busy, armed=True, operator="Ada", confirm=no, anyway=True)
    assert "did not confirm" in str(error)
    rig = load_rig(rig_file(tmp_path, busy)).rig
    assert [one.severity for one in findings_before(rig)] == [Severity.ERROR]
    simulated = load_rig(rig_file(tmp_path, {**busy, "rig.simulated": True})).rig
    assert [one.severity for one in findings_before(simulated)] == [Severity.WARNING]
    require_free_host(simulated)


@pytest.mark.slow
def test_an_armed_and_confirmed_one_runs_and_says_who_answered_for_it(tmp_path):
    questions, ask = asked(True)
    ran = run_here(tmp_path, REAL, armed=True, operator="Ada Example", confirm=ask)
    assert ran.run["operator"] == "Ada Example"
    assert not ran.results.simulated
    assert ran.scenario.sent > 0
    (question,) = questions
    for part in ("REAL", "robot.command", "0.5, -0.5", "|value| <= 1", "Ada Example", "e-stop"):
        assert part in question, question


def test_what_moves_how_far_and_for_how_long_is_told(tmp_path):
    rig = load_rig(rig_file(tmp_path, {"scenarios.command.schedule.samples": 5000})).rig
    (line,) = movements(rig)
    assert "alternate [0.5, -0.5]" in line and "about 10 s" in line and "|value| <= 1" in line
    assert "after each trial" not in line
    trials = {
        "scenarios.command.schedule": {"kind": "trials", "samples": 100, "warmup": 0, "quiet_ms": 400.0},
        "scenarios.command.schedule.dwell_ms": [100.0, 300.0],
    }
    rig = load_rig(rig_file(tmp_path, trials)).rig
    assert 60 <= duration_s(rig, rig.scenarios["command"]) <= 260
    back = {**trials, "scenarios.command.return_values": {"value": 0.25}}
    (line,) = movements(load_rig(rig_file(tmp_path, back)).rig)
    assert "alternate [0.5, -0.5], and after each trial value = 0.25, for about" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--arm"),
        (["--arm"], "--operator"),
        (["--arm", "--operator", "Ada"], "--confirm-area-clear"),
    ],
)
def test_the_command_line_refuses_with_status_4(tmp_path, capsys, arguments, says):
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", str(rig_file(tmp_path, REAL)), "--out", str(tmp_path / "out"), *arguments])
    assert ended.value.code == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_confirmed_area_answers_no_other_question(tmp_path, capsys):
    changes = {**REAL, "setup": [{"ask": "Is the payload mounted"}]}
    arguments = ["--arm", "--operator", "Ada", "--confirm-area-clear", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", str(rig_file(tmp_path, changes)), "--out", str(tmp_path / "out"), *arguments])
    assert ended.value.code == 4
    assert "an operator has to answer" in capsys.readouterr().err
    assert "command" not in [line["event"] for line in lines(tmp_path / "robot.jsonl")]


def test_the_rig_of_these_tests_would_move(tmp_path):
    assert RIG["rig"]["simulated"] is True
    assert load_rig(rig_file(tmp_path, REAL)).rig.rig.simulated is False
