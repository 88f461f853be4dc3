"""Set-up, reset and tear-down steps of a rig file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial

from harness.bench import Bench
from harness.config import check_limits, expand_variants
from harness.config.changing import in_words
from harness.config.schema import AskStep, CallStep, SendStep, SleepStep, Step, WaitStep
from harness.config.values import settled
from harness.errors import DeadlineError, OperationError
from harness.live import PortState
from harness.observed import observed_now
from harness.proctable import RUN_ID_VARIABLE
from harness.schedule import NANO, KeyMaker

Ask = Callable[[str], bool]
"""Asks the operator; True when it was confirmed."""


def run_steps(bench: Bench, section: str, steps: Sequence[Step], keys: KeyMaker, ask: Ask | None) -> None:
    """Do the steps in order. Raises OperationError or DeadlineError that names the section and the step."""
    sent_ns: int | None = None
    for number, step in enumerate(steps):
        where = f"{section}[{number}]"
        begun_ns = bench.clock.monotonic_ns()
        bench.folder.event("step", where=where, step=step.model_dump(mode="json"))
        if isinstance(step, SendStep):
            _send(bench, where, step, keys)
        elif isinstance(step, WaitStep):
            # What answers a send may be here before anybody waits for it.
            _wait(bench, where, step, begun_ns if sent_ns is None else sent_ns)
        elif isinstance(step, CallStep):
            _call(bench, where, step)
        elif isinstance(step, AskStep):
            _ask(bench, where, step, ask)
        else:
            bench.sleep_until(bench.clock.monotonic_ns() + int(step.sleep_s * NANO))
        sent_ns = begun_ns if isinstance(step, SendStep) else None


def describe(step: Step) -> str:
    """One line that says what the step does."""
    if isinstance(step, SendStep):
        return f"send {step.send} {in_words(step.values)}".rstrip()
    if isinstance(step, WaitStep):
        bounds = [f">= {step.at_least:g}"] if step.at_least is not None else []
        bounds += [f"<= {step.at_most:g}"] if step.at_most is not None else []
        return f"wait for {step.wait_for} {' and '.join(bounds)} (at most {step.timeout_s:g} s)"
    if isinstance(step, CallStep):
        return f"run {' '.join(step.call)}"
    if isinstance(step, SleepStep):
        return f"wait {step.sleep_s:g} s"
    return f"ask the operator: {step.ask}"


def _send(bench: Bench, where: str, step: SendStep, keys: KeyMaker) -> None:
    device, _, port = step.send.partition(".")
    stimulus = bench.devices[device].stimulus(port)
    observed = cache(partial(observed_now, bench))
    for written in expand_variants(step.values or bench.stimulus_values(device, port)):
        values = settled(written, observed)
        check_limits(bench.rig.devices[device].limits, values, f"{where}: {step.send}")
        stimulus.send(keys.next_key(), stimulus.prepare(values))


def _wait(bench: Bench, where: str, step: WaitStep, begun: int) -> None:
    """Wait for what is observed from ``begun`` on."""
    state = bench.states[step.wait_for]
    deadline = bench.clock.monotonic_ns() + int(step.timeout_s * NANO)

    def held() -> bool:
        if state.seen_ns < begun:
            return False
        low = step.at_least is None or state.value >= step.at_least
        return low and (step.at_most is None or state.value <= step.at_most)

    bench.wait(lambda: held() or bench.clock.monotonic_ns() > deadline)
    if not held():
        raise DeadlineError(
            f"{where}: {describe(step)}: {_last(state, begun)}", hint="look at the port and its bounds"
        )


def _last(state: PortState, begun: int) -> str:
    return f"the last value was {state.value:g}" if state.seen_ns >= begun else "nothing was observed"


def _call(bench: Bench, where: str, step: CallStep) -> None:
    command = [sys.executable if step.call[0] == "python" else step.call[0], *step.call[1:]]
    try:
        process = subprocess.Popen(
            command,
            cwd=bench.loaded.path.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, RUN_ID_VARIABLE: bench.folder.run_id},
        )
    except OSError as error:
        raise OperationError(
            f"{where}: {command[0]!r} cannot be started: {error.strerror}",
            hint="install it or correct the step",
        ) from error
    output: list[str] = []
    reader = threading.Thread(target=lambda: output.append(process.communicate()[0]), daemon=True)
    reader.start()
    deadline = bench.clock.monotonic_ns() + int(step.timeout_s * NANO)
    try:
        bench.wait(lambda: not reader.is_alive() or bench.clock.monotonic_ns() > deadline)
    finally:
        if process.poll() is None:
            process.kill()
            reader.join(5.0)
            if bench.clock.monotonic_ns() > deadline:
                raise DeadlineError(f"{where}: {describe(step)} did not end within {step.timeout_s:g} s")
    if process.returncode:
        tail = "".join(output).strip()[-500:]
        raise OperationError(f"{where}: {describe(step)} ended with status {process.returncode}: {tail}")


def _ask(bench: Bench, where: str, step: AskStep, ask: Ask | None) -> None:
    """On a thread of its own: house is kept, and Ctrl-C works, while the operator takes minutes."""
    if ask is None:
        raise OperationError(f"{where}: an operator has to answer: {step.ask}", hint="run from a terminal")
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(ask(step.ask)), daemon=True, name="harness-ask")
    asking.start()
    deadline = bench.clock.monotonic_ns() + int(step.timeout_s * NANO)
    bench.wait(lambda: not asking.is_alive() or bench.clock.monotonic_ns() > deadline)
    if asking.is_alive():
        raise DeadlineError(f"{where}: nobody answered within {step.timeout_s:g} s: {step.ask}")
    if answers != [True]:
        raise OperationError(f"{where}: the operator did not confirm: {step.ask}")
