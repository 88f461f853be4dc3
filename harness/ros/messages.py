"""What is known of a run as messages of standard types."""

from __future__ import annotations

import math

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PointStamped

from harness.ros.tracker import Known
from harness.ros.watched import Snapshot

_LEVEL = {
    "PASS": DiagnosticStatus.OK,
    "INCONCLUSIVE": DiagnosticStatus.WARN,
    "FAIL": DiagnosticStatus.ERROR,
    "ERROR": DiagnosticStatus.ERROR,
}


def time_of(realtime_ns: int) -> Time:
    """A stamp of CLOCK_REALTIME."""
    seconds, nanoseconds = divmod(realtime_ns, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def latency(sample: Known, realtime_less_monotonic_ns: int) -> PointStamped:
    """``header.stamp``: when it was sent; ``frame_id``: the scenario; x latency, y lateness, z latency from
    intent, in ms."""
    message = PointStamped()
    message.header.stamp = time_of(sample.at_ns + realtime_less_monotonic_ns)
    message.header.frame_id = sample.scenario
    message.point.x = sample.latency_ms
    message.point.y = sample.lateness_ms
    message.point.z = sample.from_intent_ms
    return message


def status(snapshot: Snapshot, rig: str, realtime_ns: int) -> DiagnosticArray:
    """One status named ``harness: run``, its values in words."""
    figures = snapshot.figures
    values = {
        "phase": snapshot.phase,
        "rig": rig,
        "scenario": figures.scenario,
        "done": str(figures.done),
        "planned": str(figures.planned),
        "latency p50 [ms]": _number(figures.p50_ms),
        "latency p99 [ms]": _number(figures.p99_ms),
        "lateness p99 [ms]": _number(figures.lateness_p99_ms),
        "lost": str(figures.lost),
        "skipped": str(figures.skipped),
        "verdict": snapshot.verdict,
        "run folder": "" if snapshot.folder is None else str(snapshot.folder),
    }
    values.update({f"requirement {name}": words for name, words in snapshot.requirements.items()})
    if snapshot.error:
        values["error"] = snapshot.error
    if snapshot.notes:
        values["note"] = snapshot.notes[-1]
    level, message = _summary(snapshot)
    found = DiagnosticStatus(
        level=level,
        name="harness: run",
        message=message,
        hardware_id=rig,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    array = DiagnosticArray(status=[found])
    array.header.stamp = time_of(realtime_ns)
    return array


def _summary(snapshot: Snapshot) -> tuple[bytes, str]:
    figures = snapshot.figures
    if snapshot.phase == "refused":
        return DiagnosticStatus.ERROR, f"refused: {snapshot.error.splitlines()[0]}"
    if snapshot.verdict:
        what = f"{snapshot.verdict}, {snapshot.phase}"
        what += f": {snapshot.error.splitlines()[0]}" if snapshot.error else ""
        return _LEVEL.get(snapshot.verdict, DiagnosticStatus.ERROR), what
    words = snapshot.phase
    if figures.planned:
        words += f", {figures.done}/{figures.planned}"
    if figures.lost:
        words += f", {figures.lost} lost"
    if any(note.startswith("error") for note in snapshot.notes):
        return DiagnosticStatus.ERROR, words
    trouble = figures.lost or figures.skipped or any(note.startswith("warning") for note in snapshot.notes)
    return DiagnosticStatus.WARN if trouble else DiagnosticStatus.OK, words


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if math.isfinite(value) else "inf"
