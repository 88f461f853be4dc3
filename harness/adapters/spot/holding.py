"""What the harness holds while it commands a Spot: the lease, an e-stop endpoint of its own, motor power."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from harness.adapters.spot import translate
from harness.adapters.spot.options import Options
from harness.adapters.spot.own_estop import OwnEstop
from harness.adapters.spot.session import CALL_S, Session, relogin
from harness.adapters.spot.translate import sdk, translated
from harness.errors import HarnessError, OperationError

BODY = "body"
POWER_S, STAND_S, SIT_S = 20.0, 15.0, 10.0
FEEDBACK_HZ = 10.0
STOP_S, STOP_TRIES = 1.0, 3
"""How long an answer to a stop is waited for, and how often it is asked for one."""

Told = Callable[[Exception], None]


class Holding:
    """Lease, e-stop endpoint and power, from :meth:`take` to :meth:`release`.

    ``lost`` is called, on a thread of the SDK's, with what ended the lease's keep-alive.
    """

    def __init__(self, session: Session, options: Options, lost: Told) -> None:
        self._session, self._options, self._lost = session, options, lost
        self._command = session.client("robot_command", "RobotCommandClient")
        self._builder = sdk("bosdyn.client.robot_command").RobotCommandBuilder
        self._states = session.client("robot_state", "RobotStateClient")
        self._lease_alive: Any = None
        self._estop: OwnEstop | None = None
        self.lease: Any = None
        """The lease as the next command carries it; replaced whole."""
        self.level = "none"
        """What the harness's own e-stop endpoint asks for."""
        self.powered = False
        """Whether the motors have power because the harness asked for it."""
        self.standing = False
        """Whether a posture that was asked for was reached, so that lost power is a fault."""
        self.gone = ""
        """Why the lease no longer holds, in words."""

    # -- taking ----------------------------------------------------------------------------------------------

    def take(self) -> None:
        """Acquire the lease, which nobody else may hold, then join the e-stop. Raises SafetyError."""
        session = self._session
        with translated(session.name, "lease"):
            leases = session.client("lease", "LeaseClient")
            leases.acquire(timeout=CALL_S)
            # The SDK's keep-alive waits half a minute for an answer, and whoever ends it waits with it.
            bounded = SimpleNamespace(
                lease_wallet=leases.lease_wallet,
                retain_lease=partial(leases.retain_lease, timeout=CALL_S),
            )
            self._lease_alive = sdk("bosdyn.client.lease").LeaseKeepAlive(
                bounded, rpc_interval_seconds=1.0, warnings=False, on_failure_callback=self._unretained
            )
            self._renew()
        if self._options.stops:
            self._estop = OwnEstop(session, self._options.estop_timeout_s)
            self._estop.join()

    def _renew(self) -> None:
        self.lease = self._session.robot.lease_wallet.get_lease(BODY).lease_proto

    def _unretained(self, error: Exception) -> None:
        if translate.is_a(error, "LeaseUseError") and not self.gone:
            self.lose(translate.of(self._session.name, "keeping the lease", error).message)
            self._lost(error)

    def lose(self, why: str) -> None:
        """The lease is with somebody else from now on: nothing is commanded any more, not even a stop."""
        self.gone = self.gone or why

    # -- orders ----------------------------------------------------------------------------------------------

    def assume(self, posture: str) -> None:
        """Take the posture `stand`, `sit` or `joints`, and wait until it is there."""
        self.standing = False
        {"stand": self.stand, "sit": self.sit, "joints": self.take_joints}[posture]()
        self.standing = True

    def power_on(self) -> None:
        """Give the motors power and wait until they have it. Raises SafetyError, OperationError."""
        with translated(self._session.name, "power on"):
            client = self._session.client("power", "PowerClient")
            self.powered = True
            sdk("bosdyn.client.power").power_on_motors(client, POWER_S, FEEDBACK_HZ, timeout=CALL_S)
            self._renew()

    def stand(self) -> None:
        """Power on where need be, stand up, and wait until it stands."""
        self.power_on()
        with translated(self._session.name, "stand"):
            sdk("bosdyn.client.robot_command").blocking_stand(
                self._command, timeout_sec=STAND_S, update_frequency=FEEDBACK_HZ
            )
            self._renew()

    def sit(self) -> None:
        """Power on where need be, and sit; the motors keep their power."""
        self.power_on()
        with translated(self._session.name, "sit"):
            sdk("bosdyn.client.robot_command").blocking_sit(
                self._command, timeout_sec=SIT_S, update_frequency=FEEDBACK_HZ
            )
            self._renew()

    def take_joints(self) -> None:
        """Sit, as the vendor asks, and have the robot obey joint commands from the stream.

        Raises OperationError where it is not licensed for that.
        """
        self.sit()
        with translated(self._session.name, "joint control"):
            self._command.robot_command(self._builder.joint_command(), timeout=CALL_S)
            self._renew()

    def press(self, level: str) -> None:
        """Have the own e-stop endpoint ask for that level: cut, settle, none."""
        if self._estop is None:
            raise OperationError(f"{self._session.name}: the harness has no e-stop endpoint of its own")
        if level != "none":
            self.level, self.standing = level, False
        self._estop.press(level)
        self.level = level

    # -- ending ----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Have the robot stand still, and wait until it says that it has that order.

        Where it does not take it and the lease still holds, the e-stop makes it sit and cuts its power.
        Raises SafetyError or OperationError where the lease is with somebody else, and what the SDK's errors
        are translated to where neither could be handed over.
        """
        if self.lease is None:
            return
        if self.gone:
            raise OperationError(
                f"{self._session.name}: the stop is not ours to give: {self.gone}",
                hint="whoever has the lease commands the robot; what was commanded ended by itself",
            )
        try:
            self._stop_command()
        except HarnessError as error:
            if translate.is_a(error.__cause__, "LeaseUseError"):
                self.lose(error.message)
            if self._estop is None or self.gone:
                raise
            self.press("settle")

    def _stop_command(self) -> None:
        not_powered = sdk("bosdyn.client.robot_command").NotPoweredOnError
        for number in range(STOP_TRIES):
            try:
                with translated(self._session.name, "stop"):
                    try:
                        relogin(self._session, self._send_stop)
                    except not_powered:
                        pass  # without power nothing moves
                return
            except HarnessError:
                if number == STOP_TRIES - 1:
                    raise
        self._renew()

    def _send_stop(self) -> None:
        self._command.robot_command(self._builder.stop_command(), timeout=STOP_S)
        self._renew()

    def release(self) -> None:
        """Sit, power off, give the lease back, leave the e-stop. Repeatable; goes on past failures."""
        self.standing = False
        with contextlib.suppress(Exception):
            if self.powered and not self.gone:
                self._settle()
        alive, self._lease_alive = self._lease_alive, None
        if alive is not None:
            with contextlib.suppress(Exception):
                alive.shutdown()
        with contextlib.suppress(Exception):
            if self.lease is not None and not self.gone:
                wallet = self._session.robot.lease_wallet
                self._session.client("lease", "LeaseClient").return_lease(
                    wallet.get_lease(BODY), timeout=CALL_S
                )
        estop, self._estop = self._estop, None
        if estop is not None:
            estop.leave()
        self.lease, self.powered = None, False

    def _settle(self) -> None:
        """Have it sit and power off, and wait for that; the own e-stop may have begun it."""
        if self.level == "none":
            relogin(
                self._session,
                lambda: self._command.robot_command(self._builder.safe_power_off_command(), timeout=CALL_S),
            )
        powered_on = sdk("bosdyn.client.power").is_powered_on
        deadline = time.monotonic() + SIT_S
        pause = threading.Event()
        while time.monotonic() < deadline and powered_on(self._states, timeout=CALL_S):
            pause.wait(1.0 / FEEDBACK_HZ)
