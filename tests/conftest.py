"""What all tests share: locks apart from everybody's, a ROS 2 domain, and who may run beside whom."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import domains
import pytest

try:
    from xdist.scheduler import LoadScopeScheduling
except ImportError:  # tests are run without it too
    LoadScopeScheduling = None

ROOT = Path(__file__).parents[1]

# Runs of a rig choose their ROS 2 domain by themselves, and robots in other domains are looked for: whoever
# speaks ROS 2 takes turns.
_SPEAKS_ROS = re.compile(r"mark\.ros\b|ros2_bench|ros_package")


@pytest.fixture(autouse=True, scope="session")
def locks_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rigs are locked machine-wide: not by two workers, nor by the runs of whoever works on this machine."""
    folder = tmp_path_factory.mktemp("locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder))
        yield folder


@pytest.fixture
def ros_domain() -> Iterator[int]:
    """A ROS 2 domain of the test's own; the one after it is its own too."""
    with domains.taken() as domain:
        yield domain


@functools.cache
def _turn(file: str) -> str:
    """Tests of a file share what is made once per module, and those of one turn run one after the other."""
    return "ROS 2" if _SPEAKS_ROS.search((ROOT / file).read_text(encoding="utf-8")) else file


if LoadScopeScheduling is not None:

    class Turns(LoadScopeScheduling):  # type: ignore[misc]
        """Gives whole turns to the workers, those of most tests first."""

        def _split_scope(self, nodeid: str) -> str:
            return _turn(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return Turns(config, log)
