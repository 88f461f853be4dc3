"""docs/results.md names every key of results.json, and no other."""

import re
from pathlib import Path

import pytest

from harness.results import (
    Check,
    ClockResult,
    Dependence,
    Distribution,
    FloorResult,
    HopResult,
    HopsTail,
    Interval,
    MonitorResult,
    RequirementResult,
    Results,
    ScenarioResult,
    StageShare,
    SwarmResult,
    SwarmTrial,
    Trend,
    UncertaintyItem,
)

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
SECTIONS = {
    "The whole file": Results,
    "A requirement": RequirementResult,
    "Dependence": Dependence,
    "A scenario": ScenarioResult,
    "A swarm": SwarmResult,
    "A trial of a swarm": SwarmTrial,
    "A hop": HopResult,
    "A tail": HopsTail,
    "A stage of the tail": StageShare,
    "Uncertainty": UncertaintyItem,
    "Floor": FloorResult,
    "Clocks": ClockResult,
    "A trend": Trend,
    "A distribution": Distribution,
    "A check": Check,
    "A monitor": MonitorResult,
}


def section(title):
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")
    assert rest, f"{PAGE.name} has no section {title!r}"
    return rest.partition("\n## ")[0]


def keys_of(model):
    return {field.serialization_alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_documented_and_no_other(title):
    first_cells = re.findall(r"^\| (`.*?) \|", section(title), flags=re.MULTILINE)
    documented = {key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)}
    assert documented == keys_of(SECTIONS[title])


def test_intervals_are_documented():
    (row,) = re.findall(r"^\| `intervals` \| (.*) \|$", section("A distribution"), flags=re.MULTILINE)
    assert keys_of(Interval) <= set(re.findall(r"`(\w+)`", row))
