"""What time it is on the board: bounds that the harness states, against the simulator's own counter."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import pytest
from board_bench import Bench, bench, edges, stimulus, until

from harness.analysis.offset import estimate
from harness.model import CLOCK_DTYPE

pytestmark = pytest.mark.slow

TICK_NS = 500
PORTS = {"button": stimulus("D4", "pulse", width_ms=1.0), "contact": edges()}


def rises_of(trace: Path, pin: str) -> list[float]:
    """ns of the processor's cycles at which that pin rose."""
    alias, now, found = "", 0, []
    for line in trace.read_text().splitlines():
        if line.startswith("$var") and line.split()[4] == pin:
            alias = line.split()[3]
        elif line.startswith("#"):
            now = int(line[1:]) * 10
        elif alias and line == f"1{alias}":
            found.append(float(now))
    return found


def beginning_ns(one: Bench, trace: Path) -> float:
    """How much later than its processor the board's counter started, by the stamps of some edges."""
    contact = one.listen("contact")
    for number in range(20):
        one.send("button", number)
        until(lambda number=number: len(contact.rows) == 2 * number + 2, "the contact")
    until(lambda: len(rises_of(trace, "D8")) >= 20, "the trace")
    stamps = [row["stamp_ns"] for row in contact.rows[::2]]
    return statistics.median(a - b for a, b in zip(rises_of(trace, "D8")[-20:], stamps, strict=True))


@pytest.mark.parametrize("drift_ppm", [0.0, 80.0])
def test_the_boards_time_is_within_the_stated_bound(tmp_path: Path, drift_ppm: float) -> None:
    trace = tmp_path / "trace.vcd"
    wiring = ("--wire", "D4:D8:100", "--vcd", str(trace), "--drift-ppm", str(drift_ppm))
    with bench(tmp_path, PORTS, *wiring) as one:
        begun_ns = beginning_ns(one, trace)
        rows = np.zeros(300, CLOCK_DTYPE)
        for row in rows:
            found = None
            while found is None:
                found = one.device.exchange(one.device.clock_name)
            for name, value in zip(("t1_ns", "t2_ns", "t3_ns", "t4_ns"), found, strict=True):
                row[name] = value
            time.sleep(0.005)
        start_ns = one.process.start_ns  # type: ignore[attr-defined]
    known = estimate(rows)
    assert known.usable, known.problems
    host = np.linspace(known.first_ns, known.last_ns, 1000).astype(np.int64)
    centre, bound = known.offset_ns(host)
    truth = (host - start_ns) * (1 + drift_ppm * 1e-6) - begun_ns - host
    # What the truth itself is known to: a step of the counter, and the synchroniser of the input.
    within = np.abs(centre - truth) <= bound + 2 * TICK_NS
    assert within.mean() >= 0.95
    assert known.drift_ppm[0] - 1 <= drift_ppm <= known.drift_ppm[1] + 1
    # The question's bytes alone take 0.29 ms, and so do the answer's: the bound is about half their sum.
    assert bound.max() >= 0.28e6
    # Both ways are equally long, so the middle is nearer than the bound, by far.
    assert abs(np.median(centre - truth)) <= np.median(bound)


@pytest.mark.soak
def test_a_minute_of_a_thousand_edges_a_second_loses_none_uncounted(tmp_path: Path) -> None:
    with bench(tmp_path, {"contact": edges()}, "--tone", "D8:500") as one:
        contact = one.listen("contact")
        first = one.device.statistics()
        one.pause(60_000)
        last = one.device.statistics()
        until(lambda: len(contact.rows) >= 59_000, "the edges")
        stamps = np.array([row["stamp_ns"] for row in contact.rows])
        assert last.events_dropped - first.events_dropped == 0
        assert one.findings == []
        # Half a period of the tone is 0.95 to 1.05 ms: a lost edge would leave a gap.
        gaps = np.diff(stamps)
        assert gaps.min() >= 0.94e6
        assert gaps.max() <= 1.06e6
