"""What has to fit together where stimuli go one at a time, and where an answer is an onset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.config.explain import Refusal
from harness.config.in_time import RampOver
from harness.config.match import UNKEYED, Match, commanded_field
from harness.config.measuring import Background, CommandRoundTrip, ScenarioBase, SensorToAction
from harness.config.problems import DataPath
from harness.config.schedules import OpenLoop, Replay, Trials
from harness.config.values import back_set, expand_variants, offsets, return_set, sent_values, violations
from harness.errors import ConfigurationError


def trial_rules(
    path: DataPath,
    scenario: ScenarioBase,
    match: Match,
    values: Mapping[str, Any],
    limits: Mapping[str, float],
    background: Background | None = None,
) -> Iterator[Refusal]:
    """Refusals of one scenario. ``values``, ``background`` and ``limits``: of its stimulus port and device,
    as written."""
    schedule = scenario.schedule
    if isinstance(scenario, SensorToAction):
        yield from _sensor(path, scenario, values, limits)
        yield from _ramps(path, scenario, values, background)
    if background is not None:
        yield from _background(path, scenario, match)
    if isinstance(schedule, Replay) and isinstance(scenario, SensorToAction):
        yield Refusal(
            (*path, "kind"),
            "must be command_round_trip: a replay sends what was recorded, `stimulus_values` are not in it",
        )
    if isinstance(schedule, OpenLoop):
        if match.kind in UNKEYED:
            yield Refusal(
                (*path, "schedule", "kind"),
                f"must be trials: {scenario.response} matches by {match.kind}, so only one stimulus may be"
                " outstanding",
            )
        if scenario.returns:
            yield Refusal(
                (*path, "return_values"), f"go with a schedule of trials, not with {schedule.kind}", True
            )
        return
    if schedule.rest == "none" and match.kind != "onset":
        yield Refusal((*path, "schedule", "rest"), f"`none` goes with a match by onset, not by {match.kind}")
    if isinstance(scenario, CommandRoundTrip):
        yield from _return(path, scenario, values, limits)
    if match.of_signal:
        yield from _onset(path, scenario, schedule, match, values)


def _return(
    path: DataPath, scenario: CommandRoundTrip, values: Mapping[str, Any], limits: Mapping[str, float]
) -> Iterator[Refusal]:
    if scenario.return_values:
        for key, message in dict(violations(limits, return_set(values, scenario.return_values))).items():
            if key in scenario.return_values:
                yield Refusal((*path, "return_values", key), message)


def _sensor(
    path: DataPath, scenario: SensorToAction, values: Mapping[str, Any], limits: Mapping[str, float]
) -> Iterator[Refusal]:
    here: DataPath = (*path, "stimulus_values")
    try:
        rest, sent = expand_variants(values), expand_variants(sent_values(scenario, values))
    except ConfigurationError as error:
        yield Refusal(here, error.message, True)
        return
    if len(rest) > 1:
        yield Refusal(
            here,
            f"the values of {scenario.stimulus} change by themselves; at rest a sensor shows the same",
            True,
        )
        return
    if rest[0] in sent:
        yield Refusal(here, f"show the same as the values of {scenario.stimulus} do at rest", True)
    wrong: dict[str, str] = {}
    for variant in sent:
        for key, message in violations(limits, variant):
            wrong.setdefault(key, message)
    for key, message in wrong.items():
        if key in scenario.stimulus_values:
            yield Refusal((*here, key), message)


def _ramps(
    path: DataPath, scenario: SensorToAction, values: Mapping[str, Any], background: Background | None
) -> Iterator[Refusal]:
    for field, value in scenario.stimulus_values.items():
        if not isinstance(value, RampOver):
            continue
        here: DataPath = (*path, "stimulus_values", field, "ramp_over")
        rest, ramp = values.get(field), value.ramp_over
        if isinstance(rest, bool) or not isinstance(rest, (int, float)):
            yield Refusal(
                here, f"needs a number for {field} among the values of {scenario.stimulus}: its begin"
            )
        elif background is None:
            yield Refusal(here, f"needs `background` at {scenario.stimulus}: its messages make the ramp")
        elif ramp.messages * 1e3 / background.rate_hz > scenario.timeout_ms:
            lasts = ramp.messages * 1e3 / background.rate_hz
            yield Refusal(
                (*here, "messages"),
                f"take {lasts:g} ms at {background.rate_hz:g} Hz, longer than timeout_ms,"
                f" {scenario.timeout_ms:g}: no trial would show the ramp to its end",
            )


def _background(path: DataPath, scenario: ScenarioBase, match: Match) -> Iterator[Refusal]:
    if not isinstance(scenario, SensorToAction):
        yield Refusal(
            (*path, "kind"),
            f"must be sensor_to_action: {scenario.stimulus} has a `background`, which is of sensors",
        )
    elif match.keyed:  # what carries no key goes with trials, and that is said elsewhere
        yield Refusal(
            (*path, "response"),
            f"{scenario.response} matches by {match.kind}, so that every message of the background of"
            f" {scenario.stimulus} would be answered; match by onset, or leave `background` out",
        )


def _onset(
    path: DataPath, scenario: ScenarioBase, schedule: Trials, match: Match, values: Mapping[str, Any]
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
        variants = [offsets(each) for each in expand_variants(sent_values(scenario, values))]
        back = offsets(back_set(scenario, values))
    except ConfigurationError:
        return  # said of the port
    if back is not None:
        variants = [*variants, back]
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
