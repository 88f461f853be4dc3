"""Trials of onsets in the report: misses, false onsets, trials without signal."""

from __future__ import annotations

import numpy as np
import report_data as data

from harness.model import SampleFlag
from harness.report.measured import counts
from harness.report.series import extract


def titles(block):
    return [column["title"] for column in block["columns"]]


def test_counts_of_onsets_are_shown_where_there_are_some():
    plain = data.scenario_result(data.samples())
    block = counts(plain)
    assert not {"Misses", "False onsets", "No signal"} & set(titles(block))
    assert "false onsets" not in block["caption"].lower()
    block = counts(plain.model_copy(update={"misses": 3, "false_onsets": 2, "no_signal": 0}))
    number = dict(zip(titles(block), (each["text"] for each in block["rows"][0]), strict=True))
    assert not {"Duplicates", "Out of order", "Superseded", "Unmatched"} & set(number)
    assert (number["Misses"], number["False onsets"], number["No signal"]) == ("3", "2", "0")
    assert "neither for nor against" in block["caption"] and "Unmatched" not in block["caption"]


def test_trials_that_count_neither_way_are_in_no_figure():
    rows = data.samples()
    before = len(extract(rows, 0))
    chosen = np.flatnonzero((rows["scenario"] == 0) & (rows["stimulus_flags"] == 0) & (rows["flags"] == 0))[
        :5
    ]
    rows["flags"][chosen[:3]] = SampleFlag.FALSE_ONSET
    rows["flags"][chosen[3:]] = SampleFlag.NO_SIGNAL
    assert len(extract(rows, 0)) == before - 5
