"""Reruns that confirm a suspicion or let it drop: ``harness run`` of the rig as the newest run had it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import ConfigurationError, OperationError
from harness.history import PastRun
from harness.history.reading import read_json
from harness.regressions.told import Examined

Again = Callable[[], tuple[Sequence[PastRun], list[Examined]]]
"""Reads the history anew and examines it."""
Tell = Callable[[int, PastRun], None]
"""Is told of each rerun: its number, from 1, and what came of it."""


def rerun_until_decided(
    rig: str, reports: Path, newest: PastRun, most: int, again: Again, tell: Tell
) -> list[PastRun]:
    """Run ``rig`` again into ``reports``, with the overrides and scenarios of ``newest``, until no suspicion
    waits any more, at most ``most`` times. The runs that were made.

    Raises ConfigurationError for a rig that is not simulated, or whose file is another rig's;
    OperationError for a rerun that did not end by itself or is not comparable.
    """
    from harness.config import find_rig, load_rig
    from harness.runner import RunOptions, run_rig

    loaded = load_rig(find_rig(rig), newest.overrides)
    if loaded.rig.rig.name != newest.rig:
        raise ConfigurationError(
            f"the rig file of {rig} is of {loaded.rig.rig.name}, the runs are of {newest.rig}",
            hint="give the path of the rig file that made them",
        )
    if not loaded.rig.rig.simulated:
        raise ConfigurationError(
            f"--confirm reruns simulated rigs, and {newest.rig} is a real one",
            hint="leave --confirm out: what a person has to do is printed then",
        )
    scenarios = _only_scenarios(newest.path)
    made: list[PastRun] = []
    _, examined = again()
    while len(made) < most and _waiting(examined):
        waited = {each.series.requirement.id: each.watched.n for each in examined if each.watched.suspicion}
        outcome = run_rig(loaded, RunOptions(out=reports, scenarios=scenarios, report=False, anyway=True))
        runs, examined = again()
        run = next((each for each in runs if each.path.name == outcome.folder.name), None)
        if run is None or run.aborted:
            raise OperationError(
                f"rerun {len(made) + 1} did not end by itself: {outcome.error or outcome.folder}",
                hint=f"see {outcome.folder}, mend the bench, and ask again",
            )
        made.append(run)
        tell(len(made), run)
        for each in examined:
            if waited.get(each.series.requirement.id, -1) >= each.watched.n:
                why = ", ".join(f"{n} {words}" for words, n in each.series.left_out)
                raise OperationError(
                    f"rerun {run.run_id} is not in the series of {each.series.requirement.id};"
                    f" left out are: {why or 'none'}",
                    hint="rerun on the host, and with the rig file, of the runs before",
                )
    return made


def _waiting(examined: Sequence[Examined]) -> bool:
    return any(each.watched.suspicion is not None for each in examined)


def _only_scenarios(run: Path) -> tuple[str, ...] | None:
    """Scenarios that the run was restricted to, None for all."""
    try:
        chosen = read_json(run / "run.json")["rig"].get("only_scenarios") or ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return tuple(str(each) for each in chosen) or None
