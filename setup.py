"""What makes a ROS 2 package (ament_python) of it; everything else is in pyproject.toml."""

import sys
from glob import glob

from setuptools import setup

PACKAGE = "harness"

data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
    (f"share/{PACKAGE}", ["package.xml"]),
    (f"share/{PACKAGE}/launch", sorted(glob("launch/*.launch.py"))),
    (f"share/{PACKAGE}/rig_configs", sorted(glob("rig_configs/*.yaml"))),
]
if any(argument.endswith("_wheel") for argument in sys.argv):
    # Under colcon, setup.cfg puts the command itself there.
    data_files.append((f"lib/{PACKAGE}", [f"resource/run/{PACKAGE}"]))

setup(data_files=data_files)
