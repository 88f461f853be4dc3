"""What the ``rig`` fixture gives a test: run scenarios, fail readably, hand back results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import PrivateAttr

from harness.errors import HarnessError
from harness.model import Verdict, combine
from harness.results import RequirementResult, Results
from harness.wording import confidence_words, count_of, measured_name, outward, places


class RunResults(Results):
    """The whole of ``results.json``, and where the run folder is."""

    _folder: Path = PrivateAttr()

    @property
    def folder(self) -> Path:
        """The run folder with all evidence: tables, report.pdf, junit.xml."""
        return self._folder

    @classmethod
    def of(cls, results: Results, folder: Path) -> RunResults:
        """``results``, found in ``folder``."""
        whole = cls.model_validate({name: getattr(results, name) for name in type(results).model_fields})
        whole._folder = folder
        return whole


@dataclass(frozen=True)
class RigUnderTest:
    """A rig file and how a test session wants it run."""

    rig: str
    overrides: tuple[str, ...] = ()
    samples: int | None = None
    out: Path = Path("reports")
    root: Path = Path()

    def run(
        self, scenario: str | None = None, *, accept: Sequence[str] = (), anyway: bool = False
    ) -> RunResults:
        """Run one scenario and its requirements (or the whole rig) and return the results.

        Fails the calling test, without a traceback, unless the verdict is PASS or named in ``accept``
        (``"INCONCLUSIVE"``, ``"FAIL"`` or ``"ERROR"``); so does a rig that cannot be run at all, and,
        unless ``anyway``, one with a requirement that cannot pass, whatever is measured.
        """
        __tracebackhide__ = True
        wanted = {Verdict.PASS, *(Verdict(word) for word in accept)}
        from harness.config import load_rig
        from harness.runner import RunOptions, run_rig

        what = f"{self.rig}{f': {scenario}' if scenario else ''}"
        try:
            loaded = load_rig(self.path(), self.overrides)
            options = RunOptions(
                out=self.out,
                samples=self.samples,
                scenarios=(scenario,) if scenario else None,
                anyway=anyway,
            )
            outcome = run_rig(loaded, options)
        except HarnessError as error:
            message = f"{what} could not be run\n{type(error).__name__}: {error}"
        else:
            if outcome.results is None:
                why = outcome.error or "the run ended without results"
                message = f"{what}: ERROR\n{why}\nits records: {outcome.folder}"
            elif _verdict(outcome.verdict, outcome.results, scenario) in wanted:
                return RunResults.of(outcome.results, outcome.folder)
            else:
                message = explain(what, outcome.verdict, outcome.results, outcome.folder)
        return pytest.fail(message, pytrace=False)

    def path(self) -> Path:
        """The rig file: a path from here or from the root directory, or a name in ``rig_configs/``.

        Raises ConfigurationError naming the nearest names when there is none.
        """
        from harness.config import find_rig, search_path

        below = self.root / self.rig
        if not Path(self.rig).is_file() and below.is_file():
            return below
        return find_rig(self.rig, [self.root / "rig_configs", *search_path()])


def _verdict(whole: Verdict, results: Results, scenario: str | None) -> Verdict:
    """The verdict over what was asked for: an aborted run stays what it was."""
    if results.aborted or scenario is None:
        return whole
    return combine([each.verdict for each in results.requirements if each.scenario == scenario])


def explain(what: str, verdict: Verdict, results: Results, folder: Path) -> str:
    """Why a run did not pass, for people: requirements, figures, reasons, the report."""
    lines = [f"{what}: {verdict.value}"]
    if results.aborted:
        lines.append(f"the run was aborted: {results.abort_reason}")
    for each in results.requirements:
        if each.verdict is not Verdict.PASS:
            lines.extend(_requirement(each))
    if not results.requirements:
        lines.append("no requirement was judged; absence is not compliance")
    lines.extend(
        f"finding: {each.get('name', '')}: {each.get('message', '')}"
        for each in results.findings
        if each.get("severity") == "error"
    )
    report = folder / "report.pdf"
    lines.append(f"report: {report if report.is_file() else folder}")
    return "\n".join(lines)


def _requirement(each: RequirementResult) -> list[str]:
    decimals = places(each)

    def shown(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.{decimals}f}"

    low, high = each.lower_bound, each.upper_bound
    bounds = (
        f"{shown(None if low is None else outward(low, decimals, up=False))} to "
        f"{shown(None if high is None else outward(high, decimals, up=True))} {each.unit}"
    )
    lines = [
        f"{each.verdict.value}  {each.id}{f'  {each.text}' if each.text else ''}",
        f"  {measured_name(each)} of {each.scenario}: "
        f"estimate {shown(each.estimate)} {each.unit}, limit {each.limit:g} {each.unit}",
        f"  bounds at a confidence of {confidence_words(each.confidence, each.alpha)}: {bounds}",
        f"  {count_of(each, each.exceedances, each.n)}"
        + ("" if each.pass_up_to is None else f" (passes up to {each.pass_up_to})"),
    ]
    lines.extend(f"  because {reason}" for reason in each.reasons)
    lines.extend(
        f"  bench check {check.name}: {check.value}, must be {check.bound}"
        + (f"; {check.remedy}" if check.remedy else "")
        for check in each.checks
        if not check.ok
    )
    return lines
