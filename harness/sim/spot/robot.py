"""The simulated robot behind the services: power, stops, lease, battery, faults and what the body is to do.

Everything is guarded by one lock; the loop of :meth:`Robot.run` is the only one that moves the body.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bosdyn.api import robot_state_pb2

from harness.sim.spot.body import Body
from harness.sim.spot.clock import RobotClock
from harness.sim.spot.estops import CUT, NONE, Estops
from harness.sim.spot.leases import Leases
from harness.sim.spot.options import Options
from harness.sim.spot.timesync import TimeSync
from harness.sim.spot.tokens import Tokens
from harness.sim.spot.truth import Truth

STEP_S = 0.001
STEPS_PER_TICK = 3
"""333 Hz, the rate of the state stream."""
POWER = robot_state_pb2.PowerState
BATTERY_CRITICAL_PERCENT = 2.0
"""Below it the robot sits and powers off by itself."""
SETTLE_S = 3.0
"""How long it may take to sit before the power is cut."""


@dataclass
class Order:
    """What the body is to do: ``name``, until ``end_ns`` (the robot's clock; None: until another order)."""

    name: str
    number: int = 0
    end_ns: int | None = None
    due: float = 0.0
    act: Callable[[Body], object] = field(default=lambda body: None)
    began: bool = False
    sits: bool = False


class Robot:
    """One robot. ``lock`` is held around everything but :meth:`run` and the stamps."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = RobotClock(options.offset_s, options.drift_ppm)
        self.tokens = Tokens(options.username, options.password, options.token_life_s)
        self.leases = Leases(options.lease_timeout_s)
        self.estops = Estops()
        self.timesync = TimeSync()
        self.truth = Truth(options.truth)
        self.body = Body(timestep_s=STEP_S)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        """Notified with every tick: the state stream waits on it."""
        self.tick = 0
        self.state = self.body.state()
        self.acquired_ns = self.clock.now_ns()
        self.power = int(POWER.STATE_OFF)
        self.battery_percent = 87.0
        self.behavior_faults: dict[int, int] = {}
        """Causes by id."""
        self.order = Order("none")
        self.last_key, self.last_received_ns = 0, 0
        self.gains: tuple[list[float], list[float]] = ([60.0] * 12, [2.0] * 12)
        """Of joint control, kept from one update to the next: N m/rad and N m s/rad."""
        self.cut_until = 0.0
        """Until then (CLOCK_MONOTONIC, s) nothing passes the network."""
        self._power_at: float | None = None
        self._settle_until: float | None = None
        self._numbers = 0

    # -- orders
    # ------------------------------------------------------------------------------------------------

    def number(self) -> int:
        """The id of the next command."""
        self._numbers += 1
        return self._numbers

    def give(self, order: Order) -> None:
        """From ``options.reaction_ms`` on the body does that instead of what it did."""
        order.due = time.monotonic() + self.options.reaction_ms * 1e-3
        self.order = order

    def power_on(self) -> None:
        """The motors get power after ``options.power_on_s``."""
        self.power = int(POWER.STATE_POWERING_ON)
        self._power_at = time.monotonic() + self.options.power_on_s

    def power_off(self, why: str) -> None:
        """No torque from now on."""
        if self.power != POWER.STATE_OFF:
            self.truth.note("power off", time.monotonic_ns(), why=why)
        self.power = int(POWER.STATE_OFF)
        self._power_at = self._settle_until = None
        self.order = Order("none")
        self.body.power(False)

    def settle(self, why: str) -> None:
        """Sit down, then cut the power; the power is cut in any case after ``SETTLE_S``."""
        if self.power == POWER.STATE_ON and self._settle_until is None:
            self.truth.note("settle", time.monotonic_ns(), why=why)
            self._settle_until = time.monotonic() + SETTLE_S
            self.order = Order("settle", began=True)
            self.body.settle()

    @property
    def settling(self) -> bool:
        """Whether it is sitting down to cut its power, and takes no command."""
        return self._settle_until is not None

    def fault(self, cause: int) -> int:
        """A behaviour fault arises: the robot takes no command before it is cleared. Its id."""
        number = max(self.behavior_faults, default=0) + 1
        self.behavior_faults[number] = cause
        return number

    # -- the loop
    # ----------------------------------------------------------------------------------------------

    def run(self, ended: Callable[[], bool]) -> None:
        """Move the body in real time until ``ended``. A stall of the host is not made up for."""
        period = STEPS_PER_TICK * STEP_S
        due = time.monotonic()
        while not ended():
            due = max(due + period, time.monotonic() - period)
            time.sleep(max(0.0, due - time.monotonic()))
            with self.lock:
                self._rules()
                self._begin()
                self.body.step(STEPS_PER_TICK)
                self.state = self.body.state()
                self.acquired_ns = self.clock.now_ns()
                self.tick += 1
                if self.tick % 3 == 0:
                    self._note()
                self.changed.notify_all()

    def _rules(self) -> None:
        """What the robot does by itself: stops, stale leases, an empty battery, orders whose time is over."""
        now = time.monotonic()
        if self._power_at is not None and now >= self._power_at:
            self._power_at, self.power = None, int(POWER.STATE_ON)
            self.body.power(True)
            self.body.sit()
        level, who = self.estops.level()
        if self.power != POWER.STATE_OFF:
            if level == CUT:
                self.power_off(f"e-stop: {who}")
            elif level != NONE:
                self.settle(f"e-stop: {who}")
            if self.leases.stale and not self.settling:
                self.fault(robot_state_pb2.BehaviorFault.CAUSE_LEASE_TIMEOUT)
                self.settle("the lease was neither used nor retained")
            if self.battery_percent <= BATTERY_CRITICAL_PERCENT:
                self.settle("the battery is empty")
        if self._settle_until is not None and (now > self._settle_until or self.state.phase == "sitting"):
            self.power_off("settled")
        end_ns = self.order.end_ns
        if end_ns is not None and self.clock.now_ns() > end_ns:
            self.truth.note("expired", time.monotonic_ns(), order=self.order.name)
            self.order = Order("expired", began=True)
            if self.power == POWER.STATE_ON:
                self.body.halt()

    def _begin(self) -> None:
        if not self.order.began and time.monotonic() >= self.order.due and self.power == POWER.STATE_ON:
            self.order.began = True
            self.order.act(self.body)
        if self.order.sits and self.order.began and self.state.phase == "sitting":
            self.power_off("safe power off")

    def _note(self) -> None:
        vx, vy, vz = (float(one) for one in self.state.velocity)
        self.truth.note(
            "body",
            time.monotonic_ns(),
            speed=math.hypot(vx, vy, vz),
            ground=math.hypot(vx, vy),
            turn=float(self.state.angular_velocity[2]),
            x=float(self.state.position[0]),
            y=float(self.state.position[1]),
            phase=str(self.state.phase),
            motors=self.power == POWER.STATE_ON,
        )
