"""The harness steps the simulation: what is sent lands between two steps, and every controller has answered
before the next one. Latencies in simulated time are then the same at every repetition.

How long a command takes to the simulator depends on the host. The process that asks for the steps subscribes
to the commands as well: it asks for the next one when the last command has come through to it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from harness.adapters.gazebo import world
from harness.adapters.gazebo.asker import Asker, Call
from harness.adapters.gazebo.options import Stepping
from harness.adapters.gazebo.watch import Watch
from harness.errors import DeadlineError, HarnessError, OperationError
from harness.model import Finding, Severity

CALL_MS = 5000.0
STEP_MS = 1000.0
"""Of a step's reply: on an overloaded host one in some thousands never comes."""
ATTEMPTS = 4
HEARD_S = 1.0
"""What was sent has not come through by then: nobody is connected yet, or the host is overloaded."""


class Stepper:
    """Steps one world, on a thread of its own. ``gate``: whoever holds it sends between two steps; the next
    one begins ``settle_ms`` after the last who did."""

    def __init__(
        self,
        name: str,
        world_name: str,
        options: Stepping,
        asker: Asker,
        watch: Watch,
        report: Callable[[Finding], None],
    ) -> None:
        self.gate = Gate()
        self.steps = 0
        self._sent: deque[tuple[str, bytes]] = deque()
        self.late = 0
        """Commands that were not heard before the next step: their latencies may differ by a step."""
        self.unanswered = 0
        """Requests for a step that had no reply in time."""
        self.unasked = 0
        """Steps that nobody asked for: a request whose reply was lost was asked again and done twice, or
        somebody else stepped."""
        self._at: int | None = None
        self._name, self._world, self._options = name, world_name, options
        self._asker, self._watch, self._report = asker, watch, report
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Have the simulation stand still, and begin to step it. Raises HarnessError where it does not."""
        self._watch.steered.set()
        self._call(world.control(self._world, "pause"))
        thread = threading.Thread(target=self._run, name=f"gazebo-stepper-{self._name}", daemon=True)
        thread.start()
        self._thread = thread

    def follow(self, topic: str, kind: str) -> Callable[[bytes], None]:
        """Have commands on that topic be there before the next step; returns what is told each of them."""
        self._asker.hear(topic, kind)

        def sent(data: bytes) -> None:
            self._sent.append((topic, data))

        return sent

    def close(self) -> None:
        """Step no more; the simulation stands still. Repeatable."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(CALL_MS * 1e-3 + 5.0)

    def _call(self, call: Call) -> None:
        if not world.accepted(self._asker.ask(call)):
            raise OperationError(f"{self._name}: {call.service} said no", hint="look at the simulator's log")

    def _run(self) -> None:
        step = world.control(self._world, "step", {"multi_step": self._options.steps}, STEP_MS)
        settle_s = self._options.settle_ms * 1e-3
        try:
            while not self._ended.is_set():
                with self.gate.closed(settle_s, self._ended):
                    if self._ended.is_set():
                        return
                    self._deliver()
                    before, resets = self._watch.sim_ns, self._watch.was_reset
                    self._account(before, self._at)
                    self._step(step, before)
                    if not self._stepped(before, resets):
                        raise OperationError(f"{self._name}: a step of the simulation did not end")
                    known, self._at = self._at is not None, self._watch.sim_ns
                    if self._watch.was_reset != resets:
                        self._at = None  # the step may have been done before the reset, or come after it
                    elif known:
                        self._account(self._at, before + self._options.steps * self._watch.step_ns)
                self.steps += 1
        except HarnessError as error:
            if not self._ended.is_set():
                self._report(
                    Finding(
                        "stepping failed",
                        Severity.ERROR,
                        f"{self._name}: {error.message}",
                        remedy="look at processes/*.log of the run",
                    )
                )

    def _step(self, call: Call, before: int) -> None:
        """Ask for a step until it was done. Raises DeadlineError where it is not, OperationError for a no."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._call(call)
                return
            except DeadlineError:
                self.unanswered += 1
                if self._watch.sim_ns > before:
                    return  # it was done; only the reply is missing
                if attempt == ATTEMPTS or self._ended.is_set():
                    raise

    def _deliver(self) -> None:
        """Wait until what was sent has come through to the process that steps, over the same socket as to the
        simulator, which takes messages before requests."""
        while self._sent:
            topic, data = self._sent.popleft()
            if not self._asker.heard(topic, data, HEARD_S):
                self.late += 1

    def _account(self, is_ns: int, should_be_ns: int | None) -> None:
        """Compare simulated time with what was asked for, and say what is more."""
        step_ns = self._watch.step_ns
        if should_be_ns is None or not step_ns or is_ns <= should_be_ns:
            return  # nothing was asked for yet; or the world was reset
        more = round((is_ns - should_be_ns) / step_ns)
        first = not self.unasked
        self.unasked += more
        if first and more:
            self._report(
                Finding(
                    "unasked step",
                    Severity.WARNING,
                    f"{self._name}: the simulation made {more} step(s) more than asked for, at"
                    f" {is_ns * 1e-9:.3f} s of simulated time; {self.unanswered} request(s) had no reply"
                    " until then",
                    remedy="a latency around it may differ by a step: free the host; if every request had its"
                    " reply, somebody else steps this simulator",
                )
            )

    def _stepped(self, before: int, resets: int) -> bool:
        """Wait until the clock shows that all steps were done, or that the world was reset in between."""
        if self._watch.was_reset != resets:
            return self._watch.wait_done(CALL_MS * 1e-3)
        step_ns = self._watch.step_ns
        target = before + (self._options.steps * step_ns - 1 if step_ns else 0)
        beyond = self._watch.wait_beyond(target, CALL_MS * 1e-3, resets)
        return beyond and self._watch.wait_done(CALL_MS * 1e-3)


class Gate:
    """Lets senders in between two steps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0.0

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._last = time.monotonic()
        self._lock.release()

    def closed(self, settle_s: float, ended: threading.Event) -> _Closed:
        """Keep senders out for one step, once all has settled."""
        return _Closed(self, settle_s, ended)


class _Closed:
    def __init__(self, gate: Gate, settle_s: float, ended: threading.Event) -> None:
        self._gate, self._settle_s, self._ended = gate, settle_s, ended

    def __enter__(self) -> None:
        gate = self._gate
        begun = time.monotonic()
        while not self._ended.is_set():
            with gate._lock:
                last = max(gate._last, begun)
            left = last + self._settle_s - time.monotonic()
            if left > 0:
                self._ended.wait(left)
                continue
            gate._lock.acquire()
            if max(gate._last, begun) == last:
                return
            gate._lock.release()
        gate._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._gate._lock.release()
