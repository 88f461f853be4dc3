"""What recording costs a sample: the sink of a response port, and the row of a stimulus; in us, by timeit.

The parts are those of a run: the sink that :class:`harness.bench.Bench` gives a device, with a tracker
behind it, and a scenario's sending with a device that hands over nothing.
"""

from __future__ import annotations

import tempfile
import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Outcome, interleave, load, middle
from harness.bench import Bench
from harness.clock import HostClock
from harness.config import find_rig, load_rig
from harness.folder import RunFolder
from harness.live import Tracker
from harness.model import NO_STAMP
from harness.ports import KeyKind
from harness.scenarios import driver
from harness.schedule import KeyMaker

MICROSECONDS = 5.0
ROOT = Path(__file__).resolve().parent.parent
PORT = "robot.applied"


class NoHandOver:
    """A device with one stimulus port that takes no time: what is left is the harness's own."""

    key_kind = KeyKind.SEQUENCE

    def stimulus(self, port: str) -> NoHandOver:
        return self

    def prepare(self, values: Mapping[str, Any]) -> None:
        return None

    def send(self, key: int, prepared: None) -> tuple[int, int]:
        return 1, 2


@contextmanager
def open_tables(rows: int) -> Iterator[Bench]:
    """A bench of the loopback rig with its tables, without its processes."""
    rig = load_rig(find_rig(str(ROOT / "rig_configs" / "loopback.yaml")))
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        folder = RunFolder.create(Path(place), "loopback", datetime.now(timezone.utc), "rec")
        bench = Bench(rig, folder, HostClock())
        bench.devices["robot"] = NoHandOver()  # type: ignore[assignment]
        try:
            bench.stimuli = bench.recorder.table("stimuli", rows)
            yield bench
        finally:
            folder.close()


def per_call_us(call: Callable[[int], Any], calls: int) -> float:
    """Mean time of ``calls`` calls with ascending numbers, in us; the loop itself is in it."""
    numbers = range(calls)

    def loop() -> None:
        for number in numbers:
            call(number)

    return timeit.Timer(loop).timeit(1) / calls * 1e6


def sink_us(calls: int) -> float:
    """Append an observation and let the tracker see it, each the answer to a pending stimulus."""
    with open_tables(16) as bench:
        tracker = Tracker(keyed=True)
        bench.track(PORT, tracker)
        sink = bench.recorder.sink(PORT, bench.recorder.table(PORT, 65536), 2, 1)
        for key in range(calls):
            tracker.sent(key, 0)
        return per_call_us(lambda key: sink(key, 1, 2, 3, 0.5), calls)


def row_us(calls: int) -> float:
    """Append the row of a stimulus and fill in its instants after the hand-over."""
    with open_tables(calls) as bench:
        append, amend = bench.stimuli.append, bench.stimuli.amender("sent_ns", "handed_ns")

        def row(key: int) -> None:
            append(key, 1, 2, NO_STAMP, 0, 0, 1)
            amend(3, 4)

        return per_call_us(row, calls)


def sending_us(calls: int) -> float:
    """All that the harness does around one hand-over: row, tracker, look at the housekeeping, row again."""
    with open_tables(calls) as bench:
        spec = bench.rig.scenarios["command"]
        bench._last_tick_ns = bench.clock.monotonic_ns() + 600 * 10**9  # nobody keeps house here
        scenario = driver(spec.kind)(bench, 0, "command", spec, KeyMaker("sequence", bench.clock))
        return per_call_us(lambda key: scenario._sender.send_next(0, 0), calls)


def run(quick: bool) -> Outcome:
    calls, turns = (20_000, 3) if quick else (200_000, 7)
    before = load()
    arms = {
        "sink": lambda: sink_us(calls),
        "row": lambda: row_us(calls),
        "sending": lambda: sending_us(calls),
    }
    found = interleave(arms, turns)
    sink, row, sending = (middle(found[name]) for name in ("sink", "row", "sending"))
    figures = [
        Figure("sample recorded (observation + stimulus row)", sink + row, "us", MICROSECONDS, before),
        Figure("  sink of a response port: row + tracker", sink, "us", None, before),
        Figure("  row of a stimulus: append + amend", row, "us", None, before),
        Figure("all of a send but the device's hand-over", sending, "us", None, before),
    ]
    return Outcome("recording", figures, raw=found)
