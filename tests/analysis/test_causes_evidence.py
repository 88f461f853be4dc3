"""The cause of recorded runs is named first: each file is from one run of ``tests/soak/cause_bench.py``."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.results_causes import Bottlenecks

HERE = Path(__file__).parent / "causes_evidence"
WANTED = {
    "hog_on_the_robots_core": ("run-queue delay", "robot"),
    "hog_on_the_harnesss_core": ("run-queue delay", "harness"),
    "memory_pressure": ("memory pressure", "robot"),
    "paused_process": ("stopped process", "robot"),
    "slow_link": ("slow link", ""),
    "garbage_collection": ("garbage collection", "harness"),
    "periodic_task": ("periodic task", "robot"),
    "latency_timer": ("latency timer", ""),
}
CLEAN = ("clean", "clean_2")


def loader() -> Callable[[Path], Bottlenecks]:
    path = Path(__file__).parents[1] / "soak" / "cause_evidence.py"
    spec = importlib.util.spec_from_file_location("cause_evidence", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault("cause_evidence", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    found: Callable[[Path], Bottlenecks] = module.load
    return found


def test_every_recorded_run_is_looked_at() -> None:
    assert {each.stem for each in HERE.glob("*.npz")} == {*WANTED, *CLEAN}


@pytest.mark.parametrize("name", list(WANTED))
def test_the_cause_that_was_injected_is_named_first(name: str) -> None:
    found = loader()(HERE / f"{name}.npz")
    first = found.causes[0]
    assert (first.kind, first.subject) == WANTED[name]
    assert first.actions, "a cause without anything to do about it"
    for action in first.actions:
        assert action.command and action.expected and action.verify and action.caution
    if name in ("hog_on_the_robots_core", "hog_on_the_harnesss_core"):
        assert first.culprit.startswith("cause_inject.py")
        assert str(first.culprit_pid) in first.actions[0].command
    if name == "periodic_task":
        assert "every 100 ms" in first.words
    if name == "latency_timer":
        assert "16 ms" in first.words
        assert "latency_timer" in first.actions[0].command


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_run_has_no_clear_cause(name: str) -> None:
    found = loader()(HERE / f"{name}.npz")
    assert found.causes == []
    assert any(words.startswith("no clear cause") for words in found.words)
