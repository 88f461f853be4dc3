"""What keeps a verdict away where more samples would not: the guard band of U and J, each named.

Between the PASS and the FAIL threshold nothing is decided. Where the counts (or the bound) would have decided
at the limit itself, or without J, the reader has to make the bench quieter or the uncertainty smaller; a
longer
run ends as this one did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.counts import Counts
from harness.analysis.dependence import Side, few, many
from harness.analysis.guard import Guard
from harness.wording import outward_digits

Floats = NDArray[np.float64]

QUIETER = "make the bench quieter (see `harness doctor`)"
SMALLER = "make the largest line of the uncertainty budget smaller"


@dataclass(frozen=True)
class Scale:
    """How values in ms are shown: times ``per_ms``, in ``unit``."""

    per_ms: float = 1.0
    unit: str = "ms"

    def __call__(self, value_ms: float, *, up: bool | None = None) -> str:
        """A value in ms, shown; a bound rounded ``up`` or down."""
        value = value_ms * self.per_ms
        return f"{f'{value:.4g}' if up is None else outward_digits(value, up=up)} {self.unit}"


def sentence(word: str, threshold: float, u: float, j: float, blame: str, proof: str, shown: Scale) -> str:
    """One reason: ``blame`` (J or U) moves the threshold of ``word`` and keeps it away, as ``proof``
    shows."""
    what, remedy = (
        (f"the harness's own floor J = {shown(j)}", QUIETER)
        if blame == "J"
        else (f"the uncertainty U = {shown(u)}", SMALLER)
    )
    return (
        f"{what} moves the {word} threshold to {shown(threshold)}, and that keeps a {word} away "
        f"({proof}): {remedy}"
    )


def kept_by_guard(
    at: Guard, passing: Floats, failing: Floats, counts: Counts, shown: Scale
) -> tuple[list[str], bool]:
    """Why U or J alone leaves counts undecided, in sentences; and whether more samples are pointless, since
    the share over the PASS threshold is too large, and that over the FAIL threshold too small.

    ``passing`` and ``failing``: the values, in ms, that either side counts.
    """
    found = []
    sides = counts.decision.passing, counts.decision.failing
    if not counts.obstacles:
        found += _side(at, "PASS", passing, sides[0], counts.alpha, shown)
    found += _side(at, "FAIL", failing, sides[1], counts.alpha, shown)
    apart = f"{at.pass_threshold:.4g}" != f"{at.fail_threshold:.4g}"
    n = counts.n
    between = apart and n > 0 and sides[0].exceedances > sides[0].rate * n
    between = between and sides[1].exceedances < sides[1].rate * n
    if between and not found:
        found.append(
            f"what was measured lies between the PASS threshold ({shown(at.pass_threshold)}) and the FAIL "
            "threshold "
            f"({shown(at.fail_threshold)}), which U = {shown(at.uncertainty)} and J = {shown(at.floor)} "
            "hold apart: " + (QUIETER if at.floor > at.uncertainty else SMALLER)
        )
    return found, between


def _side(at: Guard, word: str, values: Floats, side: Side, alpha: float, shown: Scale) -> list[str]:
    threshold = at.pass_threshold if word == "PASS" else at.fail_threshold
    # PASS of an upper limit lies below it, and FAIL of a lower one.
    way = -1.0 if (word == "PASS") == at.upper else 1.0
    if side.n == 0 or not np.isfinite(threshold):
        return []
    near, over = at.limit + way * at.uncertainty, "over" if at.upper else "below"
    tail = few if word == "PASS" else many
    for blame, place in (("J", near), ("U", at.limit)):
        if abs(place - threshold) < 1e-12 * abs(at.limit):
            continue
        k = exceeding(values, place, upper=at.upper)
        if tail(side.n_effective, k * side.n_effective / side.n, at.p0) <= alpha:
            where = "the limit" if f"{place:.4g}" == f"{at.limit:.4g}" else shown(place)
            proof = f"{k} of {side.n} are {over} {where}"
            return [sentence(word, threshold, at.uncertainty, at.floor, blame, proof, shown)]
    return []


def exceeding(values: Floats, threshold: float, *, upper: bool) -> int:
    """How many are over an upper threshold, or below a lower one; lost ones (+inf) are both."""
    beyond = values > threshold if upper else (values < threshold) | np.isposinf(values)
    return int(beyond.sum())


def kept_by_interval(
    *, limit: float, u: float, thresholds: tuple[float, float], j: float, upper: bool,
    pass_bound: float | None, fail_bound: float | None, shown: Scale,
) -> list[str]:  # fmt: skip
    """The same for a bound in ms that is compared with the thresholds of PASS and FAIL."""
    found = []
    for word, bound, threshold in (("PASS", pass_bound, thresholds[0]), ("FAIL", fail_bound, thresholds[1])):
        if bound is None or not np.isfinite(threshold):
            continue
        below = (word == "PASS") == upper
        way = -1.0 if below else 1.0
        for blame, place in (("J", limit + way * u), ("U", limit)):
            decides = bound <= place if below else bound > place
            already = bound <= threshold if below else bound > threshold
            if decides and not already:
                proof = f"the {'upper' if below else 'lower'} bound is {shown(bound, up=below)}"
                found.append(sentence(word, threshold, u, j, blame, proof, shown))
                break
    return found
