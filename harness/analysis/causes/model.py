"""A model of the slow answers by the conditions of the host: whether these tell them at all, and which do.

Logistic regression with a quadratic penalty on log(1 + exposure), cross-validated in blocks of time, so that
a burst is never in both parts. Skill is the area under the ROC curve (AUC): 0.5 by chance. The importance
of a condition is what AUC loses when its column is shifted in time within the part that is held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

FOLDS = 5
PENALTY = 1.0
LEAST_SLOW = 10
LEAST_AUC = 0.65
SHIFTS = 5
MOST_ROWS = 40_000


@dataclass(frozen=True)
class Fitted:
    """AUC by fold, and the importance of each column."""

    folds: list[float]
    importance: list[float]

    @property
    def auc(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.folds))

    @property
    def enough(self) -> bool:
        """At least 0.65, and beyond 0.5 by two standard errors of the folds."""
        error = float(np.std(self.folds, ddof=1)) / len(self.folds) ** 0.5
        return self.auc >= LEAST_AUC and self.auc - 2.0 * error > 0.5


def fit(columns: list[Floats], slow: Booleans, seed: int = 1) -> Fitted | None:
    """Fit and judge; None where too few are slow for five folds, or there is no condition."""
    if not columns or slow.sum() < LEAST_SLOW or slow.all():
        return None
    x = np.log1p(np.column_stack(columns))
    keep = _thinned(slow, seed)
    x, y = x[keep], slow[keep]
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    # Blocks with equally many slow ones, in order of time.
    number = np.minimum(np.cumsum(y) * FOLDS // (y.sum() + 1), FOLDS - 1)
    chance = np.random.default_rng(seed)
    folds, losses = [], []
    for fold in range(FOLDS):
        test = number == fold
        if not y[test].any() or y[test].all() or not y[~test].any():
            continue
        weights = _train(x[~test], y[~test])
        score = x[test] @ weights[1:]
        folds.append(auc(score, y[test]))
        losses.append([folds[-1] - _without(x[test], y[test], weights, each, chance)
                       for each in range(x.shape[1])])  # fmt: skip
    if len(folds) < 3:
        return None
    return Fitted(folds, [float(each) for each in np.mean(losses, axis=0)])


def _thinned(slow: Booleans, seed: int) -> NDArray[np.int64]:
    """All rows, or of very many the slow ones and some of the others."""
    if len(slow) <= MOST_ROWS:
        return np.arange(len(slow))
    chance = np.random.default_rng(seed)
    chosen = chance.random(len(slow)) < MOST_ROWS / len(slow)
    few = slow & (chance.random(len(slow)) < min(1.0, MOST_ROWS / max(1, slow.sum()) / 2))
    return np.flatnonzero(np.where(slow, few, chosen))


def _train(x: Floats, y: Booleans) -> Floats:
    weight = np.where(y, 0.5 / max(1, y.sum()), 0.5 / max(1, (~y).sum())) * len(y)
    sign = np.where(y, 1.0, -1.0)

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = sign * (w[0] + x @ w[1:])
        value = float((weight * np.logaddexp(0.0, -margin)).sum() + 0.5 * PENALTY * (w[1:] @ w[1:]))
        slope = -weight * sign / (1.0 + np.exp(np.clip(margin, -50, 50)))
        return value, np.concatenate([[slope.sum()], x.T @ slope + PENALTY * w[1:]])

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    best: Floats = found.x
    return best


def _without(x: Floats, y: Booleans, weights: Floats, column: int, chance: np.random.Generator) -> float:
    if not weights[1 + column] or not x[:, column].any():
        return auc(x @ weights[1:], y)
    rest = x @ weights[1:] - x[:, column] * weights[1 + column]
    values = [
        auc(rest + np.roll(x[:, column], int(shift)) * weights[1 + column], y)
        for shift in chance.integers(1, max(2, len(x)), SHIFTS)
    ]
    return float(np.mean(values))


def auc(score: Floats, y: Booleans) -> float:
    """Area under the ROC curve: the share of pairs of a slow and another one that ``score`` puts in order."""
    ranks = rankdata(score)
    slow = int(y.sum())
    return float((ranks[y].sum() - slow * (slow + 1) / 2) / (slow * (len(y) - slow)))
