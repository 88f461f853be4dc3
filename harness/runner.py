"""One run, from the lock to the report; every path out of it ends in the safe stop.

Order: lock, folder, guardian, processes, devices, the guardian's own stop path, preflight, floor, set-up; for
each scenario reset, probes, warm-up, measuring, drain; safe stop, floor again, safe stop, tear-down, closing,
raw tables, analysis, report.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness import __version__
from harness.arming import require_arming
from harness.bench import Bench
from harness.clock import HostClock
from harness.conclude import RunOutcome, conclude
from harness.config import LoadedRig, rig_from_resolved
from harness.config.schema import OpenLoop, RigFile, ScenarioBase, Throughput
from harness.config.together import chosen as chosen_groups
from harness.described import calibration_findings, description_findings
from harness.doctor import rig_report
from harness.earlier import earlier_runs
from harness.errors import ConfigurationError, HarnessError, OperationError, RecordingError, SafetyError
from harness.floor import Floor
from harness.folder import RunFolder
from harness.hostcheck import host_findings, require_free_host
from harness.hostinfo import collect_git, collect_host, collect_versions
from harness.interrupt import Interrupted, Interrupts
from harness.lock import RigLock
from harness.model import SCHEMA_VERSION, Finding, Severity, Verdict
from harness.processes import end_run_processes
from harness.prospects import require_possible
from harness.resuming import Resumed
from harness.scenario_loop import run_scenarios
from harness.scenarios.replaying import prepare_replays, read_replays
from harness.steps import Ask, run_steps

RESERVE_BYTES = 64 << 20


@dataclass(frozen=True)
class RunOptions:
    """What the caller of a run decides.

    ``ask`` puts a question of a step to the operator, ``confirm`` the one whether a real rig may move; None
    where nobody can answer. ``anyway``: run even where some requirement cannot pass, whatever is measured,
    or a real rig's host is too busy for a verdict. ``resumed``: the earlier run whose series this one goes on
    with, whose ``loaded`` is the rig then.
    """

    out: Path = Path("reports")
    samples: int | None = None
    scenarios: tuple[str, ...] | None = None
    operator: str = ""
    progress: bool = False
    armed: bool = False
    confirm: Ask | None = None
    ask: Ask | None = None
    report: bool = True
    anyway: bool = False
    resumed: Resumed | None = None
    command_line: tuple[str, ...] = field(default_factory=lambda: tuple(sys.argv))


@dataclass
class _End:
    """How a run ended, other than by itself."""

    kind: str
    reason: str
    failure: HarnessError | None = None

    @classmethod
    def by(cls, failure: HarnessError) -> _End:
        """By an error that was raised on purpose."""
        hint = f" (next: {failure.hint})" if failure.hint else ""
        return cls(_kind_of(failure), failure.message + hint, failure)


def run_rig(
    loaded: LoadedRig,
    options: RunOptions,
    *,
    clock: HostClock | None = None,
    on_folder: Callable[[RunFolder], Any] = lambda folder: None,
) -> RunOutcome:
    """Run a rig and judge it.

    ``on_folder`` is called with the new run folder and may return a context manager, entered while the run
    lasts (live progress). Raises ConfigurationError (of a run that cannot pass, too), SafetyError (not
    armed), UnavailableError (in use; the host of a real rig is busy) or RecordingError (no folder) before
    anything was started; afterwards everything ends in an outcome.
    """
    clock = clock or HostClock()
    loaded = _select(loaded, options)
    require_possible(loaded.rig, anyway=options.anyway)
    # Who has not armed the rig is told that first.
    require_free_host(loaded.rig, anyway=options.anyway or not options.armed)
    require_arming(loaded.rig, armed=options.armed, operator=options.operator, ask=options.confirm)
    started = datetime.now(timezone.utc)
    token = secrets.token_hex(2)
    interrupts = Interrupts()
    with ExitStack() as stack:
        stack.enter_context(interrupts.handled())
        lock = RigLock.acquire(loaded.rig.rig.name, f"{started:%Y-%m-%dT%H-%M-%SZ}-{token}")
        stack.callback(lock.release)
        with interrupts.shielded():
            folder = RunFolder.create(options.out, loaded.rig.rig.name, started, token, clock)
        bench = Bench(loaded, folder, clock, (lock.fileno(),))
        bench.ask = options.ask
        floor = Floor(bench)
        try:
            interrupts.raise_pending()
            _save_start(bench, options, started)
            if options.resumed is not None:
                _go_on(bench, options.resumed)
            watcher = on_folder(folder)
            if watcher is not None:
                stack.enter_context(watcher)
            end = _measure(bench, floor, options, interrupts)
        except Interrupted as interrupt:
            end = _End("interrupt", f"ended by {interrupt.name}")
        # From here on no signal is raised: the robot is stopped and the evidence written.
        end = _stop(bench, floor, options, end)
        if interrupts.count:
            folder.event("signals", count=interrupts.count, last=interrupts.last)
        try:
            _save_end(bench, end)
        except RecordingError as failure:
            reasons = filter(None, [end.reason if end else None, failure.message])
            error = (
                f"{'; '.join(dict.fromkeys(reasons))}\n  next: make room, then: harness recover {folder.path}"
            )
            return RunOutcome(folder.path, Verdict.ERROR, None, error)
        return conclude(folder, end.reason if end else None, report=options.report)


def _measure(bench: Bench, floor: Floor, options: RunOptions, interrupts: Interrupts) -> _End | None:
    """Everything from opening the bench to the last answer; returns how it was cut short, or None.

    Ends shielded, or with Interrupted, after which no second signal is raised.
    """
    end: _End | None = None
    try:
        _check_space(bench, floor)
        windows = read_replays(bench.loaded)
        bench.open(_stimuli_rows(bench.rig) + floor.rows)
        bench.preflight()
        bench.replays = prepare_replays(bench, windows)
        floor.open()
        floor.measure("before")
        bench.folder.event("phase", name="set-up")
        run_steps(bench, "setup", bench.rig.setup, bench.step_keys, options.ask)
        run_scenarios(bench, options.ask)
        bench.tick()  # what was reported last belongs to what was measured
        _floor_again(bench, floor, interrupts)
        interrupts.shield()
    except HarnessError as failure:
        interrupts.shield()
        end = _End.by(failure)
    except Exception as failure:
        interrupts.shield()
        bench.folder.event("exception", traceback=traceback.format_exc())
        end = _End("harness", f"unexpected {type(failure).__name__}: {failure}")
    return end


def _floor_again(bench: Bench, floor: Floor, interrupts: Interrupts) -> None:
    """The floor after the run, once the robot no longer follows its last command.

    Nothing that befalls the rig from here on can change what was measured, so that it ends nothing.
    """
    if not floor.usable:
        return
    with interrupts.shielded():
        failures = bench.safe_stop()
    interrupts.raise_pending()
    try:
        if failures:
            raise OperationError("; ".join(failures))
        floor.measure("after")
    except RecordingError:
        raise
    except HarnessError as failure:
        message = f"the floor after the run was not measured: {failure.message}"
        bench.note(Finding("floor", Severity.WARNING, message, remedy=failure.hint or ""))


def _stop(bench: Bench, floor: Floor, options: RunOptions, end: _End | None) -> _End | None:
    """Safe stop, tear-down steps, closing; goes on past every failure."""
    failures = bench.safe_stop()
    if end is not None and end.failure is not None:
        end = _End.by(bench.cause_of(end.failure))
    floor.close()
    bench.folder.event("phase", name="tear-down")
    try:
        run_steps(
            bench, "teardown", bench.rig.teardown, bench.step_keys, options.ask if end is None else None
        )
    except Exception as failure:
        bench.note(Finding("tear-down", Severity.WARNING, str(failure)))
    bench.close()
    leftovers = end_run_processes(bench.folder.run_id, {os.getpid(), os.getppid()})
    if leftovers:
        bench.folder.event("leftovers_ended", processes=leftovers)
    return _End("device", "; ".join(failures)) if failures and end is None else end


def _select(loaded: LoadedRig, options: RunOptions) -> LoadedRig:
    """The rig with only the chosen scenarios and, if given, another number of samples."""
    if options.resumed is not None or (options.scenarios is None and options.samples is None):
        return loaded
    resolved = loaded.resolved()
    if options.scenarios is not None:
        unknown = [name for name in options.scenarios if name not in resolved["scenarios"]]
        if unknown:
            raise ConfigurationError(
                f"no scenario {unknown[0]!r} in {loaded.path}",
                hint=f"it has: {', '.join(resolved['scenarios'])}",
            )
        resolved["scenarios"] = {k: v for k, v in resolved["scenarios"].items() if k in options.scenarios}
        resolved["together"] = chosen_groups(resolved["together"], options.scenarios)
        resolved["requirements"] = [r for r in resolved["requirements"] if r["scenario"] in options.scenarios]
        if not resolved["requirements"]:
            wanted = ", ".join(options.scenarios)
            message = f"no requirement of {loaded.path} is on {wanted}"
            raise ConfigurationError(message, hint="a run has to judge something")
    if options.samples is not None:
        if options.samples < 1:
            raise ConfigurationError(f"--samples {options.samples}: at least one is needed")
        for scenario in resolved["scenarios"].values():
            schedule = scenario["schedule"]
            schedule["samples"] = options.samples
            if schedule["stages"]:
                looks = [stage for stage in schedule["stages"] if stage < options.samples]
                schedule["stages"] = [*looks, options.samples]
    chosen = []
    if options.samples is not None:
        for name, scenario in resolved["scenarios"].items():
            chosen.append(f"scenarios.{name}.schedule.samples={options.samples}")
            if scenario["schedule"]["stages"]:
                chosen.append(f"scenarios.{name}.schedule.stages={scenario['schedule']['stages']}")
    return replace(loaded, overrides=(*loaded.overrides, *chosen), rig=rig_from_resolved(resolved))


def _rows_of(spec: ScenarioBase) -> int:
    schedule = spec.schedule
    if isinstance(schedule, OpenLoop):
        searched = spec.search.most_stimuli(schedule.rate_hz) if isinstance(spec, Throughput) else 0
        return schedule.samples + round(schedule.warmup_s * schedule.rate_hz) + searched
    return (schedule.samples + schedule.warmup) * (2 if spec.returns else 1)


def _stimuli_rows(rig: RigFile) -> int:
    probes = sum(round(spec.probing.timeout_s * spec.probing.rate_hz) for spec in rig.scenarios.values())
    return sum(_rows_of(spec) for spec in rig.scenarios.values()) + 2 * probes + 64


def _check_space(bench: Bench, floor: Floor) -> None:
    """Refuse a run whose tables would not fit on the disk. Raises RecordingError."""
    needed = (_stimuli_rows(bench.rig) + floor.rows) * 48 * 4 + RESERVE_BYTES
    free = shutil.disk_usage(bench.folder.path).free
    if free < needed:
        raise RecordingError(
            f"{bench.folder.path}: {free >> 20} MiB free, the run may need {needed >> 20} MiB",
            hint="free some space or choose another folder with --out",
        )
    for finding in [
        *host_findings(bench.rig.host),
        *description_findings(bench.rig),
        *calibration_findings(bench.rig),
    ]:
        bench.note(finding)


def _save_start(bench: Bench, options: RunOptions, started: datetime) -> None:
    folder, loaded = bench.folder, bench.loaded
    folder.save_run(
        schema=SCHEMA_VERSION,
        run_id=folder.run_id,
        harness_version=__version__,
        started=started.isoformat(timespec="milliseconds"),
        ended=None,
        status="running",
        abort_reason=None,
        abort_kind=None,
        rig={
            "file": _as_given(loaded.path),
            "sha256": loaded.sha256,
            "text": loaded.text,
            "overrides": list(loaded.overrides),
            "only_scenarios": list(options.scenarios or ()),
            "resolved": loaded.resolved(),
        },
        command_line=list(options.command_line),
        operator=options.operator,
        seed=secrets.randbits(32) if options.resumed is None else options.resumed.seed,
        host=collect_host(),
        doctor=rig_report(loaded),
        earlier_runs=earlier_runs(folder.path, loaded.sha256),
        versions=collect_versions(),
        git=collect_git(loaded.path),
        clocks=[],
        scenarios=[],
        ports={},
        devices={},
        floors=[],
        findings=[],
        realtime={},
    )


def _go_on(bench: Bench, resumed: Resumed) -> None:
    """Have the earlier parts in this run's folder and on its mind. Raises RecordingError."""
    resumed.carry(bench.folder)
    bench.done = {resumed.scenario: resumed.done}
    for finding in resumed.findings():
        bench.note(finding)


def _save_end(bench: Bench, end: _End | None) -> None:
    bench.folder.event("ended", kind=end.kind if end else None, reason=end.reason if end else None)
    bench.folder.save_run(
        ended=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        status="aborted" if end else "finished",
        abort_kind=end.kind if end else None,
        abort_reason=end.reason if end else None,
        findings=[{**asdict(finding), "severity": finding.severity.value} for finding in bench.findings],
        devices=bench.identities,
        realtime=bench.quiet.report(),
    )


def _as_given(path: Path) -> str:
    """Relative to the working directory where it lies inside, else the name alone."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return path.name


def _kind_of(failure: HarnessError) -> str:
    if isinstance(failure, SafetyError):
        return "safety"
    return "recording" if isinstance(failure, RecordingError) else "device"
