"""The budgets of a process, by name: what is declared, measured, observed and reported."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from math import inf, isnan
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakSet

from harness.errors import ConfigurationError
from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.gathering import Gathering, after_fork
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.observed import Observed, observed
from harness.telemetry.budget.overrun import Overrun, Policy, act, checked
from harness.telemetry.budget.report import Report, report_of
from harness.telemetry.budget.spans import NO_SPAN, NoSpan, Span
from harness.telemetry.budget.wrap import MARK, Measured, is_measured, measured

if TYPE_CHECKING:
    from harness.telemetry.budget.jobs import Job

F = TypeVar("F", bound=Callable[..., Any])
SWITCH = "HARNESS_BUDGET"

_all: WeakSet[Budgets] = WeakSet()


class Budgets:
    """Budgets by name. `PerformanceBudget` is the one that everybody shares; a test may have its own.

    ``gather``: whether other processes' observations are reported, too: those of all that this one starts
    (True), or of all that use the same folder (a path). ``reports``: where the runs of rigs are that decide
    budgets with ``rig``, None for nowhere. ``enabled``: False takes no cost at all, see
    :meth:`off`.
    """

    def __init__(
        self, *, gather: bool | Path = False, enabled: bool = True, reports: Path | None = Path("reports")
    ) -> None:
        self.enabled = enabled
        self.reports = reports
        self._gather = gather
        self._gathering: Gathering | None = None
        self._lock = threading.RLock()
        self._cells: dict[str, Cell] = {}
        _all.add(self)

    # -- declaring

    def define(
        self,
        name: str,
        *,
        upper: float | None = None,
        lower: float | None = None,
        unit: str = "ms",
        quantile: float = 0.99,
        confidence: float = 0.95,
        pillar: str = "",
        text: str = "",
        on_overrun: Policy = "record",
        longest_disturbance: float = 1.0,
    ) -> None:
        """Declare a budget: at least a share ``quantile`` of what is observed lies within the limits, which
        are in ``unit``. ``on_overrun`` acts on manual observations.

        Raises ConfigurationError for limits that make no sense, or differ from those agreed before.
        """
        limits = Limits(
            name, unit, upper, lower, quantile, confidence, pillar, text,
            longest_disturbance=longest_disturbance,
        )  # fmt: skip
        if self.enabled:
            self._cell(limits).policy = checked(on_overrun)

    def load(self, path: str | Path | None = None) -> list[str]:
        """Declare the budgets of a file, or of all ``*.yaml`` of a folder; None: the catalogue ``budgets/``.

        Returns their names. Raises BudgetFileError (file, line, value, next step) for a mistake in a file.
        """
        from harness.telemetry.budget.files import load_budgets

        found = load_budgets(path)
        if self.enabled:
            for limits in found:
                self._cell(limits)
        return [limits.name for limits in found]

    def _cell(self, limits: Limits) -> Cell:
        with self._lock:
            cell = self._cells.get(limits.name)
            if cell is not None:
                cell.agree(limits)
                return cell
            cell = Cell(limits)
            self._join(cell)
            # Only now: another thread may find it without the lock, and put at once.
            self._cells[limits.name] = cell
            return cell

    def _join(self, cell: Cell) -> None:
        if self._gather is False:
            return
        if self._gathering is None:
            self._gathering = Gathering(None if self._gather is True else self._gather)
        cell.share = None if self._gathering.reports else self._gathering.share
        if cell.share is not None:
            cell.renew()

    # -- measuring

    @overload
    def measure(self, function: F, /) -> F: ...
    @overload
    def measure(
        self,
        function: None = None,
        /,
        *,
        max_time_ms: float | None = None,
        min_time_ms: float | None = None,
        name: str | None = None,
        pillar: str = "",
        quantile: float = 0.99,
        confidence: float = 0.95,
        text: str = "",
        on_overrun: Policy = "record",
        nest: bool = False,
    ) -> Callable[[F], F]: ...
    def measure(
        self,
        function: Any = None,
        /,
        *,
        max_time_ms: float | None = None,
        min_time_ms: float | None = None,
        name: str | None = None,
        pillar: str = "",
        quantile: float = 0.99,
        confidence: float = 0.95,
        text: str = "",
        on_overrun: Policy = "record",
        nest: bool = False,
    ) -> Any:
        """Time every call of the function under it: plain functions and methods, coroutine functions,
        generator functions of both kinds, class and static methods.

        ``name``: by default the function's own; budgets of a file belong to it by this name. ``on_overrun``
        of a single call: ``"record"``, ``"warn"``, ``"raise"``, or a function that gets an
        :class:`~harness.telemetry.budget.Overrun`. ``nest``: keep account of the measured operations within
        it, and attribute its overruns to them.

        Raises ConfigurationError for limits that make no sense, or differ from those agreed before.
        """
        policy = checked(on_overrun)

        def decorate(target: Any) -> Any:
            if not self.enabled:
                return target
            limits = Limits(
                name or name_of(target), "ms", max_time_ms, min_time_ms, quantile, confidence, pillar, text
            )
            return measured(target, self._cell(limits), policy, nest=nest)

        return decorate if function is None else decorate(function)

    def span(
        self,
        name: str,
        *,
        max_time_ms: float | None = None,
        pillar: str = "",
        quantile: float = 0.99,
        confidence: float = 0.95,
        on_overrun: Policy = "record",
    ) -> Span | NoSpan:
        """A block to time: ``with PerformanceBudget.span("name"):``, or ``async with``. Nests."""
        if not self.enabled:
            return NO_SPAN
        cell = self._cells.get(name)
        if cell is None or max_time_ms is not None:
            cell = self._cell(Limits(name, "ms", max_time_ms, None, quantile, confidence, pillar))
        cell.times()
        return Span(cell, checked(on_overrun))

    def watch_job(
        self,
        name: str,
        total: float = 1.0,
        *,
        limit: float | None = None,
        unit: str = "min",
        pillar: str = "",
        on_alarm: Policy = "warn",
        every_s: float | None = 5.0,
    ) -> Job:
        """A long job, as a context manager: tell it ``job.progress(done)``, of ``total``, and it foretells
        its end. ``on_alarm`` acts once, as soon as the limit will not hold, as for overruns; the
        :class:`~harness.telemetry.budget.jobs.Forecast` is looked at with every progress, and every
        ``every_s`` seconds in a thread of its own where no progress comes (None: no thread).

        ``limit``: at most so many ``unit``, where no budget of that name has one. Switched off, it foretells
        all the same, and observes nothing. Raises ConfigurationError for a total that is none.
        """
        from harness.telemetry.budget.jobs import Job

        cell = self._cells.get(name)
        if cell is None or limit is not None:
            limits = Limits(name, unit, limit, pillar=pillar)
            cell = self._cell(limits) if self.enabled else Cell(limits)
        cell.times()
        return Job(cell, total, on_alarm, every_s)

    def observe(self, name: str, value: float, unit: str | None = None) -> None:
        """Count one value of anything. ``unit``: of the budget by default, else ``"1"``; units of time are
        converted. A value that is no finite number is counted apart, and nothing passes with it.

        Raises ConfigurationError for a unit that is not the budget's, BudgetExceededError where the policy is
        to raise.
        """
        if not self.enabled:
            return
        cell = self._cells.get(name)
        if cell is None:
            cell = self._cell(Limits(name, unit or "1"))
        factor = cell.limits.factor
        if unit is not None and unit != cell.limits.unit:
            other = Limits(name, unit)
            if not (other.is_time and cell.limits.is_time):
                raise ConfigurationError(
                    f"{name!r} is observed in {unit}, and its budget is in {cell.limits.unit}",
                    hint="convert the value, or correct the unit of one of them",
                )
            factor = other.factor
        kept = float(value) * factor
        # Below zero means of a timed function that it raised; NaN is a place that nothing was put into yet.
        cell.put(inf if isnan(kept) or (kept < 0 and cell.timed) else kept)
        now = time.perf_counter()
        if now > cell.due:
            cell.due = cell.drain(now)
        if cell.limits.judged and cell.policy != "record":
            self._check(cell, kept)

    def _check(self, cell: Cell, kept: float) -> None:
        limits = cell.limits
        for limit, sign in ((limits.upper, 1), (limits.lower, -1)):
            if limit is not None and sign * kept > sign * limit * limits.factor:
                act(cell.policy, Overrun(limits.name, kept / limits.factor, limit, limits.unit), 4)

    def instrument(
        self,
        target: ModuleType | type | str,
        *,
        include: Iterable[str] = ("*",),
        exclude: Iterable[str] = (),
        pillar: str = "",
        nest: bool = False,
    ) -> list[str]:
        """Measure every function and method that a module, a package with all its modules, or a class
        defines.

        ``target``: the thing, or a module's name. ``include`` and ``exclude``: patterns such as
        ``"*.read_*"`` for the whole names, which are returned. What is measured already stays as it is.
        """
        if not self.enabled:
            return []
        from harness.telemetry.budget.instrument import instrument

        def wrap(name: str, function: Any) -> Any:
            return measured(function, self._cell(Limits(name, "ms", pillar=pillar)), "record", nest=nest)

        return instrument(target, wrap, tuple(include), tuple(exclude))

    # -- reporting

    def results(self) -> Report:
        """What was observed until now, in this process and those that are gathered with it, and the
        verdicts."""
        return report_of(self.observed(), self.reports)

    def observed(self) -> list[Observed]:
        """What was observed until now by name, without verdicts: quick, for export."""
        with self._lock:
            cells = list(self._cells.values())
            gathering = self._gathering
            if gathering is None and isinstance(self._gather, Path):
                gathering = self._gathering = Gathering(self._gather)
        if gathering is not None:
            gathering.flush()
        return observed(cells, [] if gathering is None else gathering.others())

    def report(self, format: str = "text", out: str | Path | None = None) -> Report:
        """Print the report, or write it to ``out``: ``text``, ``json``, ``markdown``, or ``pdf`` (which needs
        ``out``). Returns it.

        Raises ConfigurationError for another format, RecordingError when the file cannot be written.
        """
        report = self.results()
        report.write(format, None if out is None else Path(out))
        return report

    def flush(self) -> None:
        """Write what other processes do not see before this one ends: kinds of exceptions and what overruns
        are due to. Every value is written when it is observed."""
        if self._gathering is not None:
            self._gathering.flush()

    def reset(self) -> None:
        """Forget what was observed, here and in the folder of other processes that have ended; budgets and
        measured functions stay."""
        with self._lock:
            if self._gathering is not None:
                self._gathering.clear()
            for cell in self._cells.values():
                cell.renew()

    def off(self) -> None:
        """From now on nothing that is declared or decorated is measured: a decorator returns its function
        itself. What was decorated before stays measured. ``HARNESS_BUDGET=off`` in the environment does it
        from the start."""
        self.enabled = False

    def on(self) -> None:
        """The other way round."""
        self.enabled = True

    @staticmethod
    def of(function: Any) -> Limits | None:
        """The budget of a measured function, or None."""
        mark: Measured | None = getattr(function, MARK, None) if is_measured(function) else None
        return None if mark is None else mark.cell.limits

    def _renew(self) -> None:
        """In a child after a fork: nothing that the parent observed is this one's, and no lock is held."""
        self._lock = threading.RLock()
        if self._gathering is not None:
            self._gathering.renew()
        for cell in self._cells.values():
            if self._gathering is not None:
                cell.share = None if self._gathering.reports else self._gathering.share
            cell.renew()


def name_of(function: Any) -> str:
    """``package.module.Class.method`` of whatever is called; without the module where it is the program."""
    inner = getattr(function, "__func__", function)
    inner = getattr(inner, "func", inner)  # of functools.partial
    module = getattr(inner, "__module__", None) or ""
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    name = name.replace("<locals>.", "")
    return name if module in ("__main__", "builtins", "") else f"{module}.{name}"


def _renew_all() -> None:
    for budgets in list(_all):
        budgets._renew()


after_fork(_renew_all)

PerformanceBudget = Budgets(gather=True, enabled=os.environ.get(SWITCH, "").lower() not in ("off", "0", "no"))
