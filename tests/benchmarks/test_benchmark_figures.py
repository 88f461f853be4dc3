"""The arithmetic that all benchmarks share, and their command line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.figures import Figure, Outcome, interleave, middle, ratio, table


def test_a_figure_is_met_at_its_target_and_not_above() -> None:
    assert [Figure("f", value, "s", 2.0).met for value in (1.9, 2.0, 2.1)] == [True, True, False]
    assert Figure("f", 2.0, "s").met is None
    assert Figure("f", math.inf, "s", 2.0).met is False
    assert Figure("f", math.nan, "s", 2.0).met is False


def test_arms_take_turns_and_every_other_turn_is_reversed() -> None:
    order: list[str] = []

    def arm(name: str) -> int:
        order.append(name)
        return len(order)

    found = interleave({"a": lambda: arm("a"), "b": lambda: arm("b"), "c": lambda: arm("c")}, 3)
    assert "".join(order) == "abccbaabc"
    assert found == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [([1.0, 9.0, 2.0], [4.0, 4.0, 400.0], 0.5), ([3.0], [0.0], math.inf), ([math.inf], [1.0], math.inf)],
)
def test_a_ratio_is_that_of_the_medians(
    ours: Sequence[float], theirs: Sequence[float], expected: float
) -> None:
    assert ratio(ours, theirs) == expected


def test_the_median_of_an_even_number_is_halfway() -> None:
    assert middle([4.0, 1.0, 3.0, 2.0]) == 2.5


def test_the_table_says_what_was_met_missed_and_missing() -> None:
    figures = [Figure("fast", 1.0, "s", 2.0, 0.25), Figure("slow", 3.0, "s", 2.0), Figure("plain", 5.0, "s")]
    lines = table([Outcome("one", figures, ["no peer"])]).splitlines()
    fast, slow, plain = lines[2:5]
    assert "met" in fast and "MISSED" not in fast and fast.endswith("0.25")
    assert "MISSED" in slow and "<= 2" in slow
    assert "<=" not in plain and "met" not in plain
    assert lines[-1] == "missing: no peer"


def test_an_unknown_benchmark_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["latenes"]) == 2
    told = capsys.readouterr().err
    assert "'latenes'" in told and all(name in told for name in command.NAMES)


@pytest.mark.parametrize(("value", "status"), [(1.0, 0), (3.0, 1)])
def test_the_exit_status_tells_whether_targets_are_met(
    value: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    class Fake:
        @staticmethod
        def run(quick: bool) -> Outcome:
            asked.append(quick)
            return Outcome("fake", [Figure("f", value, "s", 2.0), Figure("g", 9.0, "s")], raw={"blocks": [1]})

    monkeypatch.setattr(command.importlib, "import_module", lambda name: Fake)
    monkeypatch.setattr(command, "host", lambda: {"host": {"cpus": 2}})
    monkeypatch.setenv("HARNESS_LOCK_DIR", "somewhere")
    file = tmp_path / "figures.json"
    assert command.main(["recording", "--quick", "--json", str(file)]) == status
    document = json.loads(file.read_text())
    assert asked == [True] and document["quick"] is True
    assert document["benchmarks"][0]["figures"][0]["value"] == value
    assert document["benchmarks"][0]["raw"] == {"blocks": [1]}


def test_every_name_is_a_benchmark() -> None:
    here = Path(command.__file__).parent
    assert [
        name
        for name in command.NAMES
        if "def run(quick: bool) -> Outcome" not in (here / f"{name}.py").read_text()
    ] == []
