"""``python -m harness.sim.diff_drive``: ends with status 0 on SIGINT or SIGTERM."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from types import FrameType


class Shutdown:
    """Turns SIGINT and SIGTERM into a question the loop can ask."""

    def __init__(self) -> None:
        self.requested = False
        self.starting = True
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.starting:  # nothing is open yet, and an exception inside an import could be swallowed by it
            os._exit(0)
        self.requested = True


def main() -> int:
    """Run the robot until it is told to stop; returns the exit status."""
    # First of all: the libraries below take a second to load, and a signal may come meanwhile.
    shutdown = Shutdown()
    from harness.sim.diff_drive.options import parse

    options = parse()
    if options.misbehaviour.never_appear:
        while not shutdown.requested:
            time.sleep(0.05)
        return 0

    from harness.errors import HarnessError
    from harness.sim.board.plugs import Plugs
    from harness.sim.diff_drive.node import RobotNode
    from harness.sim.diff_drive.pacing import shorten_timer_slack
    from harness.sim.diff_drive.physics import Physics
    from harness.sim.diff_drive.robot import MotionPin, Robot
    from harness.sim.diff_drive.truth import TruthLog

    physics = Physics(options.rate_hz, options.seed, options.noise)
    truth = TruthLog(options.log_truth)
    try:
        motion = MotionPin(options.motion_pin, Plugs()) if options.motion_pin is not None else None
    except HarnessError as error:
        print(f"diff_drive: {error}", file=sys.stderr)
        return error.exit_status
    shorten_timer_slack()
    shutdown.starting = False
    node = RobotNode(options.namespace, options.noise, plain=options.plain_twist)
    try:
        gc.collect()
        gc.freeze()
        print(f"diff_drive: running at {options.rate_hz} Hz", flush=True)
        Robot(options, physics, node, truth, motion).run(lambda: shutdown.requested)
    finally:
        node.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
