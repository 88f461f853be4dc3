"""Swarms that are broken on purpose, several times each: caught every time, and named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scenarios"))
from test_swarm_runs import run, swarm_of

from harness.model import Verdict

pytestmark = [pytest.mark.soak, pytest.mark.ros]
BROKEN = {
    # Who lies, and what has to be said of it. Robot 5 is last to stand, so that it hardly ever leads itself.
    "split-brain:4": "two leaders in term",
    "dead-leader:3": "robot3 still follows",
    "flapping:5": "robot5 left its leader",
    "slot-twice:3": "is held by",
    "never-reforms:4": "robot4 follows",
    "restless:5": "an election without a fault",
}
CHANGES = ("scenarios.failover.stable_timeout_s=6.0", "scenarios.failover.schedule.warmup=0")


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))


@pytest.mark.parametrize("time", range(5))
@pytest.mark.parametrize(("lie", "words"), BROKEN.items())
def test_a_broken_swarm_is_caught_every_time(tmp_path: Path, lie: str, words: str, time: int) -> None:
    _, results = run(tmp_path, "--misbehave", lie, samples=3, changes=CHANGES)
    assert results.verdict is not Verdict.PASS
    swarm = swarm_of(results)
    said = [*swarm.violations, *(words for each in swarm.trials for words in each.why)]
    assert any(words in each for each in said), (said, results.abort_reason)
    (requirement,) = results.requirements
    assert any(words in reason for reason in requirement.reasons), requirement.reasons


@pytest.mark.parametrize("time", range(3))
def test_a_robot_that_says_nothing_is_named(tmp_path: Path, time: int) -> None:
    _, results = run(tmp_path, "--misbehave", "silent:3", samples=2, changes=CHANGES)
    assert results.verdict is Verdict.ERROR
    assert "robot3" in str(results.abort_reason)
