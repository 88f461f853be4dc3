"""Budgets in files: the catalogue, and mistakes told at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigurationError
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.files import BudgetFileError, load_budgets
from harness.telemetry.budget.limits import PILLARS, Limits

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "budgets"

GOOD = """pillar: security
budgets:
  security.check:
    text: one check
    unit: ms
    upper: 5
"""


def test_the_catalogue_has_the_universal_targets_of_the_source_document() -> None:
    found = {each.name: each for each in load_budgets(CATALOGUE)}

    def limits(name: str) -> tuple[float | None, float | None, str]:
        return found[name].lower, found[name].upper, found[name].unit

    assert limits("system.realtime_operation") == (None, 1, "ms")
    assert limits("security.validation") == (None, 5, "ms")
    assert limits("compression.ratio") == (0.4, 0.6, "1")
    assert limits("compression.time") == (None, 100, "ms")
    assert limits("robotics.command_response") == (None, 10, "ms")
    assert limits("simulation.training") == (None, 30, "min")
    assert limits("robotics.swarm_reorganization") == (None, 50, "ms")


def test_the_catalogue_has_all_pillars_and_every_entry_says_what_it_is() -> None:
    found = load_budgets(CATALOGUE)
    assert {each.pillar for each in found} == set(PILLARS)
    for each in found:
        assert each.text and each.measured and each.unit and each.judged, each.name
        # Where the source document has no figure, nobody may take ours for one of its.
        assert "source document" in each.origin and ("assumed" in each.origin or '"' in each.origin or
                                                     "that of" in each.origin), each.name  # fmt: skip
        assert each.name.startswith(each.pillar + "."), each.name


def test_code_carries_names_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    budgets = Budgets(reports=None)

    @budgets.measure(name="security.check")
    def check() -> None: ...

    check()
    assert budgets.load(file) == ["security.check"]
    check()
    line = budgets.results()["security.check"]
    assert line.judged[0].n == 2 and line.limits.upper == 5 and line.limits.pillar == "security"
    assert line.limits.source == f"{file}:3"
    assert budgets.load(file) == ["security.check"]  # the same again is no contradiction


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("upper: 5", "uper: 5"), 6, r"unknown key; did you mean 'upper'\?"),
        (("upper: 5", "upper: fast"), 6, "must be a number, not the text 'fast'"),
        (("upper: 5", "upper: 5\n    quantile: 99"), 7, "must be less than 1, not 99"),
        (("upper: 5", "upper: 5\n    lower: 7"), 3, "lower limit 7 is not below the upper limit 5"),
        (("upper: 5", "upper: 0"), 3, "nothing takes no time"),
        (("    upper: 5\n", ""), 3, "needs a limit: upper, lower, or both"),
        (("    unit: ms\n", ""), 3, "this key is missing"),
        (("security.check:", "security check:"), 3, "must be a name of letters, digits, dots"),
        (("pillar: security\n", ""), 1, "this key is missing"),
        (
            ("upper: 5", "upper: 5\n    rig: {kind: swarm, quantity: latency}"),
            7,
            "'swarm' is not known; valid here: command_round_trip",
        ),
        (("budgets:", "budgets: ["), 4, "not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_file_line_value_and_what_was_meant(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace(*change))
    with pytest.raises(BudgetFileError, match=said) as caught:
        load_budgets(file)
    assert caught.value.problems[0].line == line, str(caught.value)
    assert str(file) in str(caught.value)


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace("upper: 5", "uper: 5\n    quantile: 2\n    unit2: ms"))
    with pytest.raises(BudgetFileError) as caught:
        load_budgets(file)
    assert len(caught.value.problems) == 3


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file or folder"):
        load_budgets(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"no file of budgets in it[\s\S]*\.yaml"):
        load_budgets(tmp_path)
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    with pytest.raises(
        ConfigurationError, match=r"b\.yaml:3: budget 'security\.check' is in .*a\.yaml:3, too"
    ):
        load_budgets(tmp_path)
    (tmp_path / "b.yaml").write_text("- a list\n")
    with pytest.raises(BudgetFileError, match="is a mapping with the keys pillar and budgets"):
        load_budgets(tmp_path)


def test_a_file_and_code_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    budgets = Budgets(reports=None)
    budgets.define("security.check", upper=7)
    with pytest.raises(ConfigurationError, match=r"at most 7 ms.*cannot be at most 5 ms.*mine\.yaml:3"):
        budgets.load(file)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"quantile": 1.0}, "quantile 1 is not between 0 and 1"),
        ({"confidence": 95}, "confidence 95 is not between"),
        ({"upper": float("nan")}, "not a finite number"),
        ({"upper": 1, "lower": 2}, "is not below"),
        ({"longest_disturbance": 0}, "longest disturbance of 0"),
    ],
)
def test_limits_that_make_no_sense(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Limits("x", **{"upper": 5.0, **wrong})  # type: ignore[arg-type]


def test_the_catalogue_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "security.validation" in Budgets(reports=None).load()
    (tmp_path / "budgets").mkdir()
    (tmp_path / "budgets" / "mine.yaml").write_text(GOOD)
    assert Budgets(reports=None).load() == ["security.check"]  # the nearest comes first
