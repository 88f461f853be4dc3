"""Keeps an eye on a Spot: e-stops, faults, battery, power, and whether it is there at all."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from harness.adapters.spot import refusals, translate
from harness.adapters.spot.answers import SignalResponse
from harness.adapters.spot.holding import Holding
from harness.adapters.spot.options import Options
from harness.adapters.spot.session import Session
from harness.adapters.spot.translate import sdk
from harness.clock import HostClock

OFTEN_S, SELDOM_S = 0.05, 0.2
ASK_S = 0.5
"""Longest wait for the state."""
GONE_NS = 1_500_000_000
"""A robot that has not said anything for so long is gone."""
LOST = "robot lost"

Trouble = Callable[[str, str, str], None]
"""Takes what it is in a few words, the message, and what to do next."""


def troubles(state: Any, min_battery_percent: float) -> list[tuple[str, str, str]]:
    """What is wrong with a robot of that state: (what, message, remedy)."""
    pb = sdk("bosdyn.api.robot_state_pb2")
    found = []
    for fault in state.behavior_fault_state.faults:
        cause = pb.BehaviorFault.Cause.Name(fault.cause).removeprefix("CAUSE_").replace("_", " ").lower()
        found.append(
            ("behaviour fault", f"behaviour fault: {cause}", "look at the robot, then clear it on the tablet")
        )
    for fault in state.system_fault_state.faults:
        if fault.severity >= pb.SystemFault.SEVERITY_CRITICAL:
            found.append(
                ("system fault", f"system fault {fault.name}: {fault.error_message}", "see it on the tablet")
            )
    percent = battery_percent(state)
    if percent is not None and percent < min_battery_percent:
        found.append(
            (
                "battery low",
                f"the battery has {percent:.0f} % left, fewer than {min_battery_percent:g}",
                "charge it, or lower min_battery_percent",
            )
        )
    return found


def battery_percent(state: Any) -> float | None:
    """What the batteries hold, the weakest of them; None where it is not told."""
    held = [
        float(one.charge_percentage.value)
        for one in state.battery_states
        if one.HasField("charge_percentage")
    ]
    return min(held) if held else None


def stops(state: Any) -> list[str]:
    """Every e-stop that holds, and by whom as far as the robot says."""
    pb = sdk("bosdyn.api.robot_state_pb2").EStopState
    return [
        f"{one.name}{f' ({one.state_description})' if one.state_description else ''}"
        for one in state.estop_states
        if one.state == pb.STATE_ESTOPPED
    ]


class Watch:
    """Asks for the state until it is closed. ``trouble`` is called once for each kind of trouble."""

    def __init__(
        self,
        session: Session,
        options: Options,
        clock: HostClock,
        holding: Holding | None,
        signals: Sequence[SignalResponse],
        ready: Callable[[], bool],
        trouble: Trouble,
    ) -> None:
        self._session, self._options, self._clock = session, options, clock
        self._holding, self._signals, self._ready, self._trouble = holding, signals, ready, trouble
        self._told: set[str] = set()
        self._heard_ns = clock.monotonic_ns()
        self.battery_percent: float | None = None
        self._symptoms: queue.SimpleQueue[tuple[str, str, str]] = queue.SimpleQueue()
        self._over = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._states = session.client("robot_state", "RobotStateClient")

    def open(self) -> None:
        """Ask for the first time, and start."""
        self._ask()
        thread = threading.Thread(target=self._work, name="spot watch", daemon=True)
        thread.start()
        self._thread = thread

    def close(self) -> None:
        """Ask no longer. Repeatable."""
        self._over.set()
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def explain(self, what: str, message: str, remedy: str) -> None:
        """A command was refused for the state of the robot: ask for that at once, and tell what is behind the
        refusal, such as who stopped it; the refusal itself only where nothing is. Never waits."""
        self._symptoms.put((what, message, remedy))
        self._wake.set()

    def _work(self) -> None:
        pause_s = OFTEN_S if self._signals else SELDOM_S
        while not self._over.is_set():
            self._wake.wait(pause_s)
            self._wake.clear()
            if not self._over.is_set():
                self._ask()

    def _ask(self) -> None:
        symptoms = []
        with contextlib.suppress(queue.Empty):
            while True:
                symptoms.append(self._symptoms.get_nowait())
        ours = self._stopped_by_us  # before the state is asked for: it may be released meanwhile
        try:
            self._look(self._state(), ours)
        except Exception as error:
            self._unheard(error)
        for symptom in symptoms:
            if not self._told and not ours:
                self._tell(*symptom)

    @property
    def _stopped_by_us(self) -> bool:
        return self._holding is not None and self._holding.level != "none"

    def _state(self) -> Any:
        try:
            state = self._states.get_robot_state(timeout=ASK_S)
        except Exception as error:
            if translate.is_a(error, "UnauthenticatedError"):
                self._tell(*refusals.LOGIN_EXPIRED)
                self._session.login_again()  # what keeps lease and e-stop alive needs it too
            raise
        self._heard_ns = self._clock.monotonic_ns()
        return state

    def _unheard(self, error: Exception) -> None:
        if self._over.is_set() or self._clock.monotonic_ns() - self._heard_ns < GONE_NS:
            return
        why = translate.of(self._session.name, "asking for the state", error)
        self._tell(LOST, why.message.removeprefix(f"{self._session.name}: "), why.hint or "")

    def _look(self, state: Any, ours: bool) -> None:
        seen_ns = self._heard_ns
        self.battery_percent = battery_percent(state)
        stopped = stops(state)
        stamp_ns = state.power_state.timestamp.ToNanoseconds()
        for port in self._signals:
            holds = bool(stopped) if port.how.signal == "estopped" else self._ready()
            port.take(float(holds), stamp_ns, seen_ns)
        if self._holding is None:
            return
        for what, message, remedy in troubles(state, self._options.min_battery_percent):
            self._tell(what, message, remedy)
        if ours or self._stopped_by_us:
            return  # the harness itself stops it
        if stopped:
            self._tell("e-stopped", f"e-stopped by {'; '.join(stopped)}", "release it, then run again")
        elif self._holding.standing and not self._powered(state):
            self._tell("power lost", "the motors lost their power", "look at the robot and its tablet")

    def _powered(self, state: Any) -> bool:
        power = sdk("bosdyn.api.robot_state_pb2").PowerState
        return bool(state.power_state.motor_power_state == power.STATE_ON)

    def _tell(self, what: str, message: str, remedy: str) -> None:
        # What is seen of a robot that was lost and is back, such as motors without power, is what came of it.
        if what not in self._told and LOST not in self._told:
            self._told.add(what)
            self._trouble(what, message, remedy)
