"""A walking robot, and what it really did: for tests that break something while a Spot walks.

The bounds are those that docs/spot-safety.md states: a robot that gets no further command stands still when
the last one is over (``END_S``) and it has braked (``BRAKE_S``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spot_peer

from harness.adapters.spot.device import SpotDevice
from harness.errors import HarnessError
from harness.model import Finding, Severity
from harness.ports import DeviceContext
from harness.sim.spot.control import ask

NS = 1_000_000_000
PATIENCE_S = 40.0
END_S = 0.6
"""``end_ms`` of the velocity port."""
BRAKE_S = 1.0
STILL_MPS, STILL_RADPS = 0.05, 0.15
FASTEST_MPS = 1.6
"""The vendor's limit, which no robot here may ever pass."""
ESTOP_S = 2.0
"""``estop_timeout_s``: a robot that the harness is silent to settles after that, and has no power after
twice that."""
LEASE_S = 3.0
"""The simulated robot's patience with a lease that nobody retains."""
SIT_S = 4.0
"""By then a robot that settles has sat down and cut its power."""
TURNING = {"v_x": 0.3, "v_rot": 0.8}
"""In circles of 0.4 m, so that it walks without end in a small area."""
ACCEPTED = 1
PORTS: dict[str, Any] = {
    "posture": {"stimulus": {"command": "posture"}},
    "ready": {"response": {"signal": "ready"}},
    "velocity": {"stimulus": {"command": "velocity", "end_ms": END_S * 1e3}},
    "received": {"response": {"of": "velocity"}},
    "stop": {"stimulus": {"command": "estop"}},
    "estopped": {"response": {"signal": "estopped"}},
}
OPTIONS: dict[str, Any] = {
    "limits": {"v_x": 0.5, "v_y": 0.5, "v_rot": 0.8},
    "area_m": 2.0,
    "estop_timeout_s": ESTOP_S,
}
SIMULATOR = ("--offset-s", "-3.7", "--drift-ppm", "40", "--lease-timeout-s", str(LEASE_S))


def until(holds: Callable[[], Any], what: str | Callable[[], str], patience_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := holds()):
        said = what if isinstance(what, str) else what()
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {said}"
        time.sleep(0.01)
    return found


class Robot:
    """The simulated Spot: what is done to it, and what it did."""

    def __init__(self, folder: Path, name: str = "robot") -> None:
        self.peer = spot_peer.start(folder, name, *SIMULATOR)
        self._rows: list[dict[str, Any]] = []
        self._read = 0

    def do(self, what: str, **how: Any) -> dict[str, Any]:
        """One request to its control socket; the state it answers with."""
        return ask(self.peer.control, {"do": what, **how})

    @property
    def state(self) -> dict[str, Any]:
        return self.do("state")

    def heal(self) -> None:
        """Undo what tests did to it, once its motors are off."""
        until(lambda: self.state["power"] == "STATE_OFF", "the motors are off")
        self.do("clear_faults")
        self.do("battery", percent=80)
        if any(name == "operator" for name in self.state["endpoints"]):
            self.do("estop", by="operator", level="none")
        until(self.lease_is_free, "the lease is free")

    def lease_is_free(self) -> bool:
        said = self.state
        return said["lease"] is None or bool(said["stale"])

    def rows(self, what: str, since_ns: int = 0) -> list[dict[str, Any]]:
        """What it noted of that kind from that instant (CLOCK_MONOTONIC) on."""
        with self.peer.truth.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._rows.append(json.loads(line))
        return [row for row in self._rows if row["what"] == what and row["monotonic_ns"] >= since_ns]

    def forget(self, before_ns: int) -> None:
        """What it noted before that instant is asked for no more."""
        self._rows = [row for row in self._rows if row["monotonic_ns"] >= before_ns]

    def body(self, since_ns: int, to_ns: int) -> list[dict[str, Any]]:
        """What the body did between these instants, waited for."""
        until(lambda: self.rows("body", to_ns), "the truth reaches that instant")
        return [row for row in self.rows("body", since_ns) if row["monotonic_ns"] <= to_ns]

    def taken(self, since_ns: int, order: str = "velocity") -> list[dict[str, Any]]:
        """Commands of that kind that it accepted from that instant on."""
        self.body(since_ns, time.monotonic_ns())
        found = self.rows("command", since_ns)
        return [row for row in found if row["order"] == order and row["status"] == ACCEPTED]

    def assert_walked(self, before_ns: int) -> None:
        """It walked at that instant, so that there was something to stop."""
        seen = self.body(before_ns - NS // 5, before_ns)
        assert seen and max(row["ground"] for row in seen) > 2 * STILL_MPS

    def assert_stood(self, since_ns: int, within_s: float = END_S + BRAKE_S) -> float:
        """It stood still ``within_s`` after that instant and has ever since; after how many s it did."""
        from_ns = since_ns + round(within_s * NS)
        until(lambda: time.monotonic_ns() > from_ns + NS // 10, "the time has come")
        seen = self.body(since_ns, time.monotonic_ns() - NS // 20)
        moving = [row for row in seen if row["ground"] > STILL_MPS or abs(row["turn"]) > STILL_RADPS]
        late = [row for row in moving if row["monotonic_ns"] > from_ns and row["phase"] == "walking"]
        late += [row for row in moving if row["monotonic_ns"] > from_ns and row["ground"] > STILL_MPS]
        assert late == [], (
            f"still moving {(late[-1]['monotonic_ns'] - since_ns) / NS:.3f} s later: {late[-1]}"
        )
        assert max(row["ground"] for row in seen) < FASTEST_MPS
        return (moving[-1]["monotonic_ns"] - since_ns) / NS if moving else 0.0

    def assert_off(self, since_ns: int, within_s: float) -> list[str]:
        """Its motors lost their power within that time; why, as it says itself."""
        until(lambda: self.state["power"] == "STATE_OFF", "the motors are off")
        off = until(lambda: self.rows("power off", since_ns), "power off in the truth")
        assert off[0]["monotonic_ns"] < since_ns + within_s * NS, off
        settled = [row["why"] for row in self.rows("settle", since_ns)]
        return [*settled, *(row["why"] for row in off)]


class NotWalking(AssertionError):
    """It did not come to walk, so that nothing is shown either way."""


class Walker:
    """An open device that walks its robot in circles, as a run would: what it reports as an error ends it."""

    def __init__(self, robot: Robot, run_id: str = "safety", **options: Any) -> None:
        self.robot = robot
        self.findings: list[Finding] = []
        self.found_ns: dict[str, int] = {}
        """When an error of that name was found first."""
        context = DeviceContext(run_id, report=self._report)
        self.device = SpotDevice("spot", robot.peer.options(PORTS, **{**OPTIONS, **options}), context)
        self.ends_by_itself = True
        self.refused: HarnessError | None = None
        self._values: dict[str, list[float]] = {"ready": [], "estopped": []}
        self._key = 0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def _report(self, finding: Finding) -> None:
        if finding.severity is Severity.ERROR:
            self.found_ns.setdefault(finding.name, time.monotonic_ns())
        self.findings.append(finding)
        if finding.severity is Severity.ERROR and self.ends_by_itself:
            self._over.set()

    def __enter__(self) -> Walker:
        try:
            self.device.open()
        except HarnessError as error:
            raise NotWalking(str(error)) from error
        for port, values in self._values.items():
            self.device.response(port).listen(lambda key, to=values, **seen: to.append(seen["value"]))
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def send(self, port: str, **values: Any) -> None:
        stimulus = self.device.stimulus(port)
        self._key += 1
        stimulus.send(self._key, stimulus.prepare(values))

    def stand(self) -> None:
        """Stand up, and wait until it does."""
        self.send("posture", to="stand")
        self.wait_for("ready", 1.0)

    def wait_for(self, port: str, value: float) -> None:
        """Until the signal has that value."""

        def has_it() -> bool:
            if self.found_ns and self.ends_by_itself:
                raise NotWalking(f"{self.findings}")
            return self._values[port][-1:] == [value]

        until(has_it, lambda: f"{port} is {value}; {self.findings}")

    @property
    def _stands(self) -> bool:
        return self.robot.state["phase"] == "standing"

    def press(self, level: str) -> None:
        """Fall silent, and press the harness's own e-stop or release it."""
        self.send("stop", level=level)
        self.fall_silent()
        self.wait_for("estopped", float(level != "none"))

    def walk(self, **values: float) -> int:
        """Stand up and walk until something ends it; the instant at which it certainly walks."""
        if not self._stands:
            self.stand()
        stimulus = self.device.stimulus("velocity")
        prepared = stimulus.prepare(values or TURNING)

        def work() -> None:
            number = self._key
            while not self._over.wait(0.05):
                number += 1
                try:
                    stimulus.send(number, prepared)
                except HarnessError as error:
                    self.refused = error
                    self._over.set()

        self._over.clear()
        self._thread = threading.Thread(target=work, name="walk", daemon=True)
        self._thread.start()
        until(lambda: self.robot.state["speed"] > 4 * STILL_MPS, "it walks")
        return time.monotonic_ns()

    def wait_ended(self, patience_s: float) -> bool:
        """Until a finding or a command that could not be handed over ends it; whether one did in time."""
        return self._over.wait(patience_s)

    def fall_silent(self) -> int:
        """Send nothing more; the instant after the last command."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        return time.monotonic_ns()

    def found(self, name: str) -> Finding:
        """The finding of that name, waited for."""

        def there() -> list[Finding]:
            return [one for one in self.findings if one.name == name]

        first: Finding = until(there, lambda: f"finding {name!r}; there is {self.findings}")[0]
        return first

    def stop(self) -> tuple[HarnessError | None, float]:
        """The safe stop as a run does it: what it raised, and how many s it took."""
        self.fall_silent()
        begun = time.monotonic()
        try:
            self.device.safe_stop()
        except HarnessError as error:
            return error, time.monotonic() - begun
        return None, time.monotonic() - begun

    def end(self) -> None:
        """Fall silent and close."""
        self.fall_silent()
        self.device.close()
