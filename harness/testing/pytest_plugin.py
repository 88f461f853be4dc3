"""pytest plug-in: ``pytest --rig rig_configs/x.yaml`` gives a ``rig`` fixture that runs scenarios.

pytest loads this module for everybody who has the package installed: it imports nothing heavy. What a run
needs is in :mod:`harness.testing.rig`, imported when a test asks for the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.testing.rig import RigUnderTest

pytest.register_assert_rewrite("harness.testing.conformance", "harness.testing.device_bench")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the ``rig`` fixture."""
    group = parser.getgroup("harness", "latency compliance bench")
    group.addoption(
        "--rig", metavar="FILE", help="rig file of the `rig` fixture, or its name in rig_configs/"
    )
    group.addoption(
        "--rig-set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change one value of the rig file, e.g. scenarios.command.schedule.rate_hz=100; may be repeated",
    )
    group.addoption("--rig-samples", metavar="N", type=int, help="samples per scenario, for a quick run")
    group.addoption("--rig-out", metavar="DIR", help="where run folders go (default: reports/)")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the rig in the header, where there is one."""
    rig = config.getoption("--rig")
    return [f"rig: {rig}"] if rig else []


@pytest.fixture(scope="session")
def rig(pytestconfig: pytest.Config) -> RigUnderTest:
    """The rig named by ``--rig``: ``rig.run("scenario")`` runs, judges and returns the results."""
    name = pytestconfig.getoption("--rig")
    if not name:
        pytest.fail(
            "the `rig` fixture needs a rig: run `pytest --rig rig_configs/NAME.yaml`"
            " (or put `--rig ...` into addopts of your pytest configuration)",
            pytrace=False,
        )
    from harness.testing.rig import RigUnderTest

    out = pytestconfig.getoption("--rig-out")
    return RigUnderTest(
        rig=str(name),
        overrides=tuple(pytestconfig.getoption("--rig-set")),
        samples=pytestconfig.getoption("--rig-samples"),
        out=(pytestconfig.invocation_params.dir / out) if out else Path(pytestconfig.rootpath) / "reports",
        root=Path(pytestconfig.rootpath),
    )
