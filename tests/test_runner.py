"""A whole run: its order, its record, its schedules and what it leaves."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import RIG, Ran, rig_file, run_here, until

from harness.adapters.loopback.device import LoopbackDevice
from harness.conclude import recover, rerender
from harness.config import load_rig
from harness.errors import OperationError
from harness.model import NO_STAMP, StimulusFlag, Verdict
from harness.runner import RunOptions, run_rig
from harness.testing.leftovers import Leftovers

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, locks: Path) -> Ran:
    """One run that several tests look at."""
    return run_here(tmp_path_factory.mktemp("good"), {"processes.base": base()}, report=True, operator="Ada")


def base(code: str = "import time; print('up', flush=True); time.sleep(300)") -> dict[str, Any]:
    return {"command": ["python", "-c", code], "ready": {"log": "up"}}


# --- a good one -----------------------------------------------------------------------------------------


def test_the_order_of_events(good):
    told = [
        next((str(e[key]) for key in ("scenario", "process", "device") if key in e), "")
        or str(e.get("name", ""))
        for e in good.events
    ]
    events = [
        (e["event"] if e["event"] != "phase" else e["name"], what)
        for e, what in zip(good.events, told, strict=True)
        if e["event"] != "finding"
    ]
    assert events == [
        ("guardian_started", ""),
        ("process_started", "base"),
        ("device_opened", "robot"),
        ("process_ready", "base"),
        ("guardian_ready", ""),
        ("set-up", "set-up"),
        ("probing", "command"),
        ("probed", "command"),
        ("measuring", "command"),
        ("drain", "command"),
        ("measured", "command"),
        ("safe_stop", ""),
        ("tear-down", "tear-down"),
        ("ended", ""),
    ]
    times = [e["t_ns"] for e in good.events]
    assert times == sorted(times)


def test_the_record_says_what_was_run_where_by_whom_and_with_what(good):
    run = good.run
    assert run["status"] == "finished"
    assert (run["abort_reason"], run["abort_kind"]) == (None, None)
    assert run["run_id"] == good.folder.name
    assert run["started"] < run["ended"]
    assert run["operator"] == "Ada"
    assert run["rig"]["resolved"]["rig"]["name"] == "loop"
    assert run["rig"]["text"] == (good.folder.parents[2] / "rig.yaml").read_text()
    assert [clock["name"] for clock in run["clocks"][:2]] == ["host.monotonic", "host.realtime"]
    assert run["scenarios"][0]["variants"] == [{"value": 0.5}, {"value": -0.5}]
    assert run["ports"]["robot.applied"]["received_is"]
    assert run["devices"]["robot"]["identity"]["model"] == "loopback robot"
    assert run["devices"]["robot"]["simulated"] is True
    for name in ("host", "versions", "realtime", "raw_sha256"):
        assert run[name], name
    assert [e["pid"] for e in good.event("process_started")] != []


def test_every_file_of_the_folder_is_there_and_agrees(good):
    good.assert_whole()
    assert good.outcome.results == good.results
    assert good.outcome.verdict is good.results.verdict
    assert good.results.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    rows = good.stimuli
    probes = (rows["flags"] & StimulusFlag.PROBE) != 0
    warm_up = (rows["flags"] & StimulusFlag.WARM_UP) != 0
    assert (probes.sum(), warm_up.sum()) == (good.scenario.probes, good.scenario.warm_up)
    assert warm_up.sum() == 10
    assert good.scenario.scheduled == 200 == (~probes & ~warm_up).sum()
    assert len(np.unique(rows["key"])) == len(rows)
    sent = rows[rows["sent_ns"] != NO_STAMP]
    assert (sent["handed_ns"] >= sent["sent_ns"]).all()
    assert (sent["sent_ns"] >= sent["intended_ns"]).all()


def test_what_the_robot_got_is_what_was_recorded(good):
    rows = good.stimuli
    sent = rows[rows["sent_ns"] != NO_STAMP]
    variants = good.run["scenarios"][0]["variants"]
    planned = [(int(row["key"]), variants[row["variant"]]["value"]) for row in sent]
    assert [(line["key"], line["value"]) for line in good.robot_did("command")] == planned
    good.assert_stopped()
    assert [line["value"] for line in good.robot_did("stop")] == [0.0, 0.0]


def test_rendering_again_gives_the_same_results(good):
    before = (good.folder / "results.json").read_text()
    again = rerender(good.folder)
    assert again.error is None
    assert json.loads((good.folder / "results.json").read_text()) == json.loads(before)
    assert recover(good.folder).verdict is again.verdict  # nothing to recover: the same


# --- schedules --------------------------------------------------------------------------------------------


def test_trials_are_sent_one_at_a_time_from_rest_and_matched_by_order(tmp_path):
    trials = {
        "kind": "trials",
        "samples": 25,
        "stopping": "fixed",
        "warmup": 2,
        "quiet_ms": 5.0,
        "dwell_ms": [3.0, 9.0],
        "seed": 3,
    }
    ran = run_here(
        tmp_path,
        {
            "devices.robot.ports.command.stimulus": {
                "key": "none",
                "values": {"value": {"sequence": [0.1, 0.2]}},
            },
            "devices.robot.ports.applied.response.match": {"kind": "order"},
            "devices.robot.delay_ms": 4.0,
            "scenarios.command.schedule": trials,
        },
    )
    assert ran.outcome.error is None
    assert (ran.scenario.scheduled, ran.scenario.sent, ran.scenario.answered) == (25, 25, 25)
    assert ran.scenario.warm_up == 2
    assert ran.scenario.latency_ms.min >= 4.0
    rows = ran.samples[(ran.samples["stimulus_flags"] & StimulusFlag.PROBE) == 0]
    # Each one after the answer to the one before, and the rest.
    assert (rows["sent_ns"][1:] - rows["seen_ns"][:-1]).min() >= 5_000_000 + 3_000_000
    # A sequence ends with its last value.
    assert [line["value"] for line in ran.robot_did("command")][:4] == [0.1, 0.2, 0.2, 0.2]
    assert {line["key"] for line in ran.robot_did("command")} == {-1}


def test_a_port_that_never_rests_ends_the_trials(tmp_path, monkeypatch):
    """Somebody else has the robot answer all the time."""
    original = LoopbackDevice.open

    def opened(self: LoopbackDevice) -> None:
        original(self)
        stimulus = self.stimulus("command")

        def chatter() -> None:
            with contextlib.suppress(OperationError):  # until the device is closed
                while True:
                    stimulus.send(1 << 40, stimulus.prepare({"value": 0.0}))
                    time.sleep(0.005)

        threading.Thread(target=chatter, daemon=True).start()

    monkeypatch.setattr(LoopbackDevice, "open", opened)
    trials = {"kind": "trials", "samples": 5, "warmup": 0, "quiet_ms": 400.0, "dwell_ms": [1.0, 2.0]}
    ran = run_here(tmp_path, {"scenarios.command.schedule": {**trials, "rest_timeout_s": 1.0}})
    reason = ran.assert_aborted("device")
    assert "never kept quiet for 400 ms within 1 s" in reason, reason
    assert ran.scenario.sent == 0


def test_the_same_seed_gives_the_same_schedule_and_none_gives_a_recorded_one(tmp_path):
    def gaps(name: str, seed: int | None) -> tuple[list[int], int]:
        ran = run_here(
            tmp_path / name,
            {"scenarios.command.schedule.samples": 30, "scenarios.command.schedule.seed": seed},
        )
        rows = ran.stimuli[(ran.stimuli["flags"] & StimulusFlag.PROBE) == 0]
        return np.diff(rows["intended_ns"]).tolist(), ran.run["scenarios"][0]["seed"]

    drawn, seed = gaps("drawn", None)
    again, _ = gaps("again", seed)
    other, _ = gaps("other", seed ^ 1)
    assert drawn == again != other


def test_several_scenarios_are_measured_in_order_and_apart(tmp_path):
    second = {**RIG["scenarios"]["command"], "schedule": {"kind": "paced", "rate_hz": 400, "samples": 40}}
    second["schedule"]["warmup_s"] = 0
    ran = run_here(
        tmp_path,
        {
            "scenarios.command.schedule.samples": 30,
            "scenarios.second": second,
            "requirements": [
                *RIG["requirements"],
                {"id": "S", "scenario": "second", "quantile": 0.5, "limit": 1000},
            ],
        },
    )
    assert [each["name"] for each in ran.run["scenarios"]] == ["command", "second"]
    assert [each.scheduled for each in ran.results.scenarios.values()] == [30, 40]
    rows = ran.stimuli
    assert (np.diff(rows["scenario"]) >= 0).all()
    assert len(np.unique(rows["key"])) == len(rows)
    assert sum(each.unmatched for each in ran.results.scenarios.values()) == 0
    assert {each.id: each.scenario for each in ran.results.requirements} == {"R": "command", "S": "second"}


# --- what is left -----------------------------------------------------------------------------------------


def test_a_run_leaves_no_thread_process_descriptor_nor_handler_behind(tmp_path, locks):
    run_here(tmp_path / "first", {"scenarios.command.schedule.samples": 20})  # imports and caches
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before = Leftovers.now()
    for number, changes in enumerate([{}, {"devices.robot.die_after": 20}, {"devices.robot.delay_ms": 3.0}]):
        run_here(tmp_path / str(number), {"scenarios.command.schedule.samples": 20, **changes})
    until(lambda: not before.new(), f"{before.new()}")
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    # The lock is free: a run by somebody else can have it.
    loaded = load_rig(rig_file(tmp_path / "last", {"scenarios.command.schedule.samples": 20}))
    assert run_rig(loaded, RunOptions(out=tmp_path / "last" / "out", report=False)).error is None
    assert [path.name for path in locks.iterdir()] == ["loop.lock"]


def test_a_run_off_the_main_thread_works_too(tmp_path):
    """As in a ROS 2 node or a test session; signals then keep their meaning."""
    found: list[Ran] = []
    thread = threading.Thread(
        target=lambda: found.append(run_here(tmp_path, {"scenarios.command.schedule.samples": 20}))
    )
    thread.start()
    thread.join(120)
    (ran,) = found
    assert ran.run["status"] == "finished"
    ran.assert_stopped()
