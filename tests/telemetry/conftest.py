"""Budgets to measure with; data of reports on rigs are in the folder of their tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.telemetry.budget import Budgets

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))


@pytest.fixture
def budgets() -> Budgets:
    return Budgets()


@pytest.fixture(params=[False, True], ids=["plain", "nest"])
def nest(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
