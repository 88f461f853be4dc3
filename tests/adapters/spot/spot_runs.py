"""``harness run`` of a rig whose simulated Spot was not started by the run, so that it outlives the run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import spot_peer
from spot_bench import OPTIONS, PORTS, TURNING, NotWalking, Robot, until

sys.path.insert(0, str(Path(__file__).parents[2] / "faults"))

from fault_bench import Cli, call, cli, lines, rig_file

__all__ = ["CREDENTIALS", "Cli", "call", "lines", "walking_run"]

CREDENTIALS = {spot_peer.USER_VARIABLE: spot_peer.USER, spot_peer.PASSWORD_VARIABLE: spot_peer.PASSWORD}
WALKING: dict[str, Any] = {"velocity": {"stimulus": {**PORTS["velocity"]["stimulus"], "values": TURNING}}}


def rig(robot: Robot, name: str, samples: int) -> dict[str, Any]:
    """Stand up and walk in circles, 40 commands a second."""
    device = robot.peer.options(PORTS, **OPTIONS).model_dump(mode="json", exclude_unset=True)
    return {
        "rig": {"name": name, "description": "for tests", "simulated": True},
        "devices": {"spot": {**device, "ports": {**PORTS, **WALKING}}},
        "scenarios": {
            "command": {
                "kind": "command_round_trip",
                "stimulus": "spot.velocity",
                "response": "spot.received",
                "arrival": "received",
                "timeout_ms": 2000.0,
                "schedule": {"kind": "paced", "rate_hz": 40, "samples": samples, "warmup_s": 0.1},
                "probing": {"consecutive": 3, "rate_hz": 20, "timeout_s": 30},
            }
        },
        "setup": [
            {"send": "spot.posture", "values": {"to": "stand"}},
            {"wait_for": "spot.ready", "at_least": 1, "timeout_s": 30},
        ],
        "requirements": [
            {
                "id": "R",
                "scenario": "command",
                "quantile": 0.5,
                "limit": 1000,
                "unit": "ms",
                "confidence": 0.9,
            }
        ],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
    }


@contextmanager
def walking_run(robot: Robot, folder: Path, name: str, samples: int = 100_000) -> Iterator[Cli]:
    """A run whose robot walks when it is handed over."""
    file = rig_file(folder, base=rig(robot, name, samples))
    with cli(folder, "run", str(file), "--out", str(folder / "out"), env=CREDENTIALS) as found:
        try:
            found.wait_measuring(10)
            until(lambda: robot.state["speed"] > 0.2, "it walks")
        except AssertionError as error:
            raise NotWalking(str(error)) from error
        yield found
