"""What makes a ROS 2 package (ament_python) of it; everything else is in pyproject.toml."""

import sys
from glob import glob

from setuptools import Distribution, setup

PACKAGE = "harness"


class PlainDistribution(Distribution):
    """Its values are literals: colcon evaluates their printed form and stumbles over other objects."""

    def parse_config_files(self, *args, **kwargs):
        """Read pyproject.toml and setup.cfg."""
        super().parse_config_files(*args, **kwargs)
        self.python_requires = self.metadata.python_requires = str(self.python_requires)


data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
    (f"share/{PACKAGE}", ["package.xml"]),
    (f"share/{PACKAGE}/launch", sorted(glob("launch/*.launch.py"))),
    (f"share/{PACKAGE}/rig_configs", sorted(glob("rig_configs/*.yaml"))),
]
if any(argument.endswith("_wheel") for argument in sys.argv):
    # Under colcon, setup.cfg puts the command itself there.
    data_files.append((f"lib/{PACKAGE}", [f"resource/run/{PACKAGE}"]))

setup(license="Apache-2.0", data_files=data_files, distclass=PlainDistribution)
