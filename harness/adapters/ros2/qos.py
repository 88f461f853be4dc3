"""QoS profiles from rig files, in words, and what two of them make of each other."""

from __future__ import annotations

from typing import Any

from harness.adapters.ros2 import vendor
from harness.adapters.ros2.port_options import QoS

_ALIASES = {"services": "services_default"}
_STIMULUS_DEPTH = 100
_INFINITE_NS = 2**63 - 1
_POLICIES = {
    "reliability": "reliability",
    "durability": "durability",
    "deadline": "deadline",
    "liveliness": "liveliness",
    "liveliness_lease_duration": "liveliness lease",
}
_DURATIONS = ("deadline", "liveliness_lease_duration")


def profile(wanted: QoS | str | None, *, reader_depth: int | None = None) -> Any:
    """An rclpy QoSProfile. ``reader_depth``: of a response whose rig file names no depth; None for a
    stimulus."""
    module = vendor.load("rclpy.qos")
    options = QoS(profile=wanted) if isinstance(wanted, str) else (wanted or QoS())  # type: ignore[arg-type]
    name = _ALIASES.get(options.profile, options.profile)
    preset = module.QoSPresetProfiles[name.upper()].value
    made = module.QoSProfile(
        history=preset.history,
        depth=preset.depth,
        reliability=preset.reliability,
        durability=preset.durability,
        deadline=preset.deadline,
        lifespan=preset.lifespan,
        liveliness=preset.liveliness,
        liveliness_lease_duration=preset.liveliness_lease_duration,
    )
    if options.depth is not None:
        made.depth = options.depth
    elif reader_depth is not None:
        # What a shallow reader drops behind a busy harness would look like the robot's loss.
        made.history = module.HistoryPolicy.KEEP_LAST
        made.depth = reader_depth
    else:
        made.depth = max(made.depth, _STIMULUS_DEPTH)
    for field, policy in (
        ("reliability", "ReliabilityPolicy"),
        ("durability", "DurabilityPolicy"),
        ("history", "HistoryPolicy"),
        ("liveliness", "LivelinessPolicy"),
    ):
        value = getattr(options, field)
        if value is not None:
            setattr(made, field, getattr(module, policy)[value.upper()])
    duration = vendor.load("rclpy.duration").Duration
    for field, source in (
        ("deadline", "deadline_ms"),
        ("lifespan", "lifespan_ms"),
        ("liveliness_lease_duration", "liveliness_lease_ms"),
    ):
        value = getattr(options, source)
        if value is not None:
            setattr(made, field, duration(nanoseconds=round(value * 1e6)))
    return made


def follows(wanted: QoS | str | None) -> bool:
    """Whether a response's reliability is ours to choose: the rig file says nothing about it."""
    return wanted is None or (
        isinstance(wanted, QoS) and wanted.profile == "default" and wanted.reliability is None
    )


def words(made: Any) -> str:
    """A profile for the report, e.g. ``reliable, volatile, keep_last 10``."""
    depth = f" {made.depth}" if made.history.name == "KEEP_LAST" else ""
    return f"{_low(made.reliability)}, {_low(made.durability)}, {_low(made.history)}{depth}"


def mismatch(offered: Any, requested: Any) -> str | None:
    """Which policies keep a reader of ``requested`` from a writer of ``offered``, with what each says, in
    words; None where they match."""
    module = vendor.load("rclpy.qos")
    apart = []
    for field, name in _POLICIES.items():
        pair = [_only(field, made) for made in (offered, requested)]
        if module.qos_check_compatible(*pair)[0] == module.QoSCompatibility.ERROR:
            apart.append(f"{name}: offered {_told(field, offered)}, requested {_told(field, requested)}")
    return "; ".join(apart) or None


def _only(field: str, made: Any) -> Any:
    """A profile of one policy. The graph tells an unset deadline or lease as infinite, a profile as zero; rmw
    takes them for different. What is left to the system is automatic with every vendor."""
    module, duration = vendor.load("rclpy.qos"), vendor.load("rclpy.duration").Duration
    value = getattr(made, field)
    if field == "liveliness" and value.name == "SYSTEM_DEFAULT":
        value = module.LivelinessPolicy.AUTOMATIC
    if field in _DURATIONS and value.nanoseconds >= _INFINITE_NS:
        value = duration()
    alike = {
        "reliability": module.ReliabilityPolicy.RELIABLE,
        "durability": module.DurabilityPolicy.VOLATILE,
        "liveliness": module.LivelinessPolicy.AUTOMATIC,
        "deadline": duration(),
        "liveliness_lease_duration": duration(),
    }
    policies = {**alike, field: value}
    return module.QoSProfile(history=module.HistoryPolicy.KEEP_LAST, depth=1, **policies)


def _told(field: str, made: Any) -> str:
    value = getattr(made, field)
    if field not in _DURATIONS:
        return _low(value)
    return f"{value.nanoseconds / 1e6:g} ms" if 0 < value.nanoseconds < _INFINITE_NS else "none"


def _low(policy: Any) -> str:
    return str(policy.name).lower()
