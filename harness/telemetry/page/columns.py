"""What the distributions and heat maps of rigs are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.config import rig_from_resolved
from harness.errors import HarnessError
from harness.folder import RunFolder
from harness.telemetry.bench.columns import Line, Shown, columns_of, lines_of, lost_s
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.export.periodic import Periodic

Key = tuple[str, str]
"""Rig and scenario."""


@dataclass(frozen=True)
class Drawn:
    """Latencies from intent of one scenario of one run, and every limit on them."""

    run: str
    lines: tuple[Line, ...]
    shown: Shown

    @property
    def version(self) -> str:
        """Another one whenever the picture is another one."""
        return f"{self.run}-{self.shown.total}"


class Columns(Periodic):
    """For each rig and scenario with a limit on its latency: of the run that goes on, from its beginning,
    otherwise of the newest one that ended. Looks every ``every_s`` seconds: each new picture of an open page
    takes 0.2 s of a processor."""

    def __init__(self, watch: BenchWatch, reports: Path, every_s: float = 4.0) -> None:
        self.of: dict[Key, Drawn] = {}
        self._watch, self._reports = watch, reports
        self._read: dict[str, str] = {}
        self.look()
        super().__init__(self.look, every_s, "dashboard")

    def look(self) -> None:
        """Take what is new."""
        for name, rig in list(self._watch.past.rigs.items()):
            followed = self._watch.live.get(name)
            if followed is not None:
                run = followed.folder.name
                found = {
                    scenario: Drawn(run, tuple(followed.lines[scenario]), columns.shown())
                    for scenario, columns in list(followed.columns.items())
                }
                # Until there is something of it, the run before is shown.
                if any(each.shown.total for each in found.values()):
                    self._read.pop(name, None)
                    self._take(name, found)
            elif rig.newest is not None and self._read.get(name) != rig.newest.run:
                self._read[name] = rig.newest.run
                self._take(name, self._of_ended(name, rig.newest.run))

    def _take(self, name: str, found: dict[str, Drawn]) -> None:
        for scenario, drawn in found.items():
            if drawn.shown.total:
                self.of[name, scenario] = drawn
        gone = [each for each in self.of if each[0] == name and each[1] not in found]
        for key in gone:
            del self.of[key]

    def _of_ended(self, name: str, run: str) -> dict[str, Drawn]:
        try:
            folder = RunFolder.open(self._reports / name / run)
            rig, samples = rig_from_resolved(folder.run["rig"]["resolved"]), folder.samples()
            order = [str(each["name"]) for each in folder.run["scenarios"]]
        except (HarnessError, KeyError, TypeError):
            return {}
        found = {}
        for scenario, lines in lines_of(rig).items():
            if scenario not in order:
                continue
            own = samples[samples["scenario"] == order.index(scenario)]
            shown = columns_of(own, lost_s(rig, scenario, lines)).shown()
            if shown.total:
                found[scenario] = Drawn(run, tuple(lines), shown)
        return found
