"""Whether two runs may be put together, and if not why: the one place where that is decided.

What decides is what the figures are *of*: the rig, what was sent how often and how large, where the arrival
was taken, on what hardware, simulated or real. What a team changes to make a robot faster or slower (its
code, the rig file's other values, the kernel, the governor, the middleware and its settings) decides
nothing: its effect is what a comparison is made for, and :func:`what_changed` names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from harness.history.past import PastRun, PastScenario

Key = tuple[str | bool, ...]

SIM_TO_REAL = ("rig", "simulated", "host_class")
"""What differs where a simulated rig is held against the real one on purpose."""

_RUN = (("rig", "rig"), ("simulated", "simulated"), ("host_class", "host class"))
_SCENARIO = (
    ("kind", "kind"),
    ("stimulus", "stimulus"),
    ("response", "response"),
    ("match", "match"),
    ("arrival_is", "arrival"),
    ("schedule", "schedule"),
    ("message", "message"),
    ("answer", "answer"),
)


def comparable_key(run: PastRun, scenario: str) -> Key:
    """Equal of runs whose figures of ``scenario`` are of the same thing; for grouping. Sizes of messages are
    not in it: one that is unknown contradicts no other, see :func:`why_not`. Raises KeyError for a scenario
    that the run has not."""
    measured = run.scenarios[scenario]
    return (
        *(getattr(run, name) for name, _ in _RUN),
        scenario,
        *(getattr(measured, name) for name, _ in _SCENARIO),
    )


def why_not(
    a: PastRun, b: PastRun, scenario: str | None = None, *, ignoring: Collection[str] = ()
) -> tuple[str, ...]:
    """Why the two runs must not be put together, a sentence each; empty where they may be.

    With ``scenario`` the figures of that one are meant, else every scenario that both have measured; runs
    that have none in common are not comparable. ``ignoring``: what is meant to differ, names of fields of
    PastRun and PastScenario, as SIM_TO_REAL.
    """
    reasons = [
        f"{words}: {_said(getattr(a, name))} against {_said(getattr(b, name))}"
        for name, words in _RUN
        if name not in ignoring and getattr(a, name) != getattr(b, name)
    ]
    names = [scenario] if scenario is not None else [each for each in a.scenarios if each in b.scenarios]
    if not names:
        reasons.append(f"no scenario in common: {_names(a)} against {_names(b)}")
    for name in names:
        one, other = a.scenarios.get(name), b.scenarios.get(name)
        if one is None or other is None:
            reasons.append(f"scenario {name}: not in {(a if one is None else b).run_id}")
        else:
            reasons += _of_scenario(name, one, other, ignoring)
    return tuple(reasons)


def comparable_to(run: PastRun, others: Iterable[PastRun], scenario: str | None = None) -> list[PastRun]:
    """Those of ``others``, in their order, that may be put together with ``run``; itself is left out."""
    return [each for each in others if each.path != run.path and not why_not(run, each, scenario)]


def what_changed(a: PastRun, b: PastRun) -> dict[str, tuple[str, str]]:
    """What may explain a difference between two runs: name -> (in ``a``, in ``b``), ``""`` where there was
    none."""
    one, other = dict(a.circumstances), dict(b.circumstances)
    return {
        name: (one.get(name, ""), other.get(name, ""))
        for name in sorted(one.keys() | other.keys())
        if one.get(name, "") != other.get(name, "")
    }


def _of_scenario(name: str, a: PastScenario, b: PastScenario, ignoring: Collection[str]) -> list[str]:
    reasons = [
        f"scenario {name}, {words}: {_said(getattr(a, field))} against {_said(getattr(b, field))}"
        for field, words in _SCENARIO
        if field not in ignoring and getattr(a, field) != getattr(b, field)
    ]
    sizes = {a.message_bytes, b.message_bytes} - {None}
    if len(sizes) > 1 and "message_bytes" not in ignoring:
        reasons.append(f"scenario {name}, message size: {a.message_bytes} B against {b.message_bytes} B")
    return reasons


def _said(value: str | bool) -> str:
    if isinstance(value, bool):
        return "simulated" if value else "real"
    return value or "unknown"


def _names(run: PastRun) -> str:
    return ", ".join(run.scenarios) or "none"
