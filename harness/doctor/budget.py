"""What budget a host supports, from what was timed on it.

A requirement is INCONCLUSIVE when the sender's lateness, at p99, is beyond a tenth of its limit, or the floor
beyond a fifth of it at the same quantile (docs/statistics.md); J, which a FAIL bears, lies near p99.9. The
smallest limit that a host supports is taken with that margin: max(10 lateness p99, 5 floor p99.9).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from harness.doctor import measure, round_trip
from harness.doctor.measure import Timing
from harness.doctor.need import Need
from harness.doctor.result import Check, Health
from harness.doctor.round_trip import RATE_HZ

LATENESS_SHARE, FLOOR_SHARE = 0.1, 0.2
FASTEST_HZ = 1000.0
ASSUMED_MS = 10.0
"""The limit to judge by when no rig says another."""
SLOW_READING_MS = 1e-3
_BUSY = "harness doctor  # mend its warnings first: governor, priority, load, idle states"


def timings(
    seconds: float,
    *,
    ros: bool,
    realtime: bool = True,
    rate_hz: float | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> list[Timing]:
    """Take every timing, sharing ``seconds`` evenly; start-up and discovery come on top, at most a minute.

    ``rate_hz``: of the round trips, that of the run; 200 where it is not known. ``say`` is told what comes
    next. In order: clock reading, wake-ups at ordinary and at real-time priority, round trip over loopback,
    and over ROS 2 where ``ros``.
    """
    how: dict[str, Any] = {"realtime": realtime, "rate_hz": min(rate_hz or RATE_HZ, FASTEST_HZ)}
    parts: list[tuple[str, Callable[[float], Timing]]] = [
        ("wake-ups at ordinary priority", lambda share: measure.wake_ups(share, realtime=False)),
        ("wake-ups at real-time priority", lambda share: measure.wake_ups(share, realtime=True)),
        ("round trips over loopback", lambda share: round_trip.loopback(share, **how)),
    ]
    if ros:
        parts.append(("round trips over ROS 2", lambda share: round_trip.ros2(share, **how)))
    found = [measure.clock_reading()]
    for what, take in parts:
        say(f"timing {what}, {seconds / len(parts):.0f} s")
        found.append(take(seconds / len(parts)))
    return found


def round_up(value_ms: float) -> float:
    """To two digits, upwards: a budget is not claimed more tightly than it was measured."""
    if not math.isfinite(value_ms) or value_ms <= 0:
        return value_ms
    unit = 10.0 ** (math.floor(math.log10(value_ms)) - 1)
    return float(f"{math.ceil(value_ms / unit - 1e-9) * unit:.2g}")


def smallest_limit_ms(lateness: Timing | None, floor: Timing | None) -> float | None:
    """The smallest limit on a p99 that can be decided; None where one of both was not timed."""
    if lateness is None or floor is None or lateness.p99_ms is None or floor.p99_9_ms is None:
        return None
    return round_up(max(lateness.p99_ms / LATENESS_SHARE, floor.p99_9_ms / FLOOR_SHARE))


def judge(timed: Sequence[Timing], need: Need) -> list[Check]:
    """A check for each timing, and one for the budget; without a rig, by a limit of 10 ms."""
    by_name = {one.name: one for one in timed}
    limit = need.tightest_ms or ASSUMED_MS
    bad = Health.ERROR if need.tightest_ms else Health.WARNING
    whose = f"{need.requirement}: {limit:g} ms" if need.tightest_ms else f"a limit of {limit:g} ms"
    sender = _sender(by_name, need)
    checks = []
    for one in timed:
        value = str(one)
        if one.name == "clock reading":
            checks.append(_reading(one))
        elif one.name.startswith("wake-ups"):
            bound = limit * LATENESS_SHARE
            why = (
                f"A stimulus is sent that much late; p99 beyond {bound:.3g} ms decides nothing about {whose}."
            )
            late = one.p99_ms is not None and one.p99_ms > bound
            # Only the priority that the sender of a run would have decides.
            health = Health.OK if not late else bad if one is sender else Health.INFO
            checks.append(_check(one, health, value, why))
        else:
            bound = limit * FLOOR_SHARE
            why = f"The harness adds that much; p99.9 beyond {bound:.3g} ms decides nothing about {whose}."
            late = one.p99_9_ms is not None and one.p99_9_ms > bound
            concerned = one is _floor(by_name, need)
            checks.append(
                _check(one, Health.OK if not late else bad if concerned else Health.INFO, value, why)
            )
    return [*checks, _budget(by_name, need, limit, bad, whose)]


def _check(one: Timing, health: Health, value: str, why: str) -> Check:
    if not one.n:
        return Check(one.name, Health.INFO, value, why)
    return Check(one.name, health, value, why, "" if health is Health.OK else _BUSY)


def _reading(one: Timing) -> Check:
    why = "Every stamp costs that much, and is uncertain by it."
    if one.p50_ms is None:
        return Check(one.name, Health.INFO, str(one), why)
    value = f"p50 {one.p50_ms * 1e6:.0f} ns, p99 {(one.p99_ms or 0.0) * 1e6:.0f} ns (n {one.n})"
    if one.p50_ms <= SLOW_READING_MS:
        return Check(one.name, Health.OK, value, why)
    remedy = (
        "cat /sys/devices/system/clocksource/clocksource0/*_clocksource  # see the check of the clock source"
    )
    return Check(one.name, Health.WARNING, value, why, remedy)


def _sender(by_name: dict[str, Timing], need: Need) -> Timing | None:
    fast, plain = by_name.get("wake-ups, real-time priority"), by_name.get("wake-ups, ordinary priority")
    return fast if need.realtime and fast is not None and fast.n else plain


def _floor(by_name: dict[str, Timing], need: Need) -> Timing | None:
    loop, ros = by_name.get("round trip, loopback"), by_name.get("round trip, ROS 2")
    if need.ros is False:
        return loop
    return ros if ros is not None and (ros.n or need.ros) else loop


def _budget(by_name: dict[str, Timing], need: Need, limit: float, bad: Health, whose: str) -> Check:
    name = "supported budget"
    why = (
        "A tighter limit may end INCONCLUSIVE here: lateness p99 beyond a tenth of it, or a floor (p99.9) "
        "beyond a fifth."
    )
    sender, decisive = _sender(by_name, need), _floor(by_name, need)
    parts = []
    for label, key in (
        ("without middleware", "round trip, loopback"),
        ("through ROS 2", "round trip, ROS 2"),
    ):
        supported = smallest_limit_ms(sender, by_name.get(key))
        if supported is not None:
            words = (
                f"p99 limits from {supported:g} ms" if math.isfinite(supported) else "none: answers were lost"
            )
            parts.append(f"{label} {words}")
    supported = smallest_limit_ms(sender, decisive)
    if supported is None:
        return Check(name, Health.INFO, "; ".join(parts) or "not available", why)
    value = "; ".join(parts)
    if supported <= limit:
        return Check(name, Health.OK, value, why)
    return Check(name, bad, f"{value}; not enough for {whose}", why, _BUSY)
