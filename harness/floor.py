"""The harness's own floor: the same measurement with nothing but the harness in the loop, before and after.

Each scenario's device is replaced by its twin (:meth:`harness.config.schema.DeviceBase.floor_twin`), an echo
behind the same transport, and measured by the very driver, sender, tables and real-time settings that measure
the rig. ``docs/run-folder.md`` says what is recorded; what J is, ``docs/statistics.md``.
"""

from __future__ import annotations

import queue
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from pydantic import ValidationError

from harness import adapters
from harness.bench import Bench
from harness.config.schema import (
    CommandRoundTrip,
    Match,
    OpenLoop,
    Paced,
    Probing,
    Process,
    Ready,
    Replay,
    RigFile,
    ScenarioBase,
    SwarmReorganization,
)
from harness.config.twin import FloorTwin
from harness.errors import ConfigurationError, HarnessError, OperationError, RecordingError
from harness.model import FLOOR_SCENARIOS, Finding, Severity
from harness.ports import Device, DeviceContext, Role
from harness.processes import Processes
from harness.scenarios.command_round_trip import CommandRoundTripDriver
from harness.scenarios.wiring import Wiring
from harness.schedule import KeyMaker

WARM_UP_S = 0.1
LEAST_SAMPLES = 20
TRIALS_RATE_HZ = 200.0
"""At most; trials have no rate of their own."""
SHARE = 0.1
"""J is the floor's quantile at 1 - p0 / 10; both phases together see it when they hold 10 / p0 samples."""
MARGIN = 1.1
DEFAULT_P0 = 0.01
ECHO_READY = Ready(log="ready", timeout_s=10.0)
PROBING = Probing(consecutive=10, rate_hz=50.0, timeout_s=10.0)
PHASES = BEFORE, AFTER = ("before", "after")
COMMAND, ANSWER = "command", "answer"


@dataclass(frozen=True)
class FloorPlan:
    """One measurement of the floor, which scenarios of equal twin and rate share. ``samples``: of a phase."""

    name: str
    twin: FloorTwin
    scenarios: tuple[str, ...]
    rate_hz: float
    timeout_ms: float
    samples: int

    @property
    def port(self) -> str:
        """Where the answers are recorded."""
        return f"{self.name}.{ANSWER}"

    @property
    def rows(self) -> int:
        """Rows of the table of stimuli that both phases need at most."""
        probes = ceil(PROBING.timeout_s * PROBING.rate_hz) + 1
        warm_up = ceil(self.warm_up_s(BEFORE) * self.rate_hz) + ceil(self.warm_up_s(AFTER) * self.rate_hz)
        return len(PHASES) * (self.samples + probes) + warm_up

    def warm_up_s(self, phase: str) -> float:
        """How long that phase warms up, in seconds."""
        return self.twin.settle_s if phase == BEFORE else WARM_UP_S

    def spec(self, phase: str) -> CommandRoundTrip:
        """The scenario that measures it."""
        return CommandRoundTrip.model_construct(
            kind="command_round_trip",
            stimulus=f"{self.name}.{COMMAND}",
            response=self.port,
            timeout_ms=self.timeout_ms,
            schedule=Paced(
                kind="paced", rate_hz=self.rate_hz, samples=self.samples, warmup_s=self.warm_up_s(phase)
            ),
            probing=PROBING,
            max_unanswered=100,
        )


def plan(rig: RigFile) -> list[FloorPlan]:
    """What is measured of the floor in a run of this rig; nothing with ``host.floor_s`` 0.

    A phase holds half of the samples that show the quantile J is taken at, but no more than fit into
    ``floor_s``, which all measurements of a phase share.
    """
    longest_s = rig.host.floor_s
    if not longest_s:
        return []
    plans: list[FloorPlan] = []
    for name, spec in rig.scenarios.items():
        if isinstance(spec, SwarmReorganization):
            continue  # nothing is sent that a twin could echo
        twin, rate = twin_of(rig, spec), rate_of(spec)
        samples = max(LEAST_SAMPLES, ceil(MARGIN / (SHARE * _p0(rig, name)) / len(PHASES) - 1e-9))
        for number, other in enumerate(plans):
            if other.twin == twin and other.rate_hz == rate:
                plans[number] = replace(
                    other,
                    scenarios=(*other.scenarios, name),
                    timeout_ms=max(other.timeout_ms, spec.timeout_ms),
                    samples=max(other.samples, samples),
                )
                break
        else:
            plans.append(FloorPlan(f"_floor_{name}", twin, (name,), rate, spec.timeout_ms, samples))
    if not plans:
        return []
    wanted_s = sum(each.samples / each.rate_hz for each in plans)
    share = min(1.0, longest_s / wanted_s)
    return [replace(each, samples=max(1, int(each.samples * share + 1e-9))) for each in plans]


def twin_of(rig: RigFile, spec: ScenarioBase) -> FloorTwin:
    """What the devices of a scenario are replaced by."""
    device, _, stimulus = spec.stimulus.partition(".")
    other, _, response = spec.response.partition(".")
    if device != other:
        return FloorTwin.loopback()
    options = rig.devices[device]
    if isinstance(spec.schedule, Replay):
        options = _sending_recorded(options, stimulus, spec.schedule)
    twin: FloorTwin = options.floor_twin(stimulus, response)
    return twin


def _sending_recorded(options: Any, port: str, replay: Replay) -> Any:
    """The device with a recorded message as what that port sends, where it can: floors depend on its size."""
    sends = options.ports[port].stimulus
    if "template" not in type(sends).model_fields:
        return options
    template = {"bag": replay.bag, "topic": replay.topic}
    told = type(sends).model_validate({**sends.model_dump(mode="json"), "template": template})
    ports = {**options.ports, port: options.ports[port].model_copy(update={"stimulus": told})}
    return options.model_copy(update={"ports": ports})


def rate_of(spec: ScenarioBase) -> float:
    """Rate at which the floor of a scenario is measured, in Hz: its own, or about that of its trials."""
    schedule = spec.schedule
    if isinstance(schedule, OpenLoop):
        return schedule.rate_hz
    return min(TRIALS_RATE_HZ, 1000.0 / (schedule.quiet_ms + sum(schedule.dwell_ms) / 2))


def _p0(rig: RigFile, scenario: str) -> float:
    """The smallest share of exceedances that a requirement on the scenario allows."""
    shares = [
        1 - each.quantile
        for each in rig.requirements
        if each.scenario == scenario and each.quantile is not None
    ]
    return min(shares, default=DEFAULT_P0)


@dataclass
class _Twin:
    """One twin of a run, open or given up."""

    number: int
    plan: FloorPlan
    device: Device
    options: Any
    keys: KeyMaker
    message_bytes: int | None
    usable: bool = True
    measured: dict[str, int] = field(default_factory=dict)

    @property
    def match(self) -> Match:
        """How its answers are matched."""
        match: Match = self.options.ports[ANSWER].response.match
        return match

    def record(self) -> dict[str, Any]:
        """Its entry of ``floors`` in run.json."""
        return {
            "name": self.plan.name,
            "port": self.plan.port,
            "scenarios": list(self.plan.scenarios),
            **{phase: self.measured.get(phase) for phase in PHASES},
            "rate_hz": self.plan.rate_hz,
            "message_bytes": self.message_bytes,
            "what": self.plan.twin.what,
            "match": self.match.model_dump(mode="json"),
            "timeout_ms": self.plan.timeout_ms,
        }


class Floor:
    """The twins of one run: opened, measured before and after, closed.

    What goes wrong with a twin is a finding, and the run goes on without; what goes wrong with the rig
    meanwhile is raised. No twin can move anything, and the guardian is given no stop of theirs.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._plans = plan(bench.rig)
        self._devices: list[Device] = []
        self._twins: list[_Twin] = []
        self._reported: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        folder = bench.folder
        self._echoes = Processes(folder.run_id, folder.path / "processes", bench.clock)
        """Apart from those of the rig, whose end aborts the run."""

    @property
    def rows(self) -> int:
        """Rows of the table of stimuli that it needs at most."""
        return sum(each.rows for each in self._plans)

    @property
    def usable(self) -> bool:
        """Whether a twin is left to be measured."""
        return any(twin.usable for twin in self._twins)

    def open(self) -> None:
        """Start the echoes, connect. Raises RecordingError."""
        for number, each in enumerate(self._plans):
            with self._attempt(each.name, "before the run"):
                self._open(number, replace(each, twin=each.twin.apart(number)))
        self._save()

    def measure(self, phase: str) -> None:
        """Measure every twin; ``phase`` is ``before`` or ``after``. Raises what housekeeping of the rig
        finds, and RecordingError."""
        when = f"{phase} the run"
        for twin in self._twins:
            if not twin.usable:
                continue
            twin.usable = False
            with self._attempt(twin.plan.name, when):
                self._refuse_lost(twin)
                self._measure(twin, phase)
                twin.usable = True
                self._save()
            self._note_reported(when)

    def close(self) -> None:
        """Let go of every twin and end the echoes. Repeatable; goes on past failures."""
        devices, self._devices, self._twins = self._devices, [], []
        for device in reversed(devices):
            try:
                device.close()
            except Exception as failure:
                self._note(f"{device.name} could not be closed: {failure}")
        for line in self._echoes.stop_all():
            self._note(line)

    # -- one twin -------------------------------------------------------------------------------------------

    def _open(self, number: int, plan: FloorPlan) -> None:
        bench, name = self._bench, plan.name
        adapter = str(plan.twin.options["adapter"])
        entry = adapters.entry(adapter)
        try:
            options = adapters.load(entry.options).model_validate(plan.twin.options)
        except ValidationError as error:
            raise ConfigurationError(f"twin of adapter {adapter!r}: {error}") from error
        context = DeviceContext(
            bench.folder.run_id,
            Role.HARNESS,
            bench.clock,
            self._reported.put,
            bench.folder.path,
            rig_folder=bench.loaded.path.parent,
        )
        device: Device = adapters.load(entry.device)(name, options, context)
        self._devices.append(device)
        if plan.twin.command:
            self._start_echo(plan, device.process_environment())
        device.open()
        for info in device.clocks():
            bench.recorder.know(name, info)
        bench.recorder.observe(plan.port, device.response(ANSWER))
        bench.recorder.save()
        stimulus = device.stimulus(COMMAND)
        self._twins.append(
            _Twin(
                number,
                plan,
                device,
                options,
                KeyMaker(stimulus.key_kind.value, bench.clock),
                plan.twin.message_bytes,
            )
        )

    def _start_echo(self, plan: FloorPlan, environment: dict[str, str]) -> None:
        bench = self._bench
        spec = Process(
            command=list(plan.twin.command),
            env=plan.twin.environment,
            ready=ECHO_READY,
        )
        managed = self._echoes.start(
            plan.name, spec, bench.loaded.path.parent, environment, stdin=subprocess.PIPE
        )
        if bench.guardian is not None:
            bench.guardian.watch_process(plan.name, managed.pid)
        self._echoes.wait_ready(plan.name, lambda condition, argument: True)

    def _measure(self, twin: _Twin, phase: str) -> None:
        bench, plan, device = self._bench, twin.plan, twin.device
        spec = plan.spec(phase)
        index = FLOOR_SCENARIOS + len(PHASES) * twin.number + PHASES.index(phase)
        wiring = Wiring(
            device.stimulus(COMMAND),
            twin.options.ports[COMMAND].stimulus.values,
            twin.options.limits,
            twin.match,
            device.preflight,
        )
        driver = CommandRoundTripDriver(bench, index, plan.name, spec, twin.keys, wiring)
        if twin.message_bytes is None:
            twin.message_bytes = _size_of(driver.prepared[0])
        seed = (int(bench.folder.run["seed"]) + index) % 2**32
        bench.folder.event("phase", name=f"floor {phase}", floor=plan.name)
        bench.track(plan.port, driver.tracker)
        try:
            driver.probe()
            with bench.quiet:
                driver.measure(seed)
                driver.drain()
        finally:
            bench.track(plan.port, None)
        twin.measured[phase] = index
        bench.folder.event("floor_measured", name=plan.name, phase=phase)

    # -- what goes wrong ------------------------------------------------------------------------------------

    @contextmanager
    def _attempt(self, name: str, when: str) -> Iterator[None]:
        """A failure of the twin in the ``with`` block is a finding and leaves the block; one of the rig, or
        of the recording, is raised."""
        bench = self._bench
        try:
            yield
        except RecordingError:
            raise
        except HarnessError as failure:
            if failure is bench.raised:
                raise
            self._note(f"the floor {when} was not measured ({name}): {failure.message}", failure.hint or "")

    def _refuse_lost(self, twin: _Twin) -> None:
        """Raise OperationError when the twin's echo has ended meanwhile."""
        for ended in self._echoes.ended():
            if ended.name == twin.plan.name:
                tail = self._echoes.log_tail(ended.name, 3).strip()
                raise OperationError(
                    f"its echo ended by itself ({ended.how}){f': {tail}' if tail else ''}",
                    hint=f"read processes/{ended.name}.log in the run folder",
                )

    def _note_reported(self, when: str) -> None:
        """What the twins told since the last time, e.g. that the harness lost answers of theirs."""
        while not self._reported.empty():
            told = self._reported.get()
            if told.severity is not Severity.INFO:
                self._note(f"measuring the floor {when}: {told.message}", told.remedy)

    def _note(self, message: str, remedy: str = "") -> None:
        self._bench.note(Finding("floor", Severity.WARNING, message, remedy=remedy))

    def _save(self) -> None:
        self._bench.folder.save_run(floors=[twin.record() for twin in self._twins])


def _size_of(prepared: Any) -> int | None:
    """Bytes of one serialised command, where its adapter tells."""
    if isinstance(prepared, (bytes, bytearray)):
        return len(prepared)
    size = getattr(prepared, "message_bytes", None)
    return size if isinstance(size, int) else None
