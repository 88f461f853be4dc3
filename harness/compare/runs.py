"""Runs as a comparison reads them, and which of them may be on its two sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import LATENCIES, latency_ms, tried
from harness.errors import ConfigurationError, RecordingError
from harness.folder import RUN, SAMPLES, RunFolder
from harness.history.comparable import SIM_TO_REAL, why_not
from harness.history.past import PastRun
from harness.history.reading import read_run, run_folders
from harness.report.series import joined

Floats = NDArray[np.float64]
Start = Literal["intended_ns", "sent_ns"]
DESPITE = {"host": "host_class"}
"""What a comparison may be forced over, and the field of PastRun that then does not decide."""


@dataclass(frozen=True)
class Chosen:
    """The runs of both sides and why others are in neither. ``scenarios``: those that all of them have.

    ``left_out``: runs found in a folder of baselines that may not be put together with the others, with the
    reason. ``forced``: differences that would have been refused, and the word that forced each.
    """

    a: list[PastRun]
    b: list[PastRun]
    scenarios: list[str]
    sim_to_real: bool = False
    left_out: list[tuple[PastRun, str]] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)


def past(path: Path) -> PastRun:
    """The run in ``path``. Raises ConfigurationError for no run folder, RecordingError without results."""
    folder = RunFolder.open(path).path
    try:
        return read_run(folder)
    except FileNotFoundError as error:
        raise RecordingError(
            f"{folder} has no results.json", hint=f"derive it from the raw tables: harness report {folder}"
        ) from error
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{folder}/results.json cannot be used: {error}",
            hint=f"derive it again from the raw tables: harness report {folder}",
        ) from error


def choose(
    runs: Sequence[Path],
    baseline: Sequence[Path] = (),
    *,
    scenarios: Sequence[str] = (),
    despite: Sequence[str] = (),
    sim_to_real: bool = False,
) -> Chosen:
    """Both sides: of two ``runs`` without a baseline the first is A, the second B; with a baseline all of
    them are B, and A is what ``baseline`` names, runs or folders of runs.

    Raises ConfigurationError, with every reason, where runs may not be put together.
    """
    if baseline:
        if not runs:
            raise ConfigurationError("no run to compare with the baseline", hint="name it: harness compare B")
        b = [past(each) for each in runs]
        named, found = _baseline(baseline, b)
    else:
        if len(runs) != 2:
            raise ConfigurationError(
                f"{len(runs)} runs are named; two are compared",
                hint="several against one: harness compare B --baseline A1 --baseline A2",
            )
        named, b, found = [past(runs[0])], [past(runs[1])], []
    if sim_to_real:
        named, b = _real_first(named, b)
    ignoring = [DESPITE[word] for word in despite] + (list(SIM_TO_REAL) if sim_to_real else [])
    first, wanted = b[0], list(scenarios)
    left_out: list[tuple[PastRun, str]] = []
    for each in found:
        if reasons := _reasons(each, first, wanted or list(first.scenarios), ignoring):
            left_out.append((each, "; ".join(reasons)))
        else:
            named.append(each)
    if not named:
        raise _nothing_left(first, left_out)
    alike = [DESPITE[word] for word in despite]  # of one side all are simulated, or all are real
    _refuse([(each, first, alike) for each in b[1:]], wanted, despite)
    _refuse([(each, named[0], alike) for each in named[1:]], wanted, despite)
    _refuse([(each, first, ignoring) for each in named], wanted, despite)
    everybody = [*named, *b]
    common = [name for name in first.scenarios if all(name in each.scenarios for each in everybody)]
    if not common:
        raise ConfigurationError("there is no scenario that all of these runs have", hint="name fewer runs")
    return Chosen(
        a=named,
        b=b,
        scenarios=[name for name in common if not wanted or name in wanted],
        sim_to_real=sim_to_real,
        left_out=left_out,
        forced=_forced(everybody, despite),
    )


def _baseline(paths: Sequence[Path], b: Sequence[PastRun]) -> tuple[list[PastRun], list[PastRun]]:
    """Runs that were named, and those found in folders that were; none of them is one of ``b``."""
    there = {each.path.resolve() for each in b}
    named, found = [], []
    for path in paths:
        if (path / RUN).is_file() or path.is_file():
            named.append(past(path))
            continue
        inside = [*run_folders(path), *run_folders(path.parent)] if path.is_dir() else []
        inside = [each for each in inside if path in each.parents and each.resolve() not in there]
        if not inside:
            raise ConfigurationError(
                f"{path} is neither a run folder nor a folder of other runs",
                hint="give a folder like reports/RIG or reports/RIG/2026-01-31T12-00-00Z-ab12",
            )
        for folder in dict.fromkeys(inside):
            try:
                found.append(past(folder))
            except RecordingError:
                continue  # never ended, or of another version: no baseline
    return named, found


def _real_first(a: list[PastRun], b: list[PastRun]) -> tuple[list[PastRun], list[PastRun]]:
    kinds = [{each.simulated for each in side} for side in (a, b)]
    if kinds == [{False}, {True}]:
        return a, b
    if kinds == [{True}, {False}]:
        return b, a
    said = " against ".join(
        " and ".join(sorted("simulated" if each else "real" for each in kind)) or "none" for kind in kinds
    )
    raise ConfigurationError(
        f"--sim-to-real: {said}",
        hint="give the run of a simulated rig and that of the real one it stands for",
    )


def _reasons(a: PastRun, b: PastRun, scenarios: Sequence[str], ignoring: Sequence[str]) -> tuple[str, ...]:
    if not scenarios:
        return why_not(a, b, ignoring=ignoring)
    return tuple(
        dict.fromkeys(reason for name in scenarios for reason in why_not(a, b, name, ignoring=ignoring))
    )


def _refuse(
    pairs: Sequence[tuple[PastRun, PastRun, Sequence[str]]], scenarios: Sequence[str], despite: Sequence[str]
) -> None:
    for one, other, ignoring in pairs:
        reasons = _reasons(one, other, scenarios, ignoring)
        if not reasons:
            continue
        said = "".join(f"\n  - {reason}" for reason in reasons)
        raise ConfigurationError(
            f"{one.run_id} and {other.run_id} are of different things:{said}", hint=_hint(reasons, despite)
        )


def _hint(reasons: Sequence[str], despite: Sequence[str]) -> str:
    whats = {reason.partition(":")[0] for reason in reasons}
    if "simulated" in whats:
        return "to see how well the simulation foretells the robot: --sim-to-real"
    if whats == {"host class"} and "host" not in despite:
        return "measure both on hosts of one class, or say --despite host, which the page then states"
    if all(each.startswith("scenario ") for each in whats):
        return "compare another scenario: --scenario NAME; or measure again under the same conditions"
    return "measure again under the same conditions"


def _nothing_left(b: PastRun, left_out: Sequence[tuple[PastRun, str]]) -> ConfigurationError:
    said = "".join(f"\n  - {each.run_id}: {reason}" for each, reason in left_out[:5])
    more = f"\n  and {len(left_out) - 5} more" if len(left_out) > 5 else ""
    return ConfigurationError(
        f"no run of the baseline may be put together with {b.run_id}:{said}{more}",
        hint="name a folder with runs of the same rig under the same conditions",
    )


def _forced(runs: Sequence[PastRun], despite: Sequence[str]) -> list[str]:
    found = []
    for word in despite:
        values = dict.fromkeys(str(getattr(each, DESPITE[word]) or "unknown") for each in runs)
        if len(values) > 1:
            found.append(f"--despite {word}: {' against '.join(values)}")
    return found


def values(run: PastRun, scenario: str, start: Start) -> Callable[[], Floats]:
    """A function that reads the latencies of ``scenario`` in ms, shape (n,), in the order in which they were
    due: from ``intended_ns`` or from ``sent_ns``; +inf where lost or late, none of what counts neither way.

    Raises RecordingError when it is called, for a folder without samples or a scenario without any.
    """

    def read() -> Floats:
        file = run.path / SAMPLES
        written = file.stat().st_mtime_ns if file.exists() else 0
        found = _latencies(run.path, scenario, written)[start]
        if not len(found):
            raise RecordingError(
                f"{run.run_id}: no stimulus of scenario {scenario} was counted: there is nothing to compare",
                hint="compare another run, or another scenario with --scenario NAME",
            )
        return found

    return read


@lru_cache(maxsize=4)
def _latencies(path: Path, scenario: str, _written: int) -> dict[Start, Floats]:
    """Both latencies of one run; of the last few they are kept, since they are asked for several times."""
    folder = RunFolder.open(path)
    parts = folder.parts()
    samples = joined([each.samples() for each in [*parts, folder]]) if parts else folder.samples(LATENCIES)
    names = [str(each["name"]) for each in folder.run.get("scenarios") or []]
    rows = samples[(samples["scenario"] == names.index(scenario)) & tried(samples)]
    del samples
    due = rows["intended_ns"]
    if (np.diff(due) < 0).any():
        rows = rows[np.argsort(due, kind="stable")]
    starts: tuple[Start, ...] = ("intended_ns", "sent_ns")
    every = {start: latency_ms(rows, start) for start in starts}
    return {start: found[~np.isnan(found)] for start, found in every.items()}
