"""A comparison in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.compare import words
from harness.compare.comparison import Comparison, Scenario
from harness.model import Verdict
from harness.wording import quantile_name

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.ERROR: "bold magenta",
}
SHOWN = {"larger": "red", "smaller": "green", "neither": "dim"}


def show(console: Console, comparison: Comparison) -> None:
    """Sides, cautions, a table for every scenario, what was decided."""
    from rich.text import Text

    chosen = comparison.chosen
    for side, runs in (("A", chosen.a), ("B", chosen.b)):
        where = str(runs[0].path) if len(runs) == 1 else f"{runs[0].path} and {len(runs) - 1} more"
        kind = "simulated" if runs[0].simulated else "REAL"
        console.print(Text.assemble((f"{side}  ", "bold"), f"{where}  ", (kind, "dim")), soft_wrap=True)
    for each in words.cautions(comparison):
        console.print(Text(each, style="yellow"))
    if chosen.left_out:
        console.print(Text(f"left out of the baseline: {len(chosen.left_out)}, see the page", style="dim"))
    for scenario in comparison.scenarios:
        _scenario(console, comparison, scenario)
    for decided in comparison.decided:
        console.print(Text.assemble((decided.verdict.value, STYLES[decided.verdict]), f"  {decided.words}"))
    if comparison.security is not None:
        verdict = comparison.security.verdict
        console.print(
            Text.assemble((verdict.value, STYLES[verdict]), f"  security: {words.acceptance(comparison)}")
        )


def _scenario(console: Console, comparison: Comparison, scenario: Scenario) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print()
    counts = ", ".join(
        f"{side} {n} samples ({100 * lost:.3g} % lost)"
        for side, n, lost in zip("AB", scenario.n, scenario.lost, strict=True)
    )
    console.print(Text.assemble((scenario.name, "bold"), f"  {counts}"))
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name, align in (
        ("", "left"), ("A ms", "right"), ("B ms", "right"), ("change", "right"),
        (f"interval, {100 * comparison.confidence:g} % together", "right"), ("B is", "left"),
    ):  # fmt: skip
        table.add_column(name, justify="right" if align == "right" else "left", no_wrap=True)
    for shift in scenario.shifts:
        relative = words.between(shift.relative, 100.0)
        table.add_row(
            quantile_name(shift.quantile),
            words.milliseconds(shift.a),
            words.milliseconds(shift.b),
            f"{relative[0]} %",
            f"{relative[1]} %",
            Text(words.shown(shift), style=SHOWN[shift.word]),
        )
    console.print(table)
    superior = scenario.effect.superiority
    console.print(
        f"  P(B slower than A) {superior.estimate:.3f} ({superior.low:.3f} to {superior.high:.3f}): "
        f"{scenario.effect.size} effect",
        highlight=False,
    )
    if scenario.foretold is not None:
        far = scenario.effect
        console.print(f"  {words.accuracy(scenario.foretold)}", highlight=False)
        console.print(
            f"  distance of the distributions: Kolmogorov {far.kolmogorov.estimate:.3f} "
            f"({far.kolmogorov.low:.3f} to {far.kolmogorov.high:.3f}), Wasserstein "
            f"{far.wasserstein_ms.estimate:.3g} ms ({far.wasserstein_ms.low:.3g} to "
            f"{far.wasserstein_ms.high:.3g})",
            highlight=False,
        )
        if scenario.foretold.traces is not None:
            console.print(f"  signals: {words.traces(scenario.foretold.traces)}", highlight=False)
