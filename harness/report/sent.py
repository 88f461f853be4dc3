"""What the stimuli of a scenario were set to, in words: of changing fields each value, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report import text as t

MOST_WORDS = 400
"""Characters; values beyond are in run.json."""


def sent_values(run: Mapping[str, Any], scenario: str) -> list[tuple[str, str]]:
    """Rows of one scenario, as ``variants`` of run.json have them; with values that count from what was
    observed, these are the numbers that were sent. Empty where none is known."""
    for entry in run.get("scenarios") or []:
        if entry.get("name") == scenario:
            variants = list(entry.get("variants") or [])
            back = variants.pop() if _returns(run, scenario) and len(variants) > 1 else {}
            fields = dict.fromkeys(field for variant in variants for field in variant)
            rows = [(f"Sent: {field}", _words([each.get(field) for each in variants])) for field in fields]
            changed = [field for field in back if any(each.get(field) != back[field] for each in variants)]
            return rows + [(f"After each trial: {field}", _value(back[field])) for field in changed]
    return []


def _returns(run: Mapping[str, Any], scenario: str) -> bool:
    """Whether the last of its value sets is the one that brings the robot back."""
    spec = t.section(run, "rig", "resolved", "scenarios", scenario)
    trials = t.section(spec, "schedule").get("kind") == "trials"
    return trials and bool(spec.get("return_values") or spec.get("kind") == "sensor_to_action")


def _words(values: list[Any]) -> str:
    told = [_value(value) for value in values]
    different = list(dict.fromkeys(told))
    words = " · then ".join(different)
    if len(words) > MOST_WORDS:
        words = f"{words[:MOST_WORDS]} ... ({len(different)} values in all, see run.json)"
    return words


def _value(value: Any) -> str:
    if isinstance(value, float):
        return t.short(round(value, 6))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{field}: {_value(inner)}" for field, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return t.scalar(value)
