"""Edges: the first change of level after a stimulus, of signals whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_data import MS, monotonic_only, observations, stimuli

from harness.analysis.onset_known import onset_checks, onset_counts, onset_items
from harness.analysis.samples import Sampled, build, latency_ms
from harness.analysis.summaries import _match_words
from harness.config.match import Match
from harness.model import NO_STAMP, ObservationFlag, SampleFlag, StimulusFlag

SENT_MS = (1000.0, 2000.0)
BACK_MS = (1400.0, 2400.0)
TIMEOUT_MS = 300.0


def rule(**options: object) -> Match:
    return Match.model_validate({"kind": "edge", "direction": "rising"} | options)


def found(levels: list[tuple[float, float]], how: Match | None = None, flags: int = 0) -> Sampled:
    """Of a topic that gives those levels at those instants, in ms. Each trial is brought back."""
    at, value = zip(*levels, strict=True) if levels else ((), ())
    sent = sorted([*SENT_MS, *BACK_MS])
    rows = stimuli([round(each * MS) for each in sent])
    rows["flags"] = [int(StimulusFlag.RETURN) if each in BACK_MS else 0 for each in sent]
    seen = observations(None, np.round(np.array(at) * MS).astype(np.int64), value=np.array(value, float))
    seen["flags"] = flags
    return build(rows, seen, monotonic_only(), how or rule(), round(TIMEOUT_MS * MS), still=True)


def flags_of(sampled: Sampled) -> list[int]:
    rows = sampled.samples
    return rows["flags"][rows["stimulus_flags"] == 0].tolist()


ON_CHANGE = [(10.0, 0), (1020.0, 1), (1410.0, 0), (2033.0, 1), (2410.0, 0)]


def test_a_contact_that_is_published_only_when_it_changes() -> None:
    sampled = found(ON_CHANGE, rule(signal="command"))
    assert latency_ms(sampled.samples)[[0, 2]].tolist() == [20.0, 33.0]
    assert flags_of(sampled) == [0, 0]
    assert (sampled.unmatched, sampled.duplicates) == (0, 0)
    assert sampled.onsets is not None
    assert onset_items(sampled.onsets, sampled.samples) == []
    assert onset_counts(sampled) == {"misses": 0, "false_onsets": 0, "no_signal": 0}


def test_of_a_level_that_is_sampled_the_distance_of_its_values_is_not_known() -> None:
    at = np.arange(7.0, 2600.0, 20.0)
    high = ((at > 1031) & (at < 1410)) | ((at > 2018) & (at < 2410))
    sampled = found(list(zip(at.tolist(), high.astype(float).tolist(), strict=True)))
    assert latency_ms(sampled.samples)[[0, 2]].tolist() == [47.0, 27.0]
    assert sampled.onsets is not None
    (item,) = onset_items(sampled.onsets, sampled.samples)
    assert (item.name, item.half_width_ms) == ("sampling period", pytest.approx(20.0))


@pytest.mark.parametrize("direction", ["rising", "either"])
def test_bouncing_after_the_first_edge_changes_nothing(direction: str) -> None:
    bounced = [*ON_CHANGE[:2], (1021.0, 0), (1022.0, 1), *ON_CHANGE[2:]]
    sampled = found(bounced, rule(direction=direction))
    assert latency_ms(sampled.samples)[[0, 2]].tolist() == [20.0, 33.0]


def test_a_falling_edge_of_an_inverted_level_and_its_threshold() -> None:
    volts = [(at, 3.3 - 3.2 * level) for at, level in ON_CHANGE]
    sampled = found(volts, rule(direction="falling", threshold=1.6))
    assert latency_ms(sampled.samples)[[0, 2]].tolist() == [20.0, 33.0]
    assert flags_of(found(volts, rule(direction="rising", threshold=1.6))) != [0, 0]


LATE = int(SampleFlag.LOST | SampleFlag.LATE)


@pytest.mark.parametrize(
    ("levels", "flags"),
    [
        ([(10.0, 0), *ON_CHANGE[3:]], [SampleFlag.LOST, 0]),  # a miss
        ([(10.0, 0), (1380.0, 1), *ON_CHANGE[2:]], [LATE, 0]),  # after the timeout, before the next stimulus
        ([(10.0, 0), (1405.0, 1), (1450.0, 0), *ON_CHANGE[3:]], [SampleFlag.LOST, 0]),  # after the trial
        ([(10.0, 1), *ON_CHANGE[2:]], [SampleFlag.FALSE_ONSET, 0]),  # high already
        ([(10.0, 1), (1020.0, 0), (1030.0, 1), *ON_CHANGE[2:]], [SampleFlag.FALSE_ONSET, 0]),
        ([(10.0, 0), (950.0, 1), (960.0, 0), *ON_CHANGE[1:]], [SampleFlag.FALSE_ONSET, 0]),  # no rest
        (ON_CHANGE[1:], [SampleFlag.NO_SIGNAL, 0]),  # the level before is anybody's guess
        ([], [SampleFlag.NO_SIGNAL] * 2),
        ([(10.0, 0)], [SampleFlag.LOST] * 2),
        ([(at, float("nan")) for at, _ in ON_CHANGE], [SampleFlag.NO_SIGNAL] * 2),
    ],
)
def test_what_else_may_happen(levels: list[tuple[float, float]], flags: list[int]) -> None:
    assert flags_of(found(levels)) == [int(each) for each in flags]


def test_an_edge_at_the_very_instant_of_the_stimulus_is_after_it() -> None:
    sampled = found([(10.0, 0), (1000.0, 1), *ON_CHANGE[2:]])
    assert latency_ms(sampled.samples)[[0, 2]].tolist() == [0.0, 33.0]


def test_what_said_no_is_no_level() -> None:
    assert flags_of(found(ON_CHANGE, flags=int(ObservationFlag.REJECTED))) == [int(SampleFlag.NO_SIGNAL)] * 2


def test_a_trial_that_was_cut_short_is_open() -> None:
    rows = stimuli([1000 * MS, 1200 * MS, NO_STAMP])
    seen = observations(None, [10 * MS, 1250 * MS], value=np.array([0.0, 1.0]))
    sampled = build(rows, seen, monotonic_only(), rule(), 300 * MS)
    flags = [int(SampleFlag.OPEN), 0, int(SampleFlag.NOT_SENT)]
    assert sampled.samples["flags"].tolist() == flags


def test_the_check_says_what_kept_trials_from_counting() -> None:
    check = onset_checks(found(ON_CHANGE[1:]), rule(), aborted=False)[0]
    assert not check.ok
    assert "1 trials with no value before, of 2" in check.value
    assert "bring the level back" in check.remedy


def test_the_report_says_which() -> None:
    assert _match_words(rule(threshold=1.6)) == "edge rising, high from 1.6 on, rest 100 ms"
