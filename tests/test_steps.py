"""Set-up, reset and tear-down steps: send, wait for, call, ask, sleep."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import RIG, Ran, assert_stopped, run_here, try_run

from harness.config.schema import AskStep, CallStep, SendStep, SleepStep, WaitStep
from harness.errors import ConfigurationError
from harness.steps import describe

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


def stepped(folder: Path, *steps: dict[str, Any], **more: Any) -> Ran:
    """A short run with these set-up steps."""
    return run_here(folder, {"scenarios.command.schedule.samples": 20, "setup": list(steps)}, **more)


def refused(folder: Path, *steps: dict[str, Any], **more: Any) -> str:
    """Why the step ended the run; nothing was measured and the robot was stopped."""
    ran = stepped(folder, *steps, **more)
    reason = ran.assert_aborted("device")
    assert len(ran.stimuli) == 0
    assert_stopped(ran.robot)
    return reason


def test_steps_are_done_in_order_and_recorded(tmp_path):
    note = tmp_path / "note"
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return True

    steps = [
        {"send": "robot.command", "values": {"value": 0.25}},
        {"wait_for": "robot.applied", "at_least": 0.2, "at_most": 0.3},
        {"call": ["sh", "-c", f"echo called > '{note}'"]},
        {"ask": "Is the payload mounted"},
        {"sleep_s": 0.05},
    ]
    # A wait counts what is seen from its beginning on: the robot answers a little later.
    ran = run_here(
        tmp_path,
        {
            "devices.robot.delay_ms": 300.0,
            "scenarios.command.schedule.samples": 20,
            "setup": steps,
            "reset": [{"send": "robot.command", "values": {"value": 0.125}}],
            "teardown": [{"call": ["sh", "-c", f"echo torn down >> '{note}'"]}],
        },
        ask=ask,
    )
    assert ran.outcome.error is None
    assert note.read_text() == "called\ntorn down\n"
    assert asked == ["Is the payload mounted"]
    assert [e["where"] for e in ran.event("step")] == [
        *(f"setup[{number}]" for number in range(5)),
        "reset[0]",
        "teardown[0]",
    ]
    values = [line["value"] for line in ran.robot_did("command")]
    assert values[:2] == [0.25, 0.125]
    order = [e["event"] if e["event"] != "phase" else e["name"] for e in ran.events]
    assert order.index("set-up") < order.index("step") < order.index("probing")
    assert order.index("safe_stop") < order.index("tear-down") < order.index("ended")
    # What steps sent is no stimulus of a scenario.
    assert len(ran.stimuli) == 3 + 10 + 20


def test_sending_beyond_a_limit_is_refused_before_anything_is_started(tmp_path):
    step = {"send": "robot.command", "values": {"value": 3.0}}
    error = try_run(tmp_path, {"setup": [step]})
    assert isinstance(error, ConfigurationError)
    assert "limit" in str(error) and "setup[0]" in str(error)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"wait_for": "robot.applied", "timeout_s": 0.2}, "nothing was observed"),
        ({"call": ["sh", "-c", "echo no wrench; exit 3"]}, "status 3: no wrench"),
        ({"call": ["no-such-program"]}, "'no-such-program' cannot be started"),
        ({"call": ["sleep", "60"], "timeout_s": 0.2}, "did not end within 0.2 s"),
        ({"ask": "Is the payload mounted"}, "an operator has to answer"),
    ],
    ids=["wait", "fails", "missing", "timeout", "nobody"],
)
def test_a_step_that_fails_ends_the_run_and_names_itself(tmp_path, step, says):
    reason = refused(tmp_path, {"sleep_s": 0.01}, step)
    assert says in reason, reason
    assert "setup[1]" in reason


@pytest.mark.parametrize(("bound", "value"), [("at_least", 0.9), ("at_most", -0.9)])
def test_waiting_for_a_value_out_of_bounds_tells_the_last_one(tmp_path, bound, value):
    ran = run_here(
        tmp_path,
        {
            "devices.robot.delay_ms": 200.0,
            "setup": [
                {"send": "robot.command", "values": {"value": 0.25}},
                {"wait_for": "robot.applied", bound: value, "timeout_s": 2.0},
            ],
        },
    )
    reason = ran.assert_aborted("device")
    assert "the last value was 0.25" in reason, reason
    assert "setup[1]" in reason and f"{value:g}" in reason


def test_an_operator_who_does_not_confirm_ends_the_run(tmp_path):
    assert "did not confirm: Is it" in refused(tmp_path, {"ask": "Is it"}, ask=lambda question: False)


def test_an_operator_who_does_not_answer_ends_the_run_after_the_timeout(tmp_path):
    release = threading.Event()
    try:
        reason = refused(tmp_path, {"ask": "Is it", "timeout_s": 0.3}, ask=lambda question: release.wait(60))
    finally:
        release.set()
    assert "nobody answered within 0.3 s" in reason


@pytest.mark.parametrize("slow", ["call", "ask"])
def test_house_is_kept_during_a_long_step(tmp_path, slow):
    """A robot that dies meanwhile is noticed at once, not at the end of the step."""
    code = "import time; print('up', flush=True); time.sleep(1.0); raise SystemExit(5)"
    step: dict[str, Any] = {"call": ["sleep", "100"], "timeout_s": 200.0}
    release = threading.Event()
    if slow == "ask":
        step = {"ask": "Is it"}
    begun = time.monotonic()
    try:
        ran = run_here(
            tmp_path,
            {
                "processes.base": {"command": ["python", "-c", code], "ready": {"log": "up"}},
                "setup": [step],
            },
            ask=lambda question: release.wait(100),
        )
    finally:
        release.set()
    assert "process 'base' ended by itself (exit status 5)" in ran.assert_aborted("device")
    assert time.monotonic() - begun < 60


def test_a_tear_down_step_that_fails_is_noted_and_the_verdict_stands(tmp_path):
    ran = run_here(
        tmp_path,
        {"scenarios.command.schedule.samples": 20, "teardown": [{"call": ["sh", "-c", "exit 7"]}]},
    )
    assert ran.run["status"] == "finished"
    (finding,) = [each for each in ran.run["findings"] if each["name"] == "tear-down"]
    assert finding["severity"] == "warning" and "status 7" in finding["message"]


def test_tear_down_steps_are_done_after_an_abort_too(tmp_path):
    note = tmp_path / "note"
    ran = run_here(
        tmp_path,
        {"devices.robot.die_after": 20, "teardown": [{"call": ["sh", "-c", f"echo done > '{note}'"]}]},
    )
    ran.assert_aborted("device")
    assert note.read_text() == "done\n"


def test_reset_steps_come_before_every_scenario(tmp_path):
    ran = run_here(
        tmp_path,
        {
            "scenarios.command.schedule.samples": 20,
            "scenarios.second": {
                **RIG["scenarios"]["command"],
                "schedule": {"kind": "paced", "rate_hz": 500, "samples": 20, "warmup_s": 0},
            },
            "reset": [{"sleep_s": 0.01}],
        },
    )
    order = [(e["event"], e.get("where") or e.get("scenario")) for e in ran.events]
    resets = [number for number, each in enumerate(order) if each == ("step", "reset[0]")]
    first, second = order.index(("probed", "command")), order.index(("probed", "second"))
    assert len(resets) == 2
    assert resets[0] < first < resets[1] < second


def test_steps_are_described_in_a_line():
    told = [
        describe(SendStep(send="robot.cmd", values={"x": 1.0})),
        describe(WaitStep(wait_for="robot.x", at_least=1.0, at_most=2.0)),
        describe(CallStep(call=["ls", "-l"])),
        describe(SleepStep(sleep_s=2.0)),
        describe(AskStep(ask="Ready")),
    ]
    assert told == [
        "send robot.cmd x = 1.0",
        "wait for robot.x >= 1 and <= 2 (at most 10 s)",
        "run ls -l",
        "wait 2 s",
        "ask the operator: Ready",
    ]
