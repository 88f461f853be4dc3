"""``python -m harness.sim.swarm``: ends with status 0 on SIGINT or SIGTERM, and all robots with it."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


class Signals:
    """Turns signals into questions that a loop can ask. A robot leaves in good order on SIGUSR2."""

    def __init__(self) -> None:
        self.stopped = self.leaving = False
        self.starting = True
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGUSR2, self._leave)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.starting:  # nothing is open yet, and an exception inside an import could be swallowed by it
            os._exit(0)
        self.stopped = True

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self.leaving = True


def main() -> int:
    """Run the launcher, or what it started; returns the exit status."""
    signals = Signals()
    arguments = [word for word in sys.argv[1:] if not word.startswith("--parent=")]
    parent = next((int(word[9:]) for word in sys.argv[1:] if word.startswith("--parent=")), 0)
    if parent:
        from harness.sim.swarm.children import die_with

        die_with(parent)
    from harness.sim.swarm.options import parse

    options = parse(arguments)
    if options.robot == 0:
        from harness.sim.swarm.launcher import launch

        signals.starting = False
        return launch(options, arguments, lambda: signals.stopped)
    if options.robot < 0:
        from harness.sim.swarm.control import Control

        control = Control(options, parent)
        signals.starting = False
        control.run(lambda: signals.stopped)
        return 0

    from harness.sim.diff_drive.pacing import shorten_timer_slack
    from harness.sim.swarm.node import RobotNode
    from harness.sim.swarm.robot import Robot
    from harness.sim.swarm.store import Store
    from harness.sim.swarm.truth import TruthLog

    shorten_timer_slack()
    if options.realtime:
        try:  # before any thread of the middleware is made: those inherit it
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(options.realtime))
        except PermissionError:
            print(f"swarm: --realtime {options.realtime} needs root; going on without", flush=True)
    name = options.names[options.robot - 1]
    assert options.state_dir is not None
    truth = TruthLog(options.log_truth, name, options.robot)
    signals.starting = False
    node = RobotNode(options.names, options.robot, options.namespace, reliable=options.reliable)
    try:
        robot = Robot(options, node, truth, Store(options.state_dir / f"{name}.state"))
        robot.run(lambda: signals.stopped, lambda: signals.leaving)
    finally:
        node.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
