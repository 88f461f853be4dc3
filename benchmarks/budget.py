"""What a performance budget costs a call of a function that does nothing, beside its peers.

All arms are timed in one process by turns, in blocks, by the CPU time of the process: what else the host does
is not theirs. Whatever an arm puts off (batches that are counted) falls into its own blocks. Peers: the
decorator that one writes by hand (two readings of the clock, one append), ``Histogram.time()`` of
`prometheus_client`, and ``record`` of an OpenTelemetry histogram with an aggregating reader behind it: with
the name of the operation as an attribute, which a budget knows, and without. Against these two the cost of
the bare function is taken off both sides.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, Outcome, interleave, load, middle, ratio
from harness.telemetry.budget import Budgets

MILLION = 1_000_000

Call = Callable[[], Any]


def idle() -> None:
    return None


def by_hand(function: Call) -> tuple[Call, list[int]]:
    """The smallest thing that times a function, and its list."""
    taken: list[int] = []
    append, clock = taken.append, time.perf_counter_ns

    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = clock()
        result = function(*args, **kwargs)
        append(clock() - begun)
        return result

    return timed, taken


def block_ns(call: Call, calls: int) -> float:
    """CPU time of one call, mean over a block, in ns; the loop's own is in it."""
    numbers = range(calls)

    def loop() -> None:
        for _ in numbers:
            call()

    return timeit.Timer(loop, timer=time.process_time).timeit(1) / calls * 1e9


def budgets_arms(calls: int) -> dict[str, Call]:
    """The ways of measuring a function with a budget."""
    book = Budgets()
    inner = book.measure(max_time_ms=5, name="inner", nest=True)(idle)
    numbers = range(calls)

    @book.measure(max_time_ms=1e6, name="outer", nest=True)
    def outer() -> None:
        for _ in numbers:
            inner()

    def within() -> float:
        return timeit.Timer(outer, timer=time.process_time).timeit(1) / calls * 1e9

    def arm(call: Call) -> Call:
        return lambda: block_ns(call, calls)

    taken_by_hand, taken = by_hand(idle)

    def hand() -> float:
        del taken[:]  # a list that grows for ever would not be what anybody runs
        return block_ns(taken_by_hand, calls)

    return {
        "bare": arm(idle),
        "hand": hand,
        "plain": arm(book.measure(max_time_ms=5, name="plain")(idle)),
        "warn": arm(book.measure(max_time_ms=1e6, name="warn", on_overrun="warn")(idle)),
        "nested": arm(book.measure(max_time_ms=5, name="nested", nest=True)(idle)),
        "within": within,
        "off": arm(Budgets(enabled=False).measure(max_time_ms=5)(idle)),
    }


def prometheus_arm(calls: int) -> Call:
    from prometheus_client import CollectorRegistry, Histogram

    histogram = Histogram("idle_seconds", "an idle function", registry=CollectorRegistry())
    timed = histogram.time()(idle)
    return lambda: block_ns(timed, calls)


def opentelemetry_arm(calls: int, *, named: bool) -> Call:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader], shutdown_on_exit=False).get_meter("benchmark")
    histogram = meter.create_histogram("idle", unit="s")

    attributes = {"operation": "idle"} if named else None

    def record() -> None:
        histogram.record(1e-6, attributes)

    return lambda: block_ns(record, calls)


PEERS: dict[str, tuple[str, Callable[[int], Call]]] = {
    "prometheus": ("prometheus_client", prometheus_arm),
    "otel": ("opentelemetry", lambda calls: opentelemetry_arm(calls, named=True)),
    "otel_bare": ("opentelemetry", lambda calls: opentelemetry_arm(calls, named=False)),
}

_MEMORY = """
import resource, sys, tracemalloc
from harness.telemetry.budget import Budgets
book = Budgets()
measured = book.measure(max_time_ms=5, name="idle")(lambda: None)
for _ in range(1000):
    measured()
tracemalloc.start()
for _ in range(int(sys.argv[1])):
    measured()
book._cells["idle"].counted()
print(tracemalloc.get_traced_memory()[0], tracemalloc.get_traced_memory()[1])
"""


def memory_mb(calls: int) -> tuple[float, float]:
    """Memory that so many observations of one name leave behind, and their peak, in MB; in a process of its
    own."""
    said = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(calls)], capture_output=True, text=True, check=True
    ).stdout
    left, peak = (int(each) / 1e6 for each in said.split())
    return left, peak


def run(quick: bool) -> Outcome:
    calls, turns = (20_000, 5) if quick else (50_000, 15)
    before, missing = load(), []
    arms = budgets_arms(calls)
    for name, (module, make) in PEERS.items():
        try:
            arms[name] = make(calls)
        except ImportError:
            missing.append(f"{module} is not installed: nothing is compared with it (extra `telemetry`)")
    for arm in arms.values():
        arm()
    gc.collect()
    found = interleave(arms, turns)
    hand = found["hand"]
    figures = [
        Figure("decorator over one by hand", ratio(found["plain"], hand), "x", 1.3, before,
               f"{middle(found['plain']):.0f} of {middle(hand):.0f} ns"),
        Figure("decorator with a policy over one by hand", ratio(found["warn"], hand), "x", None, before),
        Figure("decorator, nesting on, over one by hand", ratio(found["nested"], hand), "x", 2.0, before),
        Figure("  the same as part of another operation", ratio(found["within"], hand), "x", 2.0, before),
        Figure("switched off, over the bare function", ratio(found["off"], found["bare"]), "x", None, before,
               "the decorator returns the function itself"),
    ]  # fmt: skip
    bare = middle(found["bare"])
    own = middle(found["plain"]) - bare
    for name, words, target in (
        ("prometheus", "decorator over prometheus_client's Histogram.time()", 0.2),
        ("otel", "decorator over OpenTelemetry's record, with an attribute", 0.05),
        ("otel_bare", "  the same without an attribute", 0.05),
    ):
        if name in found:
            peer = middle(found[name]) - bare
            figures.append(Figure(words, own / peer, "x", target, before, f"{own:.0f} of {peer:.0f} ns"))
    left, peak = memory_mb(MILLION // 10 if quick else MILLION)
    figures.append(Figure("memory that 1,000,000 observations leave", left, "MB", 4.0, before,
                          f"peak {peak:.1f} MB"))  # fmt: skip
    return Outcome("budget", figures, missing, raw={**found, "max_rss_kb": _rss()})


def _rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
