"""``python -m harness.ros [RIG] [--ros-args ...]``."""

import sys

from harness.cli import main

main(["node", *sys.argv[1:]])
