"""What ``results.json`` says about bottlenecks: opinions, which no verdict is made of."""

from __future__ import annotations

from pydantic import Field

from harness.results_base import Frozen


class Action(Frozen):
    """One thing to do: ``command`` is exact (a shell command or a setting of the rig file); ``expected`` is
    from the data of the run; ``verify`` tells how to see that it helped, ``caution`` what it costs."""

    what: str
    command: str
    expected: str
    verify: str
    caution: str


class Cause(Frozen):
    """One cause that the slow answers have, the weightiest first.

    ``share``: of the excess of the slow answers that it covers; ``chance``: what it would cover by chance;
    ``weight``: what is left of the share beyond chance; ``p``: of as much by chance (circular shifts), None
    where another test was made, which ``evidence`` tells. ``importance``: by how much the model's skill (AUC)
    falls without it, None where it is none of the model's. ``explained``: slow answers that it covers by more
    than half; ``p99_ms``, ``p99_without_ms``: of all answers, and of those it does not explain. ``since``:
    when in the run; ``culprit``: who ran meanwhile, where one stands out."""

    kind: str
    subject: str
    words: str
    evidence: str
    share: float
    chance: float
    weight: float
    p: float | None
    importance: float | None
    explained: int
    p99_ms: float | None
    p99_without_ms: float | None
    since: str = ""
    culprit: str = ""
    culprit_pid: int | None = None
    actions: list[Action] = Field(default=[])


class Considered(Frozen):
    """One condition that was looked at, named or not; figures as in :class:`Cause`."""

    kind: str
    subject: str
    share: float
    chance: float
    p: float
    importance: float | None


class Skill(Frozen):
    """How well the conditions of the host tell the slow answers, cross-validated: AUC by fold. ``enough``:
    beyond chance."""

    auc: float
    folds: list[float]
    enough: bool


class Bottlenecks(Frozen):
    """Where the slow answers of one scenario come from. ``slow``: over ``threshold_ms`` (latency from intent;
    lost and skipped ones too), of ``n``; ``middle_ms``: the median; ``excess_ms``: how much slower the slow
    ones are on average. ``stages``: share of the excess by stage. ``words``: the whole in sentences."""

    scenario: str
    n: int
    slow: int
    threshold_ms: float | None
    middle_ms: float | None
    excess_ms: float | None
    stages: dict[str, float] = Field(default={})
    skill: Skill | None = None
    looks: int = 0
    causes: list[Cause] = Field(default=[])
    considered: list[Considered] = Field(default=[])
    words: list[str] = Field(default=[])
