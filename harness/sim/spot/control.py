"""Faults on request: one JSON object per line over a Unix socket, answered by one line.

{"do": "state"}                                        where it is and what it does, power, stops, battery
{"do": "take_lease", "by": "tablet"}                   somebody else takes the lease
{"do": "estop", "by": "operator", "level": "cut"}      somebody stops it: cut, settle, or none to release
{"do": "expire_tokens"}                                every token is over
{"do": "forget_time"}                                  no client is synchronised any longer
{"do": "battery", "percent": 3}                        its charge
{"do": "behavior_fault"}                               as after a fall; {"do": "clear_faults"}
{"do": "cut_network", "s": 1.5}                        nothing passes for so long
"""

from __future__ import annotations

import json
import math
import socket
import socketserver
import threading
import time
from pathlib import Path
from typing import Any

from bosdyn.api import estop_pb2, robot_state_pb2

from harness.sim.spot.estops import CUT, NONE, SETTLE
from harness.sim.spot.robot import POWER, Robot

LEVELS = {"cut": CUT, "settle": SETTLE, "none": NONE}


class Control:
    """Serves the socket until it is closed. Raises OSError where that cannot be, or another robot has it."""

    def __init__(self, robot: Robot, path: Path) -> None:
        self._path = path
        with socket.socket(socket.AF_UNIX) as other:
            if other.connect_ex(str(path)) == 0:
                raise FileExistsError(f"{path} is the control socket of another simulated robot")
        if path.is_socket():
            path.unlink()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    try:
                        said = do(robot, json.loads(line))
                    except (ValueError, KeyError, TypeError, AttributeError) as error:
                        said = {"error": f"{type(error).__name__}: {error}"}
                    self.wfile.write(json.dumps(said).encode() + b"\n")

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No longer."""
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


def do(robot: Robot, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request; what to answer. Raises KeyError, ValueError for what it does not know."""
    what = request["do"]
    robot.truth.note("fault", time.monotonic_ns(), **request)
    with robot.lock:
        if what == "take_lease":
            robot.leases.take(str(request.get("by", "tablet")), "somebody else")
        elif what == "estop":
            _stop(robot, str(request.get("by", "operator")), LEVELS[request.get("level", "cut")])
        elif what == "expire_tokens":
            robot.tokens.expire()
        elif what == "forget_time":
            robot.timesync.forget()
        elif what == "battery":
            robot.battery_percent = _number(request, "percent")
        elif what == "behavior_fault":
            robot.fault(robot_state_pb2.BehaviorFault.CAUSE_FALL)
            robot.settle("a behaviour fault")
        elif what == "clear_faults":
            robot.behavior_faults.clear()
        elif what == "cut_network":
            robot.cut_until = time.monotonic() + _number(request, "s")
        elif what != "state":
            raise ValueError(f"{what!r} is not known")
        level, who = robot.estops.level()
        return {
            "power": POWER.MotorPowerState.Name(robot.power),
            "phase": robot.state.phase,
            "x": float(robot.state.position[0]),
            "y": float(robot.state.position[1]),
            "speed": math.hypot(*(float(one) for one in robot.state.velocity)),
            "order": robot.order.name,
            "battery": robot.battery_percent,
            "faults": [
                robot_state_pb2.BehaviorFault.Cause.Name(one) for one in robot.behavior_faults.values()
            ],
            "estop": int(level),
            "estop_by": who,
            "lease": robot.leases.owner.client if robot.leases.owner else None,
            "stale": robot.leases.stale,
            "endpoints": [one.name for one in robot.estops.config.endpoints],
            "monotonic_ns": time.monotonic_ns(),
        }


def _number(request: dict[str, Any], name: str) -> float:
    value = float(request[name])
    if not math.isfinite(value):
        raise ValueError(f"{name}: {value} is not a finite number")
    return value


def _stop(robot: Robot, by: str, level: int) -> None:
    """An endpoint of somebody else that never falls silent."""
    day = estop_pb2.EstopEndpoint(role="PDB_rooted", name=by)
    day.timeout.seconds = 86400
    known = next((one for one in robot.estops.endpoints.values() if one.proto.name == by), None)
    if known is None:
        known = robot.estops.endpoints[robot.estops.register(day).unique_id]
    known.level = level
    known.valid_at = time.monotonic()


def ask(path: Path, request: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Send one request to the control socket at ``path``. Raises OSError where nobody listens."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = connection.makefile("rb").readline()
    found: dict[str, Any] = json.loads(answer)
    return found
