"""The command line of the simulated arm."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from harness.sim import ros2_peer


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line (``sys.argv`` if None). Ends the process with status 2 for a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.sim.arm", description="A simulated arm of three joints on ROS 2."
    )
    parser.add_argument(
        "--rate-hz", type=float, default=250.0, help="of the control loop and of joint_states"
    )
    parser.add_argument("--feedback-hz", type=float, default=50.0, help="of a goal's feedback")
    parser.add_argument("--seed", type=int, default=0, help="of the jitter")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="goals and trajectories begin this late")
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="and a random time up to this later")
    parser.add_argument("--reject-every", type=int, default=0, help="reject every n-th goal")
    parser.add_argument("--abort-every", type=int, default=0, help="abort every n-th goal once it has begun")
    parser.add_argument("--ignore-cancel", action="store_true", help="go on with goals that are cancelled")
    parser.add_argument("--die-after", type=int, default=0, help="exit at once, unclean, after n goals")
    ros2_peer.add_arguments(parser, "arm")
    parser.set_defaults(seconds=3600.0)
    given = parser.parse_args(arguments)
    if not 50.0 <= given.rate_hz <= 1000.0:
        parser.error(f"--rate-hz {given.rate_hz:g}: must be from 50 to 1000")
    if not 1.0 <= given.feedback_hz <= given.rate_hz:
        parser.error(f"--feedback-hz {given.feedback_hz:g}: must be from 1 to --rate-hz")
    return given
