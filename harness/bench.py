"""An open bench: processes, devices, guardian and tables of one run, and the housekeeping while it runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness import adapters
from harness.bags.recording import BagRecording
from harness.clock import HostClock
from harness.config import LoadedRig
from harness.config.schema import Match
from harness.errors import HarnessError, OperationError, SafetyError, UnavailableError
from harness.exchanges import Exchanges
from harness.folder import RunFolder
from harness.guardian import Guardian
from harness.hostcheck import StealWatch
from harness.hostlog import HostLog
from harness.model import (
    HOST_REALTIME,
    Finding,
    Severity,
)
from harness.ports import Device, DeviceContext, Role
from harness.processes import Processes
from harness.realtime import QuietHost
from harness.recorder import Recorder
from harness.schedule import KeyMaker

if TYPE_CHECKING:
    from harness.scenarios.replaying import Replayed

TICK_S = 0.05
CAUSE_NS = 1_000_000_000
UNWATCHED_NS = 5_000_000_000
"""Below the guardian's own patience, so that its stop is not overrun by the next command."""
MESSAGES_LOST = "messages lost"


class Bench:
    """Opens in the order guardian, processes, devices, guardian's stop path; closes in the reverse order.

    Everything that waits does so through :meth:`wait`, which keeps house: dead processes, findings of
    devices,
    the guardian, clock readings, tables growing ahead. A trouble found there is raised in the waiting thread.
    """

    def __init__(
        self, loaded: LoadedRig, folder: RunFolder, clock: HostClock, keep_fds: tuple[int, ...] = ()
    ) -> None:
        self.loaded = loaded
        self.rig = loaded.rig
        self.folder = folder
        self.clock = clock
        self._keep_fds = keep_fds
        self.done: dict[str, int] = {}
        """Trials that earlier parts of a resumed series have made, by scenario."""
        self.broken: frozenset[str] = frozenset()
        """Response ports (``device.port``) of robots that are broken on purpose at present."""
        self.ask: Callable[[str], bool] | None = None
        """Asks the operator; None where nobody can answer."""
        self.devices: dict[str, Device] = {}
        self.processes = Processes(folder.run_id, folder.path / "processes", clock)
        self.guardian: Guardian | None = None
        self._host_log: HostLog | None = None
        self.recorder = Recorder(folder, clock)
        namespaces = {name: getattr(one, "namespace", "") for name, one in self.rig.devices.items()}
        self.bag = BagRecording(self.rig.record, folder.path, namespaces)
        self.states = self.recorder.states
        self.track = self.recorder.track
        self.findings: list[Finding] = []
        self.raised: HarnessError | None = None
        """What housekeeping raised last: a trouble of the rig, whoever was waiting."""
        self._reported: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        self._last_tick_ns = clock.monotonic_ns()
        self.quiet = QuietHost(self.rig.host)
        self.identities: dict[str, dict[str, Any]] = {}
        self._steal = StealWatch()
        self.replays: dict[str, Replayed] = {}
        """Recorded messages that scenarios send, by scenario."""
        self._makers: dict[str, KeyMaker] = {}
        self.step_keys = KeyMaker("stamp", clock)
        """Keys of what set-up and tear-down steps send: stamps, which any port can carry."""

    # -- opening
    # ------------------------------------------------------------------------------------------------

    def open(self, stimuli_rows: int) -> None:
        """Start and open everything; nothing moves yet. On failure the caller closes."""
        self.stimuli = self.recorder.table("stimuli", stimuli_rows)
        self.clocks = self.recorder.table("clocks", 4096)
        self.exchanges = Exchanges(self.clock, self.clocks.append, self.recorder.clock_number(HOST_REALTIME))
        self.guardian = Guardian.start(self.folder.run_id, self.folder.path, self._keep_fds)
        self.folder.event("guardian_started")
        if self.rig.host.record_hz:
            pauses = self.recorder.table("pauses", 1024)
            self._host_log = HostLog.start(self.folder.path, self.rig.host.record_hz, pauses)
        for name, options in self.rig.devices.items():
            self.devices[name] = self._device(name, options)
        self._start_processes()
        for name, device in self.devices.items():
            device.open()
            self.folder.event("device_opened", device=name)
        self._wait_processes()
        self._listen()
        for name, options in self.rig.devices.items():
            self.guardian.watch_device(name, options.adapter, options.model_dump(mode="json"))
        self.folder.event("guardian_ready")
        self.read_clocks(phase=0)

    def keys_of(self, kind: str) -> KeyMaker:
        """What makes all keys of that kind in this run, so that none comes twice."""
        return self._makers.setdefault(kind, KeyMaker(kind, self.clock))

    def _device(self, name: str, options: Any) -> Device:
        context = DeviceContext(
            self.folder.run_id,
            Role.HARNESS,
            self.clock,
            partial(self._report, name),
            self.folder.path,
            partial(self.bag.offer, name) if self.bag.wanted else None,
            self.loaded.path.parent,
            not self.rig.rig.simulated,
        )
        device: Device = adapters.load(adapters.entry(options.adapter).device)(name, options, context)
        return device

    def _report(self, device: str, finding: Finding) -> None:
        self._reported.put(replace(finding, port=f"{device}.{finding.port}") if finding.port else finding)

    def _start_processes(self) -> None:
        environment: dict[str, str] = {}
        for device in self.devices.values():
            environment.update(device.process_environment())
        for name, spec in self.rig.processes.items():
            managed = self.processes.start(name, spec, self.loaded.path.parent, environment)
            assert self.guardian is not None
            self.guardian.watch_process(name, managed.pid)
            self.folder.event("process_started", process=name, pid=managed.pid, command=list(spec.command))
            if spec.ready.first:
                self._wait_process(name, lambda condition, argument: False)

    def _wait_processes(self) -> None:
        for name, spec in self.rig.processes.items():
            if not spec.ready.first:
                self._wait_process(name, self.devices[spec.ready.device or next(iter(self.devices))].is_ready)

    def _wait_process(self, name: str, is_ready: Callable[[str, str], bool]) -> None:
        self.processes.wait_ready(name, is_ready)
        self.folder.event("process_ready", process=name)

    def _listen(self) -> None:
        for name, device in self.devices.items():
            for info in device.clocks():
                self.exchanges.add(device, info, self.recorder.know(name, info))
        for reference in self.response_ports():
            device_name, _, port = reference.partition(".")
            self.recorder.observe(reference, self.devices[device_name].response(port))
        self.recorder.save()
        self.bag.require_known()
        self.folder.save_run(bag=self.bag.about())

    # -- what the scenarios ask
    # -----------------------------------------------------------------------------------

    def response_ports(self) -> list[str]:
        """Every response port of the rig, ``device.port``: all of them are recorded."""
        return [
            f"{device}.{name}"
            for device, options in self.rig.devices.items()
            for name, port in options.ports.items()
            if getattr(port, "response", None) is not None
        ]

    def stimulus_values(self, device: str, port: str) -> dict[str, Any]:
        """The values that the rig file gives a stimulus port."""
        values: dict[str, Any] = self.rig.devices[device].ports[port].stimulus.values
        return values

    def match_of(self, reference: str) -> Match:
        """How answers on that response port find their stimulus."""
        device, _, port = reference.partition(".")
        match: Match = self.rig.devices[device].ports[port].response.match
        return match

    def require_housekeeping(self, now_ns: int) -> None:
        """Raise OperationError when nobody kept house for a while: nothing may move unwatched."""
        if now_ns - self._last_tick_ns > UNWATCHED_NS:
            raise OperationError(
                f"housekeeping hung for {(now_ns - self._last_tick_ns) * 1e-9:.1f} s, so sending ended",
                hint="the host is overloaded or the process was paused; look at the load and run again",
            )

    def promote_thread(self) -> None:
        """Give the calling thread what the host allows of real-time behaviour."""
        self.quiet.promote_thread()

    def look(self) -> list[Finding]:
        """What the devices find without sending anything."""
        return [finding for device in self.devices.values() for finding in device.preflight()]

    def preflight(self) -> None:
        """Refuse to go on when a device finds an error. Raises SafetyError or UnavailableError."""
        found = self.look()
        for finding in found:
            self.note(finding)
        errors = [finding for finding in found if finding.severity is Severity.ERROR]
        if errors:
            message = "; ".join(finding.message for finding in errors)
            remedies = dict.fromkeys(finding.remedy for finding in errors if finding.remedy)
            hint = "; ".join(remedies) or None
            kind = SafetyError if any("publish" in finding.name for finding in errors) else UnavailableError
            raise kind(f"preflight: {message}", hint=hint)

    def note(self, finding: Finding) -> None:
        """Keep a finding for the report."""
        if finding not in self.findings:
            self.findings.append(finding)
            if finding.severity is not Severity.INFO:
                self.folder.event(
                    "finding", name=finding.name, severity=finding.severity.value, message=finding.message
                )

    # -- housekeeping
    # ---------------------------------------------------------------------------------------------

    def wait(self, until: Callable[[], bool], each: Callable[[], None] | None = None) -> None:
        """Keep house until ``until()``; ``each`` is called every time round. Raises what housekeeping
        finds."""
        pause = threading.Event()
        while not until():
            self.tick()
            if each is not None:
                each()
            pause.wait(TICK_S)

    def sleep_until(self, deadline_ns: int) -> None:
        """Keep house until ``deadline_ns`` (CLOCK_MONOTONIC)."""
        while (remaining := deadline_ns - self.clock.monotonic_ns()) > 0:
            self.tick()
            threading.Event().wait(min(TICK_S, remaining * 1e-9))

    def tick(self) -> None:
        """One round of housekeeping. Raises what it finds, which is then :attr:`raised` as well."""
        try:
            self._keep_house()
        except HarnessError as failure:
            self.raised = failure
            raise

    def _keep_house(self) -> None:
        self._last_tick_ns = self.clock.monotonic_ns()
        trouble = self.recorder.failure or self.folder.trouble
        if trouble is not None:
            raise trouble
        for table in self.recorder.tables:
            table.grow_ahead()
        if self.guardian is not None:
            self._check_guardian(self.guardian)
        self._check_processes()
        self._take_findings()
        self.exchanges.turn()

    def _check_processes(self) -> None:
        for ended in self.processes.ended():
            tail = self.processes.log_tail(ended.name, 5).strip()
            raise OperationError(
                f"process {ended.name!r} ended by itself ({ended.how}){f': {tail}' if tail else ''}",
                hint=f"read processes/{ended.name}.log in the run folder",
            )

    def cause_of(self, failure: HarnessError) -> HarnessError:
        """What is behind an operation that failed: a process that ended, a device that lost its robot.

        Whoever sends notices first that nobody takes it; who died, and how, is known a moment later.
        """
        deadline = self.clock.monotonic_ns() + CAUSE_NS
        pause = threading.Event()
        while isinstance(failure, OperationError) and self.clock.monotonic_ns() < deadline:
            try:
                self._check_processes()
                self._take_findings()
            except HarnessError as cause:
                told = any(repr(ended.name) in failure.message for ended in self.processes.ended())
                return failure if told else cause
            pause.wait(TICK_S)
        return failure

    def _check_guardian(self, guardian: Guardian) -> None:
        guardian.beat()
        if not guardian.alive():
            raise SafetyError(
                "the guardian process ended, so nothing would stop the robot if this process died"
            )
        if guardian.acted():
            raise SafetyError("the guardian stopped the robot because this process had hung")

    def _take_findings(self) -> None:
        for finding in self.bag.findings():
            self.note(finding)
        with suppress(queue.Empty):
            while True:
                finding = self._excused(self._reported.get_nowait())
                self.note(finding)
                if finding.severity is Severity.ERROR and finding.name != MESSAGES_LOST:
                    kind = SafetyError if "publish" in finding.name else OperationError
                    raise kind(finding.message, hint=finding.remedy or None)

    def _excused(self, finding: Finding) -> Finding:
        """Messages of a robot that is broken on purpose are lost on purpose."""
        if finding.name != MESSAGES_LOST or finding.port not in self.broken:
            return finding
        words = f"messages on {finding.port} were lost while its robot was broken on purpose"
        return Finding("lost on purpose", Severity.INFO, words, port=finding.port)

    def read_clocks(self, phase: int) -> None:
        """Record a reading of CLOCK_REALTIME and a burst of exchanges with the devices' clocks: ``phase`` 0
        before, 2 after measuring."""
        self.exchanges.burst(phase)

    # -- ending
    # -----------------------------------------------------------------------------------------------------

    def safe_stop(self) -> list[str]:
        """Stop every device, whatever else fails; returns what went wrong, in words."""
        failures = []
        for name, device in self.devices.items():
            try:
                device.safe_stop()
            except Exception as failure:
                failures.append(f"safe stop of {name}: {failure}")
        if self.guardian is not None:
            self.guardian.stop_beating()
        self.folder.event("safe_stop", devices=list(self.devices), failures=failures)
        return failures

    def _identify(self, name: str, device: Device) -> None:
        options = self.rig.devices[name]
        record = {} if options.calibration is None else {"calibration": options.calibration.words}
        self.identities[name] = {
            "adapter": options.adapter,
            "simulated": self.rig.rig.simulated or device.simulated,
            "identity": {**device.identity(), **record},
        }

    def close(self) -> list[str]:
        """Close everything in reverse order, going on past failures; returns what went wrong, in words."""
        failures: list[str] = []

        def attempt(what: str, action: Callable[[], Any]) -> None:
            try:
                action()
            except Exception as failure:
                message = failure.message if isinstance(failure, HarnessError) else repr(failure)
                failures.append(f"{what}: {message}")

        self.note(self._steal.finding())
        for name, device in self.devices.items():
            attempt(f"identity of {name}", partial(self._identify, name, device))
        for name, device in reversed(self.devices.items()):
            attempt(f"close {name}", device.close)
        attempt("end processes", self.processes.stop_all)
        if self.guardian is not None:
            attempt("release the guardian", self.guardian.release)
        if self._host_log is not None:
            attempt("end the record of the host", self._host_log.close)
            if self._host_log.trouble:
                words = f"what the host did was not recorded to the end: {self._host_log.trouble}"
                self.note(Finding("host record", Severity.INFO, words))
        attempt("close the tables", self.folder.close)
        for finding in self.bag.close():
            self.note(finding)
        with suppress(HarnessError):
            self._take_findings()
        for failure in failures:
            self.note(Finding("tear-down", Severity.WARNING, failure))
        return failures
