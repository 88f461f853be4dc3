"""Frozen data types that every part shares: tables, flags, verdicts. Imports no sibling.

Units are in names: ``_ns`` are integer nanoseconds, ``_ms`` / ``_s`` / ``_hz`` floats.
All ``*_ns`` columns without a clock column are on the host's ``CLOCK_MONOTONIC``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np

NO_KEY = -1
"""Key of an observation that carries none."""
NO_STAMP = np.iinfo(np.int64).min
"""Value of an instant that was not given."""
FLOOR_SCENARIOS = 60_000
"""``scenario`` numbers from here on are of the harness's own floor, as ``floors`` of run.json says: they are
no scenario of the rig."""
SCHEMA_VERSION = 1
"""Version of the run folder's tables and of ``results.json``."""


class StimulusFlag(enum.IntFlag):
    """What is to be known of one stimulus beside its instants."""

    WARM_UP = 1
    """Sent before measuring; kept in the file, never counted."""
    PROBE = 2
    """Sent to find out whether the device answers yet; never counted."""
    SKIPPED = 4
    """Due while the harness was late; not sent, so that no burst follows. ``sent_ns`` is NO_STAMP."""
    UNSENT = 8
    """Not sent for another reason (run aborted, hand-over failed). ``sent_ns`` is NO_STAMP."""
    RETURN = 16
    """Sent to bring the robot back after a trial; never counted."""
    SEARCH = 32
    """Sent by a search for what the robot sustains; never counted."""


NOT_COUNTED = StimulusFlag.WARM_UP | StimulusFlag.PROBE | StimulusFlag.RETURN | StimulusFlag.SEARCH
"""Flags of stimuli that are no part of what is judged."""


class ObservationFlag(enum.IntFlag):
    """What is to be known of one observation beside its instants."""

    NOT_MIDDLEWARE = 1
    """``received_ns`` is not the middleware's receive stamp but the instant the harness saw it."""
    REJECTED = 2
    """The device said no; not an answer."""
    FURTHER = 4
    """It belongs to a stimulus that the port has shown something of before, as the second feedback of a goal
    does; neither an answer nor a duplicate of one."""


NO_ANSWER = ObservationFlag.REJECTED | ObservationFlag.FURTHER
"""Flags of observations that answer nothing, whatever their key."""


class SampleFlag(enum.IntFlag):
    """What matching found about one stimulus."""

    LOST = 1
    """Sent, and no answer within the timeout: an exceedance of every limit."""
    LATE = 2
    """An answer came, but after the timeout (so LOST as well); its instant is kept."""
    DUPLICATED = 4
    """More than one answer."""
    SUPERSEDED = 8
    """Answered by the answer to a newer stimulus (``answers: latest``)."""
    OUT_OF_ORDER = 16
    """Its answer came after the answer to a newer stimulus."""
    CLOCK_STEP = 32
    """The clock of the arrival stamp was set nearby; the instant the harness saw it is used instead."""
    NOT_SENT = 64
    """Skipped or unsent: counts neither for nor against the item."""
    OPEN = 128
    """Sent, and the recording, or its trial, ended before its timeout did: counts neither for nor against the
    item."""
    FALSE_ONSET = 256
    """The signal had left its rest band before the stimulus: counts neither for nor against the item."""
    NO_SIGNAL = 512
    """Too few values before the stimulus to know its rest band: counts neither for nor against the item."""


STIMULUS_DTYPE = np.dtype(
    [
        ("key", "<i8"),
        ("intended_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("handed_ns", "<i8"),
        ("flags", "<u4"),
        ("scenario", "<u2"),
        ("variant", "<u2"),
    ]
)
"""One row per stimulus that was due. ``scenario`` counts the scenarios of the run from 0, in order
(from FLOOR_SCENARIOS on: measurements of the floor);
``variant`` counts the prepared value sets of that scenario's stimulus; ``sent_ns`` just before the hand-over,
``handed_ns`` just after."""

OBSERVATION_DTYPE = np.dtype(
    [
        ("key", "<i8"),
        ("stamp_ns", "<i8"),
        ("received_ns", "<i8"),
        ("seen_ns", "<i8"),
        ("value", "<f8"),
        ("flags", "<u4"),
        ("stamp_clock", "<u2"),
        ("received_clock", "<u2"),
    ]
)
"""One row per thing that a response port saw. ``stamp_ns`` is the device's own stamp as it came (clock
``stamp_clock``), ``received_ns`` when the middleware had it (clock ``received_clock``), ``seen_ns`` when the
harness saw it (CLOCK_MONOTONIC). Clock numbers index ``run.json``'s ``clocks`` list."""

CLOCK_DTYPE = np.dtype(
    [
        ("t1_ns", "<i8"),
        ("t2_ns", "<i8"),
        ("t3_ns", "<i8"),
        ("t4_ns", "<i8"),
        ("clock", "<u2"),
        ("phase", "<u2"),
        ("flags", "<u4"),
    ]
)
"""One row per reading of another clock: T1 out (CLOCK_MONOTONIC), T2 there, T3 back (there; equal to T2 for a
plain reading), T4 here (CLOCK_MONOTONIC)."""

SAMPLE_DTYPE = np.dtype(
    [
        ("key", "<i8"),
        ("intended_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("handed_ns", "<i8"),
        ("arrived_ns", "<i8"),
        ("seen_ns", "<i8"),
        ("stimulus_flags", "<u4"),
        ("flags", "<u4"),
        ("answers", "<u4"),
        ("scenario", "<u2"),
        ("variant", "<u2"),
        ("sim_sent_ns", "<i8"),
        ("sim_arrived_ns", "<i8"),
    ]
)
"""One row per stimulus, derived by matching; all instants on CLOCK_MONOTONIC, NO_STAMP where there is none.
``answers`` counts the answers found for it. ``sim_*`` are on the simulation's own clock, never converted:
the last simulated time that was seen before the send, and the answer's stamp."""

HOST_DTYPE = np.dtype(
    [
        ("t_ns", "<i8"),
        ("over_ns", "<i8"),
        ("value", "<f8"),
        ("subject", "<i4"),
        ("measure", "<u2"),
        ("detail", "<u2"),
    ]
)
"""One row per thing that the host did in the span (``t_ns`` - ``over_ns``, ``t_ns``] of CLOCK_MONOTONIC.
``measure``: a :class:`HostMeasure`; ``subject``: the number of a core, a pid, or -1 for the whole host;
``detail``: of a collection of garbage its generation, else 0. What did not happen in a span has no row: spans
that were looked at are those of the rows SAMPLING_MS."""


class HostMeasure(enum.IntEnum):
    """What a row of the host's conditions counts; the unit is the end of its name."""

    SAMPLING_MS = 1
    """The look itself: CPU time that it took. One row a look."""
    CPU_PRESSURE_MS = 2
    """Time in which some task waited for a CPU (pressure stall information, ``some``)."""
    MEMORY_PRESSURE_MS = 3
    """Time in which some task waited for memory to be reclaimed or read back."""
    MEMORY_FULL_MS = 4
    """Time in which all tasks that were not idle did."""
    IO_PRESSURE_MS = 5
    """Time in which some task waited for a disk."""
    CONTEXT_SWITCHES = 6
    INTERRUPTS = 7
    MAJOR_FAULTS = 8
    """Page faults that read from a disk."""
    RECLAIMS = 9
    """Allocations that had to wait for pages to be freed (``allocstall``), and compactions."""
    TCP_RETRANSMITS = 10
    UDP_DROPS = 11
    """UDP datagrams dropped for want of a buffer, or damaged."""
    REASSEMBLY_FAILURES = 12
    UDP_DATAGRAMS = 13
    """Received; DDS discovery and data alike, which the kernel does not tell apart."""
    CORE_BUSY_MS = 20
    CORE_STEAL_MS = 21
    """Given to other virtual machines by the hypervisor."""
    CORE_IRQ_MS = 22
    CORE_WAIT_MS = 23
    """Run-queue delay on that core, of all tasks together (``/proc/schedstat``)."""
    CORE_FREQUENCY_MHZ = 24
    """A state: ``over_ns`` is 0, and no row means unchanged."""
    RUN_MS = 30
    """On a CPU, all threads together."""
    WAIT_MS = 31
    """Run-queue delay: ready to run and waiting for a CPU; of the thread that waited longest."""
    SWITCHES = 32
    """How often its threads were put on a CPU."""
    STOPPED_MS = 33
    """Stopped by a signal or a debugger (state T or t) at the look."""
    MINOR_FAULTS = 34
    PROCESS_MAJOR_FAULTS = 35
    BLOCKED_MS = 36
    """In uninterruptible sleep (state D) at the look: it waits for a disk or for memory."""
    CORE = 37
    """A state: where its main thread ran last; no row means unchanged."""
    PROCESS_RETRANSMITS = 38
    """TCP segments sent again in the network namespace of that process, where it has one of its own."""
    GC_PAUSE_MS = 40
    """A collection of Python's garbage in the harness, from begin to end: exact, not sampled."""


HOST_MONOTONIC = "host.monotonic"
HOST_REALTIME = "host.realtime"


class ClockKind(str, enum.Enum):
    """How a clock relates to the host's CLOCK_MONOTONIC."""

    HOST = "host"
    ESTIMATED = "offset-estimated"
    PTP = "ptp"
    SIMULATED = "simulated"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ClockInfo:
    """One clock that stamps of the run belong to. ``resolution_ns`` is the step of its stamps."""

    name: str
    kind: ClockKind
    description: str = ""
    resolution_ns: int = 1


class Verdict(str, enum.Enum):
    """What was decided about a requirement or a run."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"

    @property
    def exit_status(self) -> int:
        """Exit status of the command line for this verdict."""
        return {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "ERROR": 4}[self.value]


_RANK = {Verdict.FAIL: 3, Verdict.ERROR: 2, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 0}


def combine(verdicts: list[Verdict]) -> Verdict:
    """Verdict of several requirements: FAIL over ERROR over INCONCLUSIVE over PASS; of none, ERROR."""
    return max(verdicts, key=_RANK.__getitem__) if verdicts else Verdict.ERROR


class Severity(str, enum.Enum):
    """Weight of a finding."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that a check of the bench found: what, why it matters, what mends it; ``port``: which one it
    is about (``device.port``; a device itself gives the port alone), empty where it is about none."""

    name: str
    severity: Severity
    message: str
    value: str = ""
    remedy: str = ""
    port: str = ""


@dataclass(frozen=True)
class FaultRecord:
    """The instants around a fault (CLOCK_MONOTONIC) and how it was verified that it took hold."""

    target: str
    kind: str
    before_ns: int
    after_ns: int
    verified: bool
    evidence: str = ""
    details: dict[str, str] = field(default_factory=dict)
