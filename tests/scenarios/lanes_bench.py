"""Rigs whose scenarios are measured at the same time, and short runs of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from harness.config import load_rig
from harness.folder import RunFolder
from harness.results import Results
from harness.runner import RunOptions, run_rig


def scenario(lane: int, rate_hz: float, samples: int) -> dict[str, Any]:
    return {
        "kind": "command_round_trip",
        "stimulus": f"robot.in_{lane}",
        "response": f"robot.out_{lane}",
        "timeout_ms": 1000,
        "schedule": {"kind": "paced", "rate_hz": rate_hz, "samples": samples, "warmup_s": 0.2},
        "probing": {"consecutive": 3, "rate_hz": 50, "timeout_s": 40},
    }


def rig(device: dict[str, Any], rates: list[float], seconds: float) -> dict[str, Any]:
    lanes = range(len(rates))
    return {
        "rig": {"name": "lanes", "simulated": True},
        "devices": {"robot": device},
        "scenarios": {
            f"lane_{lane}": scenario(lane, rates[lane], round(rates[lane] * seconds)) for lane in lanes
        },
        "together": [[f"lane_{lane}" for lane in lanes]],
        "requirements": [
            {"id": f"L{lane}", "scenario": f"lane_{lane}", "quantile": 0.5, "limit": 500} for lane in lanes
        ],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
    }


def loopback(lanes: int, **more: Any) -> dict[str, Any]:
    ports: dict[str, Any] = {}
    for lane in range(lanes):
        ports[f"in_{lane}"] = {"stimulus": {"key": "sequence"}}
        ports[f"out_{lane}"] = {"response": {"of": f"in_{lane}", "match": {"kind": "sequence"}}}
    return {"adapter": "loopback", "ports": ports, **more}


def ros2(lanes: int) -> dict[str, Any]:
    ports: dict[str, Any] = {}
    kind = "geometry_msgs/msg/TwistStamped"
    for lane in range(lanes):
        ports[f"in_{lane}"] = {"stimulus": {"topic": f"/lane/in_{lane}", "type": kind, "key": "header.stamp"}}
        match = {"kind": "stamp", "path": "header.stamp"}
        ports[f"out_{lane}"] = {"response": {"topic": f"/lane/out_{lane}", "type": kind, "match": match}}
    return {"adapter": "ros2", "domain_id": "auto", "discovery": "localhost", "ports": ports}


def echo(lanes: int, seconds: float) -> dict[str, Any]:
    command = ["python", "-m", "harness.sim.ros2_echo", "--raw", "--lanes", str(lanes)]
    command += ["--listen", "/lane/in", "--answer", "/lane/out", "--seconds", str(seconds)]
    return {"command": command, "ready": {"publishes": f"/lane/out_{lanes - 1}"}}


def measure(content: dict[str, Any], folder: Path) -> tuple[Results, RunFolder]:
    file = folder / "rig.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    outcome = run_rig(load_rig(file), RunOptions(out=folder / "out", report=False, anyway=True))
    assert outcome.results is not None, outcome.error
    return outcome.results, RunFolder.open(outcome.folder)
