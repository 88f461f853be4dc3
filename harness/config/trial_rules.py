"""What has to fit together where stimuli go one at a time, and where an answer is an onset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.config.explain import Refusal
from harness.config.match import UNKEYED, Match, commanded_field
from harness.config.measuring import CommandRoundTrip, Paced, Trials
from harness.config.problems import DataPath
from harness.config.values import expand_variants, return_set, violations
from harness.errors import ConfigurationError


def trial_rules(
    path: DataPath,
    scenario: CommandRoundTrip,
    match: Match,
    values: Mapping[str, Any],
    limits: Mapping[str, float],
) -> Iterator[Refusal]:
    """Refusals of one scenario. ``values`` and ``limits``: of its stimulus port and device, as written."""
    schedule = scenario.schedule
    if isinstance(schedule, Paced):
        if match.kind in UNKEYED:
            yield Refusal(
                (*path, "schedule", "kind"),
                f"must be trials: {scenario.response} matches by {match.kind}, so only one stimulus may be"
                " outstanding",
            )
        if scenario.return_values:
            yield Refusal(
                (*path, "return_values"), "go with a schedule of trials, not with a paced one", True
            )
        return
    if schedule.rest == "none" and match.kind != "onset":
        yield Refusal((*path, "schedule", "rest"), f"`none` goes with a match by onset, not by {match.kind}")
    yield from _return(path, scenario, values, limits)
    if match.kind == "onset":
        yield from _onset(path, scenario, schedule, match, values)


def _return(
    path: DataPath, scenario: CommandRoundTrip, values: Mapping[str, Any], limits: Mapping[str, float]
) -> Iterator[Refusal]:
    if scenario.return_values:
        for key, message in dict(violations(limits, return_set(values, scenario.return_values))).items():
            if key in scenario.return_values:
                yield Refusal((*path, "return_values", key), message)


def _onset(
    path: DataPath, scenario: CommandRoundTrip, schedule: Trials, match: Match, values: Mapping[str, Any]
) -> Iterator[Refusal]:
    still = schedule.quiet_ms if schedule.rest == "still" else 0.0
    before = still + schedule.dwell_ms[0]
    if before < match.rest_ms:
        what = "quiet_ms + the shortest dwell_ms" if still else "the shortest dwell_ms"
        yield Refusal(
            (*path, "schedule", "quiet_ms" if still else "dwell_ms"),
            f"{what} is {before:g} ms, less than the rest_ms of {scenario.response}, {match.rest_ms:g} ms:"
            " the trial before would reach into the window in which rest is learnt",
        )
    try:
        variants = expand_variants(values)
    except ConfigurationError:
        return  # said of the port
    if scenario.return_values:
        variants = [*variants, return_set(values, scenario.return_values)]
    if len(variants) == 1:
        yield Refusal(
            (*path, "return_values"),
            f"needed: {scenario.stimulus} always sends the same, so that after the first trial nothing"
            " departs; or give it values that `alternate`",
            True,
        )
    elif match.direction == "with_command":
        try:
            commanded_field(variants, match.field)
        except ConfigurationError as error:
            message = f"{error.message}; {error.hint}" if error.hint else error.message
            yield Refusal((*path, "response"), f"{scenario.response}: {message}")
