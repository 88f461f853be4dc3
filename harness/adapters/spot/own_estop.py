"""The harness's own e-stop endpoint: it joins what is there, and leaves it as it was."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

from harness.adapters.spot.session import CALL_S, OURS, Session
from harness.adapters.spot.translate import sdk, translated

LEVELS = {"cut": "stop", "settle": "settle_then_cut", "none": "allow"}


class OwnEstop:
    """From :meth:`join` to :meth:`leave`. Between them the robot settles when the harness is silent for
    ``timeout_s``. The run has to hold the lease."""

    def __init__(self, session: Session, timeout_s: float) -> None:
        self._session, self._timeout_s = session, timeout_s
        self._client = session.client("estop", "EstopClient")
        # The SDK tells every failed check-in to a log of the endpoint's name; the watch tells it once.
        name = session.client_name[:40].strip()
        logging.getLogger(name).setLevel(logging.CRITICAL)
        self._endpoint = sdk("bosdyn.client.estop").EstopEndpoint(self._client, name, timeout_s)
        self._alive: Any = None
        self._unpressed = threading.Event()
        self._unpressed.set()

    def join(self) -> None:
        """Join the active configuration; set one up only where there is none. Raises SafetyError."""
        with translated(self._session.name, "e-stop"):
            self._forget_the_dead()
            config = self._client.get_config(timeout=CALL_S)
            if config.endpoints:
                self._endpoint.register(config.unique_id)
            else:
                self._endpoint.force_simple_setup()
            self._alive = sdk("bosdyn.client.estop").EstopKeepAlive(
                self._endpoint,
                rpc_timeout_seconds=self._timeout_s / 3,  # one that is lost is soon followed by another
                keep_running_cb=self._let_press,
            )
            self._alive.allow()

    def _forget_the_dead(self) -> None:
        """Take out what a run left that was killed: an endpoint that never checks in again stops the robot
        for ever. No other run commands it, for this one has the lease."""
        config = self._client.get_config(timeout=CALL_S)
        for endpoint in config.endpoints:
            if endpoint.name.startswith(OURS):
                # Refused while the motors have power: then the preflight tells who stops the robot.
                with contextlib.suppress(sdk("bosdyn.client.exceptions").ResponseError):
                    self._client.deregister(config.unique_id, endpoint, timeout=CALL_S)

    def _let_press(self) -> bool:
        # Called between two check-ins: without a network one follows the other at once, and whoever presses
        # would wait for the lock for long.
        self._unpressed.wait(self._timeout_s)
        return True

    def press(self, level: str) -> None:
        """Ask for that level, cut, settle or none, from now on, whether this is acknowledged or not."""
        self._unpressed.clear()
        try:
            with translated(self._session.name, f"e-stop {level}"):
                getattr(self._alive, LEVELS[level])()
        finally:
            self._unpressed.set()

    def leave(self) -> None:
        """Check in no longer, and leave the configuration. Goes on past failures.

        The robot refuses it while its motors have power; it then settles for want of check-ins, and the next
        run takes the endpoint out.
        """
        alive, self._alive = self._alive, None
        if alive is not None:
            with contextlib.suppress(Exception):
                alive.shutdown()
        with contextlib.suppress(Exception):
            config = self._client.get_config(timeout=CALL_S)
            self._client.deregister(config.unique_id, self._endpoint, timeout=CALL_S)
