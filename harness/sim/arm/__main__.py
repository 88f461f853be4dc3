"""``python -m harness.sim.arm``: ends with status 0 on SIGINT or SIGTERM."""

from __future__ import annotations

import sys

from harness.sim import ros2_peer
from harness.sim.arm.node import ArmNode
from harness.sim.arm.options import parse


def main() -> int:
    """Run the arm until it is told to stop; returns the exit status."""
    options = parse()
    return ros2_peer.run(options, lambda node: ArmNode(options, node))


if __name__ == "__main__":
    sys.exit(main())
