"""What makes a ROS 2 package (ament_python) of it; everything else is in pyproject.toml."""

import sys
from glob import glob
from pathlib import Path

from setuptools import Distribution, setup

PACKAGE = "harness"


class ColconDistribution(Distribution):
    """What colcon can build."""

    def parse_config_files(self, *args, **kwargs):
        """Read setup.cfg and pyproject.toml."""
        # For --symlink-install colcon makes a folder of links that has no pyproject.toml.
        pyproject = Path(__file__).resolve().parent / "pyproject.toml"
        super().parse_config_files([*self.find_config_files(), str(pyproject)], *args[1:], **kwargs)
        # colcon evaluates the printed form of all values and stumbles over objects that are no literals.
        self.python_requires = self.metadata.python_requires = str(self.python_requires)


data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
    (f"share/{PACKAGE}", ["package.xml"]),
    (f"share/{PACKAGE}/launch", sorted(glob("launch/*.launch.py"))),
    (f"share/{PACKAGE}/rig_configs", sorted(glob("rig_configs/*.yaml"))),
    (f"share/{PACKAGE}/rig_configs/gazebo", sorted(glob("rig_configs/gazebo/*.sdf"))),
    (f"share/{PACKAGE}/budgets", sorted(glob("budgets/*.yaml"))),
]
if any(argument.endswith("_wheel") for argument in sys.argv):
    # Under colcon, setup.cfg puts the command itself there.
    data_files.append((f"lib/{PACKAGE}", [f"resource/run/{PACKAGE}"]))

setup(license="Apache-2.0", data_files=data_files, distclass=ColconDistribution)
