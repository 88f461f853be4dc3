"""Onsets of commands: every value is an act of the robot, so that nothing goes on between two of them."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_data import MS, monotonic_only, observations, stimuli

from harness.analysis.onset_known import onset_items, with_declared
from harness.analysis.samples import Sampled, build, latency_ms
from harness.analysis.summaries import _match_words
from harness.config.match import Match

SENT = (400 * MS, 900 * MS)
COMMANDS_MS = np.arange(0.0, 1300.0, 20.0) + 7.0
"""A loop at 50 Hz."""
STOPS_MS = ((427.0, 640.0), (907.0, 1140.0))


def found(**options: object) -> Sampled:
    at, speed = COMMANDS_MS, np.full(len(COMMANDS_MS), 0.2)
    for begin, end in STOPS_MS:
        speed[(at >= begin) & (at < end)] = 0.0
    seen = observations(None, np.round(COMMANDS_MS * MS).astype(np.int64), value=speed)
    rule = Match.model_validate(
        {"kind": "onset", "direction": "falling", "threshold": 0.05, "interpolate": False, "rest_ms": 150.0}
        | options
    )
    return build(stimuli(list(SENT)), seen, monotonic_only(), rule, 300 * MS)


def test_a_state_may_have_left_at_any_time_since_the_value_before() -> None:
    sampled = found()
    assert sampled.onsets is not None
    (sampling,) = onset_items(sampled.onsets, sampled.samples)
    assert (sampling.name, sampling.half_width_ms) == ("sampling period", pytest.approx(20.0))


def test_a_command_was_given_when_it_came() -> None:
    state, command = found(), found(signal="command")
    assert command.onsets is not None
    assert latency_ms(command.samples).tolist() == [27.0, 7.0]
    assert np.array_equal(command.samples, state.samples)
    assert onset_items(command.onsets, command.samples) == []


def test_a_declared_period_is_taken_all_the_same() -> None:
    command = found(signal="command")
    assert command.onsets is not None
    (declared,) = with_declared(onset_items(command.onsets, command.samples), 5.0)
    assert (declared.name, declared.half_width_ms) == ("sampling period", 5.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "3 values in a row, interpolated"),
        ({"interpolate": False, "hold_samples": 1}, "1 value in a row, the first value outside"),
        (
            {"interpolate": False, "hold_samples": 2, "signal": "command"},
            "2 commands in a row, the first command outside",
        ),
    ],
)
def test_the_report_says_which(options: dict[str, object], words: str) -> None:
    rule = Match.model_validate({"kind": "onset", "threshold": 0.05, **options})
    assert _match_words(rule).endswith(words)
