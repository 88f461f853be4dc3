"""A chain of two nodes through real ROS 2: /cmd -> first -> /mid -> second -> /out.

The second one is slow now and then and leaves some messages unanswered: that is where the report has to look.
"""

from __future__ import annotations

import pytest
import yaml
from ros2_bench import TWIST

from harness.config import load_rig
from harness.results import ScenarioResult
from harness.runner import RunOptions, run_rig

pytestmark = [pytest.mark.ros, pytest.mark.slow]

SAMPLES, LATE_MS, LATE_EVERY, DROP_EVERY = 300, 80, 6, 29
ECHO = ["python", "-m", "harness.sim.ros2_echo", "--type", TWIST]


def topic(name: str, **more: object) -> dict[str, object]:
    return {"topic": name, "type": TWIST, **more}


def chain(*second: str) -> dict[str, object]:
    match = {"kind": "stamp", "path": "header.stamp"}
    first = ["--listen", "/cmd", "--answer", "/mid", "--node", "first"]
    last = ["--listen", "/mid", "--answer", "/out", "--node", "second"]
    return {
        "rig": {"name": "chain", "simulated": True},
        "processes": {
            "first": {"command": [*ECHO, *first], "ready": {"publishes": "/mid"}},
            "second": {"command": [*ECHO, *last, *second], "ready": {"publishes": "/out"}},
        },
        "devices": {
            "robot": {
                "adapter": "ros2",
                "domain_id": "auto",
                "discovery": "localhost",
                "limits": {"twist.linear.x": 1.0},
                "stop": {"port": "cmd", "values": {"twist.linear.x": 0.0}, "repeat": 1},
                "ports": {
                    "cmd": {"stimulus": topic("/cmd", key="header.stamp", values={"twist.linear.x": 0.1})},
                    "mid": {"response": topic("/mid", match=match)},
                    "out": {"response": topic("/out", match=match)},
                },
            }
        },
        "scenarios": {
            "command": {
                "kind": "command_round_trip",
                "stimulus": "robot.cmd",
                "response": "robot.out",
                "stages": ["robot.mid"],
                "timeout_ms": 2000,
                "schedule": {"kind": "paced", "rate_hz": 60, "samples": SAMPLES, "warmup_s": 0.1},
                "probing": {"consecutive": 3, "rate_hz": 50, "timeout_s": 40},
            }
        },
        "requirements": [{"id": "R", "scenario": "command", "quantile": 0.9, "limit": 1, "unit": "s"}],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> ScenarioResult:
    folder = tmp_path_factory.mktemp("chain")
    file = folder / "chain.yaml"
    late = ("--late-ms", LATE_MS, "--late-every", LATE_EVERY, "--drop-every", DROP_EVERY)
    file.write_text(yaml.safe_dump(chain(*map(str, late)), sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder))
        outcome = run_rig(load_rig(file), RunOptions(out=folder / "out", report=False, anyway=True))
    assert outcome.results is not None and not outcome.results.aborted
    return outcome.results.scenarios["command"]


def test_the_tail_is_laid_to_the_second_node(measured: ScenarioResult) -> None:
    (slow,) = measured.hops_tail
    assert slow.n == measured.answered + measured.late
    assert slow.slowest == slow.n // 10
    first, second = slow.stages
    assert (first.from_, first.name, second.name) == ("sent", "robot.mid", "robot.out")
    # Every sixth is late by 80 ms, and the slowest tenth is looked at.
    assert second.tail_ms >= LATE_MS
    assert first.share is not None and second.share is not None
    assert first.share + second.share == pytest.approx(1)
    assert second.share > 0.5
    assert second.largest > slow.slowest / 2
    assert "is made by robot.mid → robot.out" in slow.words


def test_what_the_second_node_left_unanswered_was_last_seen_before_it(measured: ScenarioResult) -> None:
    assert measured.sent // DROP_EVERY <= measured.lost - measured.late <= measured.sent // DROP_EVERY + 1
    assert measured.hops_lost == {
        "sent": 0,
        "robot.mid": measured.lost - measured.late,
        "robot.out": measured.late,
    }
    assert "seen at robot.mid and not seen at robot.out" in measured.hops_words[0]


def test_every_answer_is_seen_on_its_way(measured: ScenarioResult) -> None:
    mid, out = measured.hops
    assert (mid.missing, out.missing) == (0, 0)
    assert mid.stage_ms.n == out.stage_ms.n == measured.answered
    assert mid.arrival_is == out.arrival_is == measured.arrival_is
    assert mid.stage_ms.mean is not None and out.stage_ms.mean is not None
    assert mid.stage_ms.mean + out.stage_ms.mean == pytest.approx(measured.latency_ms.mean)
    assert out.since_sent_ms.max == measured.latency_ms.max
