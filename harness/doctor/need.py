"""What a rig asks of its host; without a rig, what a demanding one would ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.config import LoadedRig

_IN_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Need:
    """``ros``: the rig speaks ROS 2; ``real``: something real moves (None: not known, of both);
    ``sender_cpu``, ``realtime``, ``max_load_per_cpu``: its ``host`` section; ``tightest_ms``: its smallest
    latency limit, of ``requirement``; ``domain_id``, ``discovery``: what its ros2 device sets itself;
    ``rate_hz``: its fastest schedule."""

    ros: bool | None = None
    realtime: bool = True
    sender_cpu: int | None = None
    max_load_per_cpu: float = 1.5
    tightest_ms: float | None = None
    requirement: str = ""
    real: bool | None = None
    domain_id: str | None = None
    discovery: str | None = None
    rate_hz: float | None = None


def of_rig(loaded: LoadedRig) -> Need:
    """What the rig file says about all this."""
    rig = loaded.rig
    ros = [options for options in rig.devices.values() if options.adapter in ("ros2", "gazebo")]
    first = ros[0] if ros else None
    limits = [
        (r.limit * _IN_MS[r.unit], r.id)
        for r in rig.requirements
        if r.unit in _IN_MS and r.quantity.startswith("latency")
    ]
    tightest, requirement = min(limits, default=(None, ""))
    rates = [spec.schedule.rate_hz for spec in rig.scenarios.values() if hasattr(spec.schedule, "rate_hz")]
    domain = getattr(first, "domain_id", None)
    return Need(
        ros=bool(ros),
        realtime=rig.host.realtime,
        sender_cpu=rig.host.cpu,
        max_load_per_cpu=rig.host.max_load_per_cpu,
        tightest_ms=tightest,
        requirement=requirement,
        real=not rig.rig.simulated,
        domain_id=None if domain is None else str(domain),
        discovery=getattr(first, "discovery", None),
        rate_hz=max(rates, default=None),
    )
