"""The node as a robotics team meets it: a program beside other programs, asked by services."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from node_bench import Bench, counted, events, lost, rig_file, run_json

from harness import proctable

pytestmark = [pytest.mark.slow, pytest.mark.ros]


@pytest.fixture
def bench(ros_domain: int, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, ros_domain)
    yield made
    made.close()


def measuring(bench: Bench) -> bool:
    return int(bench.last()["done"]) > 0


def same(one: float, other: float) -> bool:
    return (math.isnan(one) and not math.isfinite(other)) or math.isclose(one, other, abs_tol=1e-6)  # ms


def test_a_run_by_service(bench: Bench) -> None:
    bench.start_node(rig_file(bench.folder))
    bench.start_client()
    assert bench.last()["phase"] == "idle"
    started = bench.ask("call", "start")
    assert started["success"], started
    folder = bench.run_folder()
    assert started["message"] == f"run folder: {folder}"
    again = bench.ask("call", "start")
    assert not again["success"]
    assert "a run is going on" in again["message"]
    bench.until(lambda: bench.last()["verdict"], "a verdict")

    rows = counted(folder)
    assert len(rows) == 300
    assert any(map(lost, rows))
    bench.until(lambda: bench.ask("counts")["latencies"] >= len(rows), "every sample")
    state = bench.ask("state")
    assert len(state["latencies"]) == len(rows)
    for (_, scenario, latency, lateness, intent), row in zip(state["latencies"], rows, strict=True):
        assert scenario == row["scenario_name"] == "command"
        assert math.isnan(latency) == (lost(row) or row["sent_ns"] < 0)
        assert same(latency, math.inf if lost(row) else row["latency_ms"])
        assert same(intent, math.inf if lost(row) else row["latency_from_intent_ms"])
        assert same(lateness, row["lateness_ms"])
    stamps = [stamp for stamp, *_ in state["latencies"]]
    assert sorted(stamps) == stamps

    shown = state["statuses"]
    assert {each["level"] for each in shown} <= {0, 1, 2}
    phases = list(dict.fromkeys(each["phase"] for each in shown))
    assert phases[0] == "idle" and phases[-1] == "finished"
    # Which of the phases between are met is a matter of chance, tests/test_progress.py has their words.
    assert len(phases) > 2
    last = shown[-1]
    verdict = json.loads((folder / "results.json").read_text())["verdict"]
    assert last["verdict"] == verdict
    assert last["level"] == {"PASS": 0, "INCONCLUSIVE": 1}.get(verdict, 2)
    assert last["message"] == f"{verdict}, finished"
    assert last["done"] == last["planned"] == "300"
    assert last["lost"] == str(sum(map(lost, rows)))
    assert last["latency p99 [ms]"] == "inf"
    assert 0 < float(last["latency p50 [ms]"]) < 500
    assert last["requirement LOOP-RTT"].startswith(verdict)
    assert last["run folder"] == str(folder)
    assert not bench.ask("call", "stop")["success"]


@pytest.mark.parametrize(
    ("service", "words"), [("stop", "aborted, verdict "), ("abort", "the report is being written")]
)
def test_both_ways_to_end_a_run_begin_with_the_safe_stop(bench: Bench, service: str, words: str) -> None:
    bench.start_node(rig_file(bench.folder, samples=50_000))
    bench.start_client()
    assert bench.ask("call", "start")["success"]
    bench.until(lambda: measuring(bench), "samples")
    folder = bench.run_folder()
    done = bench.ask("call", service)
    assert done["success"], done
    assert "safe stop done: robot" in done["message"]
    assert words in done["message"]
    stops = [each for each in events(folder) if each["event"] == "safe_stop"]
    assert stops and not stops[-1]["failures"]
    bench.until(lambda: bench.last()["phase"] == "aborted", "the end")
    assert run_json(folder)["status"] == "aborted"
    assert run_json(folder)["abort_kind"] == "interrupt"
    assert (folder / "report.pdf").is_file()
    rows = counted(folder)
    assert 0 < len(rows) < 50_000
    bench.until(lambda: bench.ask("counts")["latencies"] >= len(rows), "every sample")
    assert bench.ask("counts")["latencies"] == len(rows)
    assert not bench.ask("call", service)["success"]
    assert bench.ask("call", "start")["success"]


def test_a_run_that_does_not_react_is_left_to_the_guardian(bench: Bench) -> None:
    bench.start_node(rig_file(bench.folder, samples=50_000), abort_patience_s=2.0)
    bench.start_client()
    assert bench.ask("call", "start")["success"]
    bench.until(lambda: measuring(bench), "samples")
    folder = bench.run_folder()
    (run,) = [each for each in psutil.Process(bench.node.pid).children() if "run" in each.cmdline()]
    run.send_signal(signal.SIGSTOP)
    done = bench.ask("call", "abort")
    assert "the run was killed" in done["message"]
    assert "the guardian acted" in done["message"] and "device stopped robot" in done["message"]
    assert done["success"]
    bench.until(lambda: bench.last()["phase"] == "killed", "the end")
    last = bench.last()
    assert last["verdict"] == "ERROR" and last["level"] == 2
    assert "harness recover" in last["error"]
    assert run_json(folder)["status"] == "running"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_node_that_goes_leaves_no_run_behind(bench: Bench, number: signal.Signals) -> None:
    bench.start_node(rig_file(bench.folder, samples=50_000), autostart="true")
    bench.start_client()
    bench.until(lambda: measuring(bench), "samples")
    folder = bench.run_folder()
    bench.node.send_signal(number)
    assert bench.node.wait(60) == (-9 if number == signal.SIGKILL else 0)
    bench.until(lambda: run_json(folder)["status"] != "running", "the end of the run")
    assert run_json(folder)["abort_kind"] == "interrupt"
    assert any(each["event"] == "safe_stop" for each in events(folder))
    bench.until(lambda: not proctable.run_members(run_json(folder)["run_id"]), "no process of the run")


def test_parameters_mirror_the_command_line_and_refuse_what_is_wrong(bench: Bench) -> None:
    rig_file(bench.folder, "real-rig", simulated=False)
    remapped = ("-r", "__ns:=/lab", "-r", "~/latency:=/plotted")
    bench.start_node(rig_file(bench.folder), *remapped)
    bench.start_client("/lab/harness", "/plotted")
    for name, value, reason in (
        ("rig", "nosuch", "there is no rig 'nosuch'"),
        ("set", ["no.such=1"], "no.such"),
        ("set", ["nonsense"], "no KEY=VALUE"),
        ("scenario", ["hover"], "has no 'hover'"),
        ("samples", -1, "samples"),
        ("samples", "many", "type"),
        ("arm", True, "read-only"),
        ("out", "", "out: is empty"),
    ):
        result = bench.ask("set", name, value)
        assert not result["successful"], name
        assert reason in result["reason"], (name, result)
    for name in ("rig", "samples", "out", "operator", "set", "arm", "confirm", "anyway", "quiet"):
        assert bench.ask("describe", name)["description"]
    assert bench.ask("describe", "arm")["read_only"]

    # A real rig that nobody armed: the run itself says no, and why.
    assert bench.ask("set", "rig", str(bench.folder / "real-rig.yaml"))["successful"]
    assert bench.ask("set", "confirm", True)["successful"]
    refused = bench.ask("call", "start")
    assert not refused["success"]
    assert "'real-rig' is real: it moves a robot" in refused["message"]
    bench.until(lambda: bench.last()["phase"] == "refused", "the refusal in the status")
    assert bench.last()["level"] == 2
    # What was confirmed was confirmed for that one.
    assert bench.ask("get", "confirm") is False

    assert bench.ask("set", "rig", str(bench.folder / "node-rig.yaml"))["successful"]
    assert bench.ask("set", "samples", 40)["successful"]
    assert bench.ask("set", "operator", "Ada")["successful"]
    assert bench.ask("set", "set", ["rig.description=from a parameter"])["successful"]
    assert bench.ask("call", "start")["success"]
    bench.until(lambda: bench.last()["verdict"], "a verdict")
    folder = bench.run_folder()
    run = run_json(folder)
    assert run["operator"] == "Ada"
    assert run["rig"]["resolved"]["rig"]["description"] == "from a parameter"
    bench.until(lambda: bench.ask("counts")["latencies"] >= 40, "every sample")
    assert bench.ask("counts")["latencies"] == len(counted(folder)) == 40


@pytest.mark.parametrize(
    ("rig", "parameter", "words"),
    [
        ("nosuch", "samples:=1", "there is no rig 'nosuch'"),
        ("loopback", "samples:=many", "samples"),
        ("loopback", "set:=['a.b=1']", "a.b"),
    ],
)
def test_a_wrong_start_says_why(bench: Bench, rig: str, parameter: str, words: str) -> None:
    command = [sys.executable, "-m", "harness", "node", rig, "--ros-args", "-p", parameter]
    bench.node = subprocess.Popen(
        command, env=bench.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _, error = bench.node.communicate(timeout=60)
    assert bench.node.returncode == 2, error
    assert words in error
    assert "Traceback" not in error
