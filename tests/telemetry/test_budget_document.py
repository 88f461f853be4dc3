"""The example of the source document, as it stands there."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from harness.telemetry.budget import Budgets
from harness.telemetry.budget import PerformanceBudget as Shared

EXAMPLE = """
from performance_budget import PerformanceBudget

# Every operation has a budget
@PerformanceBudget.measure(max_time_ms=5)
def validate_classification(data, level):
    # Operation must complete in <5ms
    return security_check(data, level)

# Track performance across pillars
PerformanceBudget.report()
"""


@pytest.fixture
def clean() -> object:
    Shared._cells.clear()
    yield Shared
    Shared._cells.clear()


def security_check(data: str, level: int) -> tuple[str, int]:
    return data, level


def test_the_example_runs_as_it_stands(clean: Budgets, capsys: pytest.CaptureFixture[str]) -> None:
    space = {"security_check": security_check, "__name__": "example"}
    exec(EXAMPLE, space)
    assert capsys.readouterr().out == (
        "No operation was measured.\n"
        "1 budget of which nothing was observed: example.validate_classification\n"
    )
    validate = space["validate_classification"]
    assert validate("file", 3) == ("file", 3)  # type: ignore[operator]
    clean.report()
    out = capsys.readouterr().out
    # Operation, average, and the verdict; one call is too little evidence for either.
    assert re.match(r"- example\.validate_classification: [\d.]+ms avg \(INCONCLUSIVE\) 0 of 1 above", out)


def test_its_output_has_the_lines_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    budgets = Budgets()
    for name, limit in (("Security Operations", 5.0), ("Robot Commands", 10.0), ("Compression", 100.0)):
        budgets.define(name, upper=limit)
        for number in range(400):
            budgets.observe(name, limit * (0.8 + 0.0001 * (number * 37 % 400)))
    budgets.define("Late", upper=1.0)
    for number in range(400):
        budgets.observe("Late", 1.5 + 0.0001 * (number * 37 % 400))
    budgets.report()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(")")[0] for line in lines] == [
        "- Security Operations: 4.1ms avg (PASS",
        "- Robot Commands: 8.2ms avg (PASS",
        "- Compression: 82ms avg (PASS",
        "- Late: 1.52ms avg (FAIL",
    ]


def test_what_it_measures_is_the_time_of_the_call() -> None:
    budgets = Budgets()

    @budgets.measure(max_time_ms=1000, name="sleep")
    def sleep() -> None:
        time.sleep(0.02)

    begun = time.perf_counter()
    for _ in range(3):
        sleep()
    around = time.perf_counter() - begun
    line = budgets.results()["sleep"]
    assert line.n == 3 and line.smallest is not None and line.smallest >= 20
    assert 3 * line.mean <= 1e3 * around  # type: ignore[operator]


PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance-budget.md"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_the_examples_of_the_page_run(
    clean: Budgets, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(code) == 5
    exec(compile(code[number], f"{PAGE.name} example {number}", "exec"), {"__name__": "example"})
    assert any(line.n for line in clean.results().lines)


def test_the_page_names_what_there_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for method in re.findall(r"`PerformanceBudget\.(\w+)\(", text):
        assert callable(getattr(Budgets, method)), method
    from harness.telemetry.budget.files import load_budgets

    names = {limits.name for limits in load_budgets(PAGE.parents[1] / "budgets")}
    table = text[text.index("sentence by sentence") :]
    named = set(
        re.findall(r"`((?:security|robotics|maestro|simulation|compression|space|system)\.\w+)`", table)
    )
    assert named == names
