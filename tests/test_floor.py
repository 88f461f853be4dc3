"""The harness's own floor: what is planned, where it lies in a run, and that its failure costs no run."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import RIG, people, rig_file, run_here, until

from harness import floor, proctable
from harness.adapters.loopback.device import LoopbackDevice
from harness.adapters.loopback.options import Options
from harness.config import load_rig
from harness.config.twin import FloorTwin
from harness.errors import UnavailableError
from harness.folder import RunFolder
from harness.model import FLOOR_SCENARIOS, NO_STAMP, StimulusFlag
from harness.progress import Watch

BEFORE, AFTER = FLOOR_SCENARIOS, FLOOR_SCENARIOS + 1
FLOOR = {"host.floor_s": 0.1}


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


def planned(folder: Path, changes: dict[str, Any]) -> list[floor.FloorPlan]:
    return floor.plan(load_rig(rig_file(folder, changes)).rig)


def measured(rows: Any, scenario: int) -> Any:
    not_counted = StimulusFlag.PROBE | StimulusFlag.WARM_UP
    return rows[(rows["scenario"] == scenario) & ((rows["flags"] & not_counted) == 0)]


def sent_to(rows: Any, scenario: int) -> int:
    return int(((rows["scenario"] == scenario) & (rows["sent_ns"] != NO_STAMP)).sum())


# --- the plan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantile", "floor_s", "samples"),
    [
        (0.5, 10.0, 20),  # at least
        (0.99, 10.0, 550),  # 1.1 x 10 / p0, half of it in each phase
        (0.999, 60.0, 5500),
        (0.999, 2.0, 1000),  # no more than fits: 2 s at 500 Hz
        (0.5, 0.02, 10),
    ],
)
def test_samples_of_a_phase(tmp_path, quantile, floor_s, samples):
    requirement = {"id": "R", "scenario": "command", "quantile": quantile, "limit": 1000}
    (plan,) = planned(tmp_path, {"requirements": [requirement], "host.floor_s": floor_s})
    assert plan.samples == samples
    assert (plan.rate_hz, plan.timeout_ms) == (500, 2000)
    assert plan.port == "_floor_command.answer"


def test_without_time_there_is_none(tmp_path):
    assert planned(tmp_path, {"host.floor_s": 0}) == []


def scenario(**changes: Any) -> dict[str, Any]:
    return {**RIG["scenarios"]["command"], **changes}


def test_scenarios_of_equal_twin_and_rate_share_one_and_all_share_the_time(tmp_path):
    slow = {"kind": "paced", "rate_hz": 100, "samples": 20}
    changes = {
        "scenarios.second": scenario(timeout_ms=3000.0),
        "scenarios.slow": scenario(schedule=slow),
        "host.floor_s": 1.0,
    }
    shared, other = planned(tmp_path, changes)
    assert (shared.scenarios, shared.timeout_ms) == (("command", "second"), 3000)
    assert (other.name, other.scenarios, other.rate_hz) == ("_floor_slow", ("slow",), 100)
    assert (shared.samples, other.samples) == (83, 83)  # of 550 each, which take 6.6 s


def test_trials_are_measured_at_about_their_own_rate(tmp_path):
    trials = {"kind": "trials", "samples": 5, "quiet_ms": 20.0, "dwell_ms": [10.0, 50.0]}
    (plan,) = planned(tmp_path, {"scenarios.command.schedule": trials, **FLOOR})
    assert plan.rate_hz == 20
    trials |= {"quiet_ms": 1.0, "dwell_ms": [1.0, 2.0]}
    (plan,) = planned(tmp_path, {"scenarios.command.schedule": trials, **FLOOR})
    assert plan.rate_hz == floor.TRIALS_RATE_HZ


def test_ports_of_two_devices_have_the_loopback_for_a_twin(tmp_path):
    loaded = load_rig(rig_file(tmp_path, {"devices.other": RIG["devices"]["robot"], **FLOOR}))
    spec = loaded.rig.scenarios["command"]
    assert floor.twin_of(loaded.rig, spec.model_copy(update={"response": "other.applied"})) == (
        FloorTwin.loopback()
    )
    Options.model_validate(FloorTwin.loopback().options)


@pytest.mark.parametrize(("key", "kind"), [("stamp", "stamp"), ("none", "order"), ("sequence", "order")])
def test_the_loopback_twin_is_the_same_without_misbehaviour(key, kind):
    options = Options.model_validate(
        {
            "adapter": "loopback",
            "payload_bytes": 512,
            "echo": "thread",
            "received_clock": "monotonic",
            "delay_ms": 5.0,
            "drop_every": 3,
            "clock_offset_ms": 7.0,
            "ports": {
                "go": {"stimulus": {"key": key, "values": {"value": {"alternate": [1.0, 2.0]}}}},
                "went": {"response": {"of": "go", "match": {"kind": kind}}},
            },
        }
    )
    found = options.floor_twin("go", "went")
    twin = Options.model_validate(found.options)
    assert (twin.payload_bytes, twin.echo, twin.received_clock) == (512, "thread", "monotonic")
    assert (twin.delay_ms, twin.drop_every, twin.clock_offset_ms) == (0, 0, 0)
    assert twin.ports["command"].stimulus == options.ports["go"].stimulus
    assert twin.ports["answer"].response.match.kind == kind
    assert found.message_bytes == 512
    assert found == options.floor_twin("go", "went")


# --- in a run -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_lies_before_the_first_step_and_after_the_safe_stop(tmp_path):
    run = run_here(tmp_path, {**FLOOR, "setup": [{"sleep_s": 0.001}]})
    assert run.outcome.error is None
    (entry,) = run.run["floors"]
    assert (entry["name"], entry["port"]) == ("_floor_command", "_floor_command.answer")
    assert (entry["before"], entry["after"], entry["scenarios"]) == (BEFORE, AFTER, ["command"])
    assert (entry["rate_hz"], entry["message_bytes"], entry["timeout_ms"]) == (500, 64, 2000)
    assert entry["match"]["kind"] == "sequence"
    assert run.run["ports"][entry["port"]]["received_is"]
    rows = run.all_stimuli
    before, rig, after = (measured(rows, number) for number in (BEFORE, 0, AFTER))
    assert (len(before), len(rig), len(after)) == (20, 200, 20)
    for number in (BEFORE, AFTER):
        flags = rows["flags"][rows["scenario"] == number]
        assert ((flags & StimulusFlag.WARM_UP) != 0).sum() == 50
        assert ((flags & StimulusFlag.PROBE) != 0).sum() >= 10
    (step,), stops = run.event("step"), run.event("safe_stop")
    assert rows["intended_ns"][rows["scenario"] == BEFORE].max() < step["t_ns"] < rig["intended_ns"].min()
    assert len(stops) == 2
    assert rig["intended_ns"].max() < stops[0]["t_ns"] < rows["intended_ns"][rows["scenario"] == AFTER].min()
    seen = RunFolder.open(run.folder).observations()[entry["port"]]
    floor_rows = rows[rows["scenario"] >= FLOOR_SCENARIOS]
    sent = floor_rows["key"][floor_rows["sent_ns"] != NO_STAMP]
    assert len(set(sent.tolist())) == len(sent)  # no key twice, though two phases
    assert set(sent.tolist()) == set(seen["key"].tolist())
    assert len(run.robot_did("command")) == sent_to(rows, 0)
    (scenario_record,) = run.run["scenarios"]
    assert rig["sent_ns"].max() < scenario_record["ended_ns"] < stops[0]["t_ns"]
    assert [f for f in run.run["findings"] if f["name"] == "floor"] == []
    phases = [e["name"] for e in run.event("phase")]
    assert phases.index("floor before") < phases.index("set-up") < phases.index("floor after")
    run.assert_stopped()


def findings(run: Any) -> list[dict[str, Any]]:
    return [each for each in run.run["findings"] if each["name"] == "floor"]


def echoes(run_id: str) -> list[int]:
    """The loopback robots of a run, the newest last: that of the twin is started after the rig's."""
    members = [
        entry
        for entry in sorted(proctable.run_members(run_id), key=lambda entry: entry.started)
        if b"loopback_robot" in Path(f"/proc/{entry.pid}/cmdline").read_bytes()
    ]
    return [entry.pid for entry in members]


def when(folder: RunFolder, holds: Any, act: Any) -> None:
    """Do something from another thread once ``holds(events)``."""

    def watch() -> None:
        until(lambda: holds(folder.events()), "the event")
        act(folder)

    threading.Thread(target=watch, daemon=True).start()


@pytest.mark.slow
def test_an_echo_that_dies_mid_run_leaves_the_run_whole(tmp_path):
    killed: list[int] = []

    def kill(folder: RunFolder) -> None:
        killed.append(echoes(folder.run_id)[-1])
        os.kill(killed[0], signal.SIGKILL)

    def on_folder(folder: RunFolder) -> None:
        when(folder, lambda events: any(e.get("name") == "measuring" for e in events), kill)

    changes = {**FLOOR, "scenarios.command.schedule.samples": 500}
    run = run_here(tmp_path, changes, on_folder=on_folder, report=True)
    assert killed
    assert run.run["status"] == "finished"
    assert (run.run["floors"][0]["before"], run.run["floors"][0]["after"]) == (BEFORE, None)
    assert len(measured(run.all_stimuli, 0)) == 500
    assert any("after the run" in each["message"] for each in findings(run))
    assert {each["severity"] for each in findings(run)} == {"warning"}
    run.assert_whole()
    run.assert_stopped()


@pytest.mark.slow
def test_an_echo_that_does_not_start_is_a_finding(tmp_path, monkeypatch):
    opened = LoopbackDevice.open

    def open_(self: LoopbackDevice) -> None:
        if self.name.startswith("_floor"):
            raise UnavailableError("no echo today", hint="come back tomorrow")
        opened(self)

    monkeypatch.setattr(LoopbackDevice, "open", open_)
    run = run_here(tmp_path, FLOOR)
    (finding,) = findings(run)
    assert "no echo today" in finding["message"]
    assert (finding["severity"], finding["remedy"]) == ("warning", "come back tomorrow")
    assert (run.run["status"], run.run["floors"]) == ("finished", [])
    assert len(run.event("safe_stop")) == 1
    assert sent_to(run.all_stimuli, 0) == len(run.robot_did("command"))
    assert set(run.all_stimuli["scenario"].tolist()) == {0}


@pytest.mark.slow
def test_the_rig_s_own_trouble_is_no_trouble_of_the_floor(tmp_path):
    """The robot dies while the floor is measured before the run: that ends the run."""

    def kill(folder: RunFolder) -> None:
        os.kill(echoes(folder.run_id)[0], signal.SIGKILL)

    def on_folder(folder: RunFolder) -> None:
        when(folder, lambda events: any(e.get("name") == "floor before" for e in events), kill)

    changes = {
        "host.floor_s": 20,
        "requirements": [{"id": "R", "scenario": "command", "quantile": 0.9999, "limit": 9}],
    }
    run = run_here(tmp_path, changes, on_folder=on_folder)
    assert "robot" in run.assert_aborted("device")
    assert not len(measured(run.all_stimuli, 0))


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "number"), [("before", BEFORE), ("after", AFTER)])
def test_ctrl_c_ends_the_run_in_the_safe_stop(tmp_path, phase, number):
    def on_folder(folder: RunFolder) -> None:
        def begun(events: Any) -> bool:
            return any(e.get("name") == f"floor {phase}" for e in events) and bool(
                (RunFolder.open(folder.path).stimuli()["scenario"] == number).sum() > 30
            )

        when(folder, begun, lambda folder: os.kill(os.getpid(), signal.SIGINT))

    # Long phases, so that the signal falls into them.
    changes = {
        "host.floor_s": 20,
        "requirements": [{"id": "R", "scenario": "command", "quantile": 0.9999, "limit": 9}],
    }
    if phase == "after":
        changes["host.floor_s"] = 3
    run = run_here(tmp_path, changes, on_folder=on_folder)
    assert "SIGINT" in run.assert_aborted("interrupt")
    assert run.event("safe_stop")
    (entry,) = run.run["floors"]
    assert entry[phase] is None
    assert not people(run.folder.name)


@pytest.mark.slow
def test_progress_does_not_count_it(tmp_path):
    run = run_here(tmp_path, FLOOR)
    folder = RunFolder.open(run.folder)
    assert folder.stimuli()["scenario"][-1] == AFTER
    figures = Watch(folder).look()
    assert (figures.due, figures.planned) == (0, 0)
