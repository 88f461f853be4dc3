"""The page of a comparison as blocks: what there is to say, for Markdown, HTML and PDF alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.compare import words
from harness.compare.comparison import Comparison, Scenario
from harness.compare.gates import Decided
from harness.history.past import PastRun
from harness.model import Verdict
from harness.report import text as t
from harness.report.blocks import (
    Block,
    Tone,
    bullets,
    cell,
    code,
    figure,
    heading,
    pairs,
    paragraph,
    save,
    table,
)
from harness.wording import quantile_name

if TYPE_CHECKING:
    from harness.compare.sides import Shift

TONES: dict[Verdict, Tone] = {
    Verdict.PASS: "good",
    Verdict.FAIL: "bad",
    Verdict.INCONCLUSIVE: "warn",
    Verdict.ERROR: "bad",
}
SHOWN: dict[str, Tone] = {"larger": "bad", "smaller": "good", "neither": "muted"}
MOST_NAMED = 12
"""Runs of a side, or runs left out, that are named."""
MOST_CHANGED = 40


def blocks(comparison: Comparison, root: Path | None, command: str = "") -> list[Block]:
    """All blocks; pictures are written to ``root`` as SVG, None: without pictures."""
    return [
        *_front(comparison),
        *_decisions(comparison),
        *(
            each
            for number, scenario in enumerate(comparison.scenarios)
            for each in _scenario(comparison, scenario, number, root)
        ),
        *_changed(comparison),
        *_left_out(comparison),
        *_method(comparison, command),
    ]


def title(comparison: Comparison) -> str:
    """Of the whole page."""
    chosen = comparison.chosen
    rigs = list(dict.fromkeys(each.rig for each in [*chosen.a, *chosen.b]))
    return f"{'Simulation against reality' if chosen.sim_to_real else 'Comparison'}: {', '.join(rigs)}"


def _front(comparison: Comparison) -> Iterator[Block]:
    chosen = comparison.chosen
    yield pairs(
        [
            (words.side_kind(comparison, "A"), _runs(chosen.a)),
            (words.side_kind(comparison, "B"), _runs(chosen.b)),
            ("compared", f"{', '.join(chosen.scenarios)}; latency from intent, B against A"),
            ("item", comparison.simulated),
            ("confidence", t.percent(comparison.confidence)),
        ]
    )
    for each in words.cautions(comparison):
        yield paragraph(each, "warn")


def _runs(runs: Sequence[PastRun]) -> str:
    said = [
        f"{each.run_id} ({each.rig}, commit {each.commit_words}, {each.verdict.value})"
        for each in runs[:MOST_NAMED]
    ]
    more = [f"and {len(runs) - MOST_NAMED} more"] if len(runs) > MOST_NAMED else []
    return "\n".join([*said, *more])


def _decisions(comparison: Comparison) -> Iterator[Block]:
    yield heading("Conclusion")
    for scenario in comparison.scenarios:
        yield paragraph(f"{scenario.name}: {words.conclusion(comparison, scenario)}")
        if scenario.foretold is not None:
            yield paragraph(f"{scenario.name}: {words.accuracy(scenario.foretold)}", "strong")
    if comparison.decided:
        yield table(
            [("agreed", "left"), ("scenario", "left"), ("from intent", "right"), ("from sent", "right"),
             ("", "left")],
            [
                [
                    f"--fail-on {each.gate.text}",
                    each.scenario,
                    *_of_gate(each),
                    cell(each.verdict.value, TONES[each.verdict]),
                ]
                for each in comparison.decided
            ],
            "How much larger B is than A. PASS: both intervals are within what is allowed; FAIL: both are "
            "beyond; INCONCLUSIVE: neither.",
        )  # fmt: skip
    if comparison.security is not None:
        yield from _security(comparison)


def _of_gate(each: Decided) -> list[str]:
    unit, factor = ("%", 100.0) if each.gate.relative else ("ms", 1.0)
    return [t.with_unit(words.between(interval, factor)[1], unit) for interval in (each.intent, each.sent)]


def _security(comparison: Comparison) -> Iterator[Block]:
    security = comparison.security
    assert security is not None
    yield heading("Security", 2)
    yield paragraph(words.acceptance(comparison), TONES[security.verdict])
    yield table(
        [("budget", "left"), ("limit", "left"), ("n", "right"), ("", "left"), ("why", "left", 1.0)],
        [
            [
                each.name,
                each.limit,
                t.integer(each.n),
                cell(each.verdict.value, TONES[each.verdict]),
                each.why,
            ]
            for each in security.budgets
        ],
        f"As observed in {security.folder}. An optimisation is accepted only when every security budget "
        "holds in the same comparison.",
    )


def _scenario(comparison: Comparison, scenario: Scenario, number: int, root: Path | None) -> Iterator[Block]:
    yield heading(f"Scenario “{scenario.name}”")
    yield _quantiles(comparison, scenario)
    yield _effect(scenario)
    if root is not None:
        yield from _pictures(comparison, scenario, number, root)


def _quantiles(comparison: Comparison, scenario: Scenario) -> Block:
    lost = [f"{side} {t.integer(n)} samples, {t.percent(share, 3)} lost" for side, n, share in zip(
        "AB", scenario.n, scenario.lost, strict=True)]  # fmt: skip
    return table(
        [("quantile", "left"), ("A, ms", "right"), ("B, ms", "right"), ("B − A, ms", "right"),
         ("interval", "right"), ("change, %", "right"), ("interval", "right"), ("B is", "left")],
        [_row(each) for each in scenario.shifts],
        f"{'; '.join(lost)}. Intervals hold together with {t.percent(comparison.confidence)}.",
    )  # fmt: skip


def _row(shift: Shift) -> list[object]:
    return [
        quantile_name(shift.quantile),
        words.milliseconds(shift.a),
        words.milliseconds(shift.b),
        *words.between(shift.difference),
        *words.between(shift.relative, 100.0),
        cell(words.shown(shift), SHOWN[shift.word]),
    ]


def _effect(scenario: Scenario) -> Block:
    effect = scenario.effect
    rows = [
        ("P(B slower than A)", effect.superiority, 3, "0.5: no effect; ties by halves"),
        ("Cliff's delta", effect.cliffs_delta, 3, f"{effect.size} (Romano et al. 2006)"),
        ("Kolmogorov distance", effect.kolmogorov, 3, "largest distance of the distribution functions"),
        (
            "Wasserstein distance, ms",
            effect.wasserstein_ms,
            t.decimals_for(effect.wasserstein_ms.high, 3),
            f"area between them; a lost sample counts as {t.short(effect.lost_at_ms)} ms",
        ),
    ]
    return table(
        [("effect", "left"), ("value", "right"), ("from", "right"), ("to", "right"), ("", "left", 1.0)],
        [
            [name, *(t.number(value, places) for value in (each.estimate, each.low, each.high)), note]
            for name, each, places, note in rows
        ],
        "How large the difference of the whole distributions is, whether or not it was shown at a quantile.",
    )  # fmt: skip


def _pictures(comparison: Comparison, scenario: Scenario, number: int, root: Path) -> Iterator[Block]:
    from harness.compare import figures  # matplotlib takes a second to import

    names = words.side_name(comparison, "A"), words.side_name(comparison, "B")
    said = words.conclusion(comparison, scenario)
    yield figure(
        save(root, f"distributions-{number}", figures.distributions(scenario, names)),
        f"Complementary distribution functions of {names[0]} and {names[1]}. {said}",
        "Share of stimuli that took longer than x (complementary ECDF with a logarithmic tail, lost ones "
        "included)." + (" A line for every run." if max(map(len, scenario.curves)) > 1 else ""),
    )
    if scenario.plotted:
        alt = "; ".join(
            f"{quantile_name(each.quantile)} {words.between(each.difference)[0]} ms"
            for each in scenario.plotted
        )
        yield figure(
            save(root, f"shifts-{number}", figures.shifts(scenario.plotted)),
            f"Shift of quantiles from A to B: {alt}",
            "Shift of every quantile from A to B with its interval. Above the dashed line B is slower. "
            f"Triangles: shown, each by itself with {t.percent(comparison.confidence)}; circles: not shown.",
        )
    if scenario.foretold is not None and scenario.foretold.traces is not None:
        found = scenario.foretold.traces
        yield figure(
            save(root, f"signals-{number}", figures.signals(found)),
            f"Mean signal of {found.port} after a stimulus, real and simulated. {words.traces(found)}",
            f"Signal of {found.port} after a stimulus: mean, tenth to ninth decile of the trials; level at "
            f"the stimulus taken off, turned upwards. {words.traces(found)}",
        )


def _changed(comparison: Comparison) -> Iterator[Block]:
    yield heading("What else changed")
    rows = list(comparison.changed.items())
    if not rows:
        yield paragraph("Nothing that is recorded differs between A and B.", "muted")
        return
    chosen = comparison.chosen
    which = "" if len(chosen.a) == len(chosen.b) == 1 else " Of the last run of A and the first of B."
    more = f" {len(rows) - MOST_CHANGED} more are in the JSON." if len(rows) > MOST_CHANGED else ""
    yield table(
        [("what", "left"), ("A", "left", 1.0), ("B", "left", 1.0)],
        [
            [name, t.cut(a, 120) or t.MISSING, t.cut(b, 120) or t.MISSING]
            for name, (a, b) in rows[:MOST_CHANGED]
        ],
        f"What was recorded and differs: it may explain a difference, and need not.{which}{more}",
    )


def _left_out(comparison: Comparison) -> Iterator[Block]:
    left_out = comparison.chosen.left_out
    if not left_out:
        return
    yield heading("Runs left out of the baseline")
    yield bullets(f"{run.run_id}: {reason}" for run, reason in left_out[:MOST_NAMED])
    if len(left_out) > MOST_NAMED:
        yield paragraph(f"and {len(left_out) - MOST_NAMED} more", "muted")


def _method(comparison: Comparison, command: str) -> Iterator[Block]:
    yield heading("How it was compared")
    yield paragraph(words.method(comparison))
    if command:
        yield code(command, "The command that repeats it")
