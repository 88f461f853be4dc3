"""What was observed, with the verdicts: built once, written as text, JSON or Markdown here, as PDF in
pdf.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError
from harness.model import Verdict
from harness.telemetry.budget.cell import Blame
from harness.telemetry.budget.limits import PILLARS, Limits
from harness.telemetry.budget.observed import Observed
from harness.telemetry.budget.rigs import FromRun, from_runs
from harness.telemetry.budget.tally import Tally

if TYPE_CHECKING:
    from harness.telemetry.budget.verdict import Judged

SCHEMA = 1
FORMATS = ("text", "json", "markdown", "pdf")


@dataclass(frozen=True)
class Line:
    """One name. Values in its unit, None where nothing was observed; ``p99`` and the other quantiles are at
    most 1.1 % too large where more than 16 384 values were observed and none is judged at that quantile.

    ``verdict``: None without a limit. ``failed`` observations ended in an exception (``errors``: by kind, as
    far as their process could still tell), ``invalid`` were no number, ``unlimited`` came before there was a
    limit. ``blame``: seconds and times by nested operation, of ``attributed`` overruns. ``processes``
    observed it.
    """

    limits: Limits
    n: int
    mean: float | None
    deviation: float | None
    smallest: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    largest: float | None
    failed: int
    invalid: int
    unlimited: int
    errors: dict[str, int]
    blame: dict[str, Blame]
    attributed: int
    processes: int
    judged: list[Judged]
    verdict: Verdict | None
    tally: Tally = field(repr=False, compare=False)

    @property
    def over(self) -> int:
        """Observations beyond any of its limits."""
        return sum(each.over for each in self.judged)


@dataclass(frozen=True)
class Report:
    """All names, in the order in which they were declared; ``verdict`` of all that have a limit and were
    observed, None where there is no such thing. ``runs``: what the newest runs of rigs say of budgets."""

    created: str
    lines: list[Line]
    processes: int
    runs: list[FromRun] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict | None:
        """FAIL outranks INCONCLUSIVE, which outranks PASS; budgets that nothing was observed of are left
        out."""
        from harness.telemetry.budget.verdict import worst

        observed = [each.verdict for each in self.lines if each.verdict is not None and each.n]
        return worst(observed + [each.verdict for each in self.runs])

    def __getitem__(self, name: str) -> Line:
        """The line of that name. Raises KeyError."""
        for line in self.lines:
            if line.limits.name == name:
                return line
        raise KeyError(name)

    def by_pillar(self) -> dict[str, list[Line]]:
        """Lines by pillar, those of no pillar last; names that nothing was observed of are left out."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            if line.n or line.invalid:
                found.setdefault(line.limits.pillar, []).append(line)
        order = [*PILLARS, *sorted(set(found) - {*PILLARS, ""}), ""]
        return {pillar: found[pillar] for pillar in order if pillar in found}

    def unobserved(self) -> list[Line]:
        """Budgets that nothing was observed of: neither kept nor broken."""
        decided = {each.budget for each in self.runs}
        return [
            line
            for line in self.lines
            if line.limits.judged and not line.n and line.limits.name not in decided
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; docs/performance-budget.md has the keys."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "verdict": self.verdict,
            "processes": self.processes,
            "budgets": [_as_dict(line) for line in self.lines],
            "runs": [asdict(each) for each in self.runs],
        }

    def render(self, format: str) -> str:
        """The report as ``text``, ``json`` or ``markdown``. Raises ConfigurationError for another format."""
        from harness.telemetry.budget import words

        if format == "text":
            return words.text(self)
        if format == "json":
            from harness.atomic import to_json

            return to_json(self.as_dict(), indent=1) + "\n"
        if format == "markdown":
            return words.markdown(self)
        raise ConfigurationError(
            f"report(format={format!r}): there is no such format", hint=f"one of {', '.join(FORMATS)}"
        )

    def write(self, format: str, out: Path | None) -> None:
        """Print it, or replace the file ``out`` by it, see :meth:`Budgets.report`."""
        if format == "pdf":
            if out is None:
                raise ConfigurationError("a PDF needs a file", hint='report(format="pdf", out="budgets.pdf")')
            from harness.telemetry.budget.pdf import write_pdf

            write_pdf(self, out)
            return
        text = self.render(format)
        if out is None:
            sys.stdout.write(text)
            return
        from harness.atomic import write_text

        write_text(out, text)

    def __str__(self) -> str:
        return self.render("text")


def _as_dict(line: Line) -> dict[str, Any]:
    limits = line.limits
    return {
        "name": limits.name,
        "pillar": limits.pillar,
        "text": limits.text,
        "unit": limits.unit,
        "upper": limits.upper,
        "lower": limits.lower,
        "quantile": limits.quantile,
        "confidence": limits.confidence,
        "source": limits.source,
        "origin": limits.origin,
        "measured": limits.measured,
        "verdict": line.verdict,
        "n": line.n,
        "mean": line.mean,
        "sd": line.deviation,
        "min": line.smallest,
        "p50": line.p50,
        "p90": line.p90,
        "p99": line.p99,
        "max": line.largest,
        "failed": line.failed,
        "errors": line.errors,
        "invalid": line.invalid,
        "unlimited": line.unlimited,
        "processes": line.processes,
        "overruns_attributed": line.attributed,
        "due_to": {name: asdict(each) for name, each in line.blame.items()},
        "limits": [asdict(each) for each in line.judged],
    }


def report_of(observed: Sequence[Observed], reports: Path | None = None) -> Report:
    """The report on what was observed, and on the runs of rigs in ``reports``."""
    lines = [_line(each) for each in observed]
    runs = [] if reports is None else from_runs([line.limits for line in lines], reports)
    processes = {process for each in observed for process in each.processes}
    return Report(datetime.now(timezone.utc).isoformat(timespec="seconds"), lines, len(processes), runs)


def _line(found: Observed) -> Line:
    from harness.telemetry.budget.verdict import judge, worst

    limits, tally = found.limits, found.tally
    judged = judge(limits, tally)
    factor, known = limits.factor, tally.n > 0
    quantiles = [_quantile(tally, each) for each in (0.5, 0.9, 0.99)]
    p50, p90, p99 = (None if each is None else each / factor for each in quantiles)
    return Line(
        limits=limits,
        n=tally.n,
        mean=tally.mean / factor if known else None,
        deviation=None if tally.deviation is None else tally.deviation / factor,
        smallest=tally.smallest / factor if known else None,
        p50=p50,
        p90=p90,
        p99=p99,
        largest=tally.largest / factor if known else None,
        failed=tally.failed,
        invalid=tally.invalid,
        unlimited=tally.since if limits.judged else 0,
        errors=found.errors,
        blame=found.blame,
        attributed=found.attributed,
        processes=len(found.processes),
        judged=judged,
        verdict=worst([each.verdict for each in judged]),
        tally=tally,
    )


def _quantile(tally: Tally, share: float) -> float | None:
    """Exactly where all values, or the largest ones, are kept; else from the buckets, never above the
    maximum."""
    if tally.n == 0:
        return None
    from harness.analysis.statistics import order_quantile, ordered, rank

    known = tally.first()
    if known is not None:
        return order_quantile(ordered(known), share)
    for over in tally.overs:
        if over.edges.sign > 0 and tally.since == 0:
            wanted = tally.n - rank(tally.n, share) + 1
            values, _ = over.extremes.largest(wanted)
            if len(values) == wanted:
                return float(values[-1])
    found = tally.buckets.quantile(share)
    return None if found is None else min(found, tally.largest)
