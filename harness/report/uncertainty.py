"""Measurement uncertainty in the report: U item by item, the floor J apart from it, other clocks."""

from __future__ import annotations

from collections.abc import Iterable

from harness.report import text as t
from harness.report.blocks import Block, Column, bullets, cell, heading, pairs, paragraph, table
from harness.report.measured import largest_note
from harness.results import (
    ClockResult,
    FloorResult,
    RequirementResult,
    Results,
    UncertaintyItem,
)
from harness.wording import threshold_unit

_STAMPED = "the device's own stamp"
"""How a scenario with ``arrival: stamp`` says what its arrival is."""


def uncertainty(results: Results) -> list[Block]:
    """The section on uncertainty: budget, floor, thresholds, clocks."""
    return [*_budget(results), *_floor(results), *_decided_at(results), *_clocks(results)]


def _budget(results: Results) -> list[Block]:
    blocks: list[Block] = [heading("Uncertainty budget", 2)]
    if not results.uncertainty:
        return [
            *blocks,
            paragraph("The two-sided uncertainty U was not evaluated in this run: U = 0 is used."),
        ]
    blocks.append(
        paragraph(
            "What may be wrong in either direction is combined to the expanded uncertainty U (k = 2, JCGM "
            "100). It narrows both decisions: a limit on latency passes at limit − U and fails at limit + U "
            "+ J, J being the floor below. What lies between is not decided."
        )
    )
    for names, items in _alike(results.uncertainty):
        columns: list[Column] = [
            (f"{', '.join(names)}: contribution in ms", "left", 1.3),
            ("± a", "right"),
            ("Distribution", "left", 1.1),
            ("Standard u", "right"),
            ("At k = 2", "right"),
            ("Source", "left", 1.8),
        ]
        rows = [_item(item, last=place == len(items) - 1) for place, item in enumerate(items)]
        blocks.append(table(columns, rows))
    return blocks


def _decided_at(results: Results) -> list[Block]:
    lines = [line for each in results.requirements if (line := _thresholds(each, results.floors))]
    return [heading("Thresholds", 2), bullets(lines)] if lines else []


def _alike(items: Iterable[UncertaintyItem]) -> list[tuple[list[str], list[UncertaintyItem]]]:
    """Budgets by requirement; requirements with the same budget share one."""
    of: dict[str, list[UncertaintyItem]] = {}
    for item in items:
        of.setdefault(item.requirement, []).append(item)
    found: list[tuple[list[str], list[UncertaintyItem]]] = []
    for name, budget in of.items():
        bare = [item.model_copy(update={"requirement": ""}) for item in budget]
        for names, known in found:
            if known == bare:
                names.append(name)
                break
        else:
            found.append(([name], bare))
    return found


def _item(item: UncertaintyItem, *, last: bool) -> list[dict[str, str]]:
    figures = [_ms(value) for value in (item.half_width_ms, item.standard_ms, item.share_ms)]
    texts = [item.name, figures[0], item.distribution, *figures[1:], item.source]
    return [cell(text, "strong" if last else "plain") for text in texts]


def _ms(value: float | None) -> str:
    return "unbounded" if value is None else t.number(value, t.decimals_for(value, 3))


def _thresholds(requirement: RequirementResult, floors: Iterable[FloorResult]) -> str:
    """The arithmetic of one requirement's thresholds, in its own unit."""
    u, j = requirement.uncertainty, requirement.floor
    if u is None and j is None:
        return ""
    unit = threshold_unit(requirement)

    limit = f"limit {t.with_unit(t.short(requirement.limit), unit)}"
    if requirement.within_ms is not None:
        limit = f"within {t.with_unit(t.short(requirement.within_ms), unit)}"

    # A floor among whose answers some are missing has no largest value: JSON knows no infinity.
    lost = any(floor.scenario == requirement.scenario and floor.lost for floor in floors)
    no_floor = "unbounded, as loopback answers were lost" if lost else "not measured"

    def shown(value: float | None, none: str) -> str:
        return none if value is None else t.with_unit(t.number(value), unit)

    return (
        f"{requirement.id}: {limit}, U = "
        f"{shown(u, 'not evaluated')}, J = {shown(j, no_floor)}: PASS is decided at "
        f"{shown(requirement.pass_threshold, 'no threshold')}, FAIL at "
        f"{shown(requirement.fail_threshold, 'no threshold')}."
    )


def _floor(results: Results) -> list[Block]:
    blocks: list[Block] = [heading("Floor of the harness", 2)]
    if not results.floors:
        return [*blocks, paragraph("The floor J was not measured in this run: J = 0 is used.")]
    blocks.append(
        paragraph(
            "What the harness measures with nothing but itself in the loop, before and after the run, at the "
            "scenario's rate. It only ever adds to a latency. It is never subtracted from anything and is no "
            "part of U: it is added to the limit before a FAIL, so that the harness's own share cannot fail "
            "an item. How J was taken from it is below, for each requirement."
        )
    )
    stamped = [name for name, each in results.scenarios.items() if _STAMPED in each.arrival_is]
    if stamped:
        blocks.append(
            paragraph(
                f"{', '.join(stamped)}: the arrival is the device's own stamp, but the floor was measured "
                "up to "
                "the arrival at the host, way back included. J is therefore too large rather than too small, "
                "which can cost a decision and makes none wrong."
            )
        )
    for floor in results.floors:
        blocks.append(_floor_table(floor))
    rows = [[each.id, *_how_j(each)] for each in results.requirements]
    caption = "J as it entered the decision; it bears on latency, jitter and the time of a ratio."
    columns: list[Column] = [("Requirement", "left"), ("J", "right"), ("How it was taken", "left", 1)]
    return [*blocks, *([table(columns, rows, caption)] if rows else [])]


def _how_j(requirement: RequirementResult) -> tuple[str, str]:
    """J and what it is, in the words of the decision."""
    if requirement.quantity in ("loss_rate", "rate_hz"):
        return t.MISSING, "does not enter: no time is compared with the limit"
    said = next((line for line in requirement.decision if line.startswith(("J = ", "J: "))), "")
    how = said.partition(", ")[2] if said.startswith("J = ") else said.removeprefix("J: ")
    value = t.with_unit(t.number(requirement.floor), threshold_unit(requirement))
    return value, how or "not measured, taken as 0"


def _floor_table(floor: FloorResult) -> Block:
    columns: list[Column] = [
        (f"{floor.scenario}, in ms", "left", 1),
        ("n", "right"),
        ("p50", "right"),
        ("p99", "right"),
        ("p99.9", "right"),
        ("max", "right"),
    ]
    rows = []
    for name, part in (("before", floor.before), ("after", floor.after), ("together", floor.together)):
        last = "strong" if name == "together" else "plain"
        figures = [(part.p50, 0.5), (part.p99, 0.99), (part.p99_9, 0.999)]
        quantiles = [t.quantile(part, value, q) for value, q in figures]
        texts = [name, t.integer(part.n), *quantiles, t.number(part.max)]
        rows.append([cell(text, last) for text in texts])  # type: ignore[arg-type]
    size = f", {t.plural(floor.message_bytes, 'byte')} a message" if floor.message_bytes is not None else ""
    return table(
        columns,
        rows,
        f"In the loop: {floor.what}; {t.with_unit(t.short(floor.rate_hz), 'Hz')}{size}. "
        f"{t.integer(floor.lost)} of {t.integer(floor.n)} lost; n counts the answered ones. "
        f"–: a quantile among the lost, or not taken.{largest_note(rows)}",
    )


def _clocks(results: Results) -> list[Block]:
    """Other clocks. Those of the floor are the harness's own; one that no requirement needs undoes none."""
    blocks: list[Block] = []
    for clock in results.clocks:
        if clock.name.startswith("_"):
            continue
        needed = _needed(clock, results)
        blocks += [
            heading(f"Clock “{clock.name}” against the host's", 2),
            pairs(_clock(clock, needed=needed)),
        ]
        stated = [line for line in clock.words if line not in clock.problems]
        blocks += [bullets(stated)] if stated else []
        if needed:
            blocks += [paragraph(f"Not usable: {problem}", "bad") for problem in clock.problems]
        else:
            blocks += [paragraph(f"No requirement needs this clock. {problem}") for problem in clock.problems]
    return blocks


def _needed(clock: ClockResult, results: Results) -> bool:
    """Whether a scenario takes its arrivals from that clock, or a check of a requirement is about it."""
    checks = [check for requirement in results.requirements for check in requirement.checks]
    return any(f"clock {clock.name}," in f"{each.arrival_is}," for each in results.scenarios.values()) or any(
        check.name == "clock" and clock.name in check.value and not check.ok for check in checks
    )


def _clock(clock: ClockResult, *, needed: bool) -> list[tuple[str, str]]:
    unusable = "no: requirements that need it are undecided" if needed else "no, and no requirement needs it"
    rows = [
        ("Usable for a verdict", "yes" if clock.usable else unusable),
        ("Exchanges", t.integer(clock.exchanges)),
        ("Smallest round trip", t.with_unit(t.number(clock.round_trip_min_ms), "ms")),
        (
            "Offset known within",
            "no bound" if clock.bound_ms is None else f"± {t.number(clock.bound_ms)}{t.NARROW}ms",
        ),
    ]
    if clock.drift_ppm is not None:
        low, high = clock.drift_ppm
        rows.append(("Drift", f"{t.number(low, 2)} to {t.number(high, 2)}{t.NARROW}ppm"))
    if clock.asymmetry is not None:
        evidence = clock.evidence or "none given"
        rows.append(
            (
                "Asymmetry of the way",
                f"{t.short(clock.asymmetry)}, as declared: assumed, not observable from exchanges. "
                f"Evidence: {evidence}",
            )
        )
    return rows
