"""Trials that told nothing (false onsets, no signal) must not pass for trials that were not looked at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.model import Verdict
from harness.planned import Planned


def result(verdict: Verdict, n: int, *, ok: bool = True) -> SimpleNamespace:
    return SimpleNamespace(verdict=verdict, n=n, checks=[SimpleNamespace(ok=ok)])


@pytest.mark.parametrize(
    ("verdict", "n", "ok", "judged", "over"),
    [
        (Verdict.INCONCLUSIVE, 9, True, 9, False),  # of ten trials one told nothing: the test goes on
        (Verdict.INCONCLUSIVE, 8, True, 9, True),  # it had ended before the last one that counts
        (Verdict.INCONCLUSIVE, 8, False, 9, False),  # for a check of the bench, which may hold again
        (Verdict.PASS, 9, True, 9, True),
        (Verdict.FAIL, 3, True, 9, True),
    ],
)
def test_a_requirement_is_over_by_the_samples_that_count(verdict, n, ok, judged, over):
    assert Planned._over(result(verdict, n, ok=ok), judged) is over
