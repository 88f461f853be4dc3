"""Services of Gazebo are called in a process of their own: the bindings hold Python's lock until the reply is
there, in which nothing else of the harness could run, and a simulator that hangs would hold up the schedule.

The process reads requests from its standard input and writes replies to its standard output, one JSON object
a line; it ends with the harness. ``python -m harness.adapters.gazebo.asker --once ...`` calls once, for who
undoes a fault when the harness cannot.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.adapters.gazebo import vendor
from harness.errors import DeadlineError, HarnessError, OperationError, UnavailableError

MOST_HEARD = 10_000
"""Messages that nobody waits for, as of another publisher."""
START_S = 20.0


@dataclass(frozen=True)
class Call:
    """One request: the service, the request's bytes, its type and the reply's, and how long to wait."""

    service: str
    data: bytes
    type: str
    reply: str
    timeout_ms: float


@dataclass(frozen=True)
class Replied:
    """What came back. ``ok``: the service replied in time. ``sent_ns`` and ``done_ns``: around the call, on
    CLOCK_MONOTONIC, by the process that called."""

    ok: bool
    data: bytes
    sent_ns: int
    done_ns: int


Take = Callable[[Replied], None]


class Asker:
    """The process that calls services, as the harness sees it. Made ready by :meth:`open`."""

    def __init__(self, name: str, partition: str | None) -> None:
        self._name, self._partition = name, partition
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()
        self._waiting: dict[int, Take] = {}
        self._number = 0
        self._heard: Counter[tuple[str, str]] = Counter()
        """What came through and was not waited for yet; of others' messages the newest."""
        self._hearing = threading.Condition()

    def open(self) -> None:
        """Start the process. Raises UnavailableError where it does not come up."""
        words = [sys.executable, "-m", "harness.adapters.gazebo.asker"]
        if self._partition:
            words += ["--partition", self._partition]
        # Not in the foreground group: at Ctrl-C it is needed to undo what is broken. It ends with its input.
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._process = process
        ready = threading.Event()
        try:
            self._reader = threading.Thread(
                target=self._read, args=(process, ready), name=f"gazebo-asker-{self._name}", daemon=True
            )
            self._reader.start()
        except RuntimeError as error:
            self._reader = None
            self.close()
            raise UnavailableError(f"{self._name}: no thread can be started: {error}") from error
        if not ready.wait(START_S) or process.poll() is not None:
            self.close()
            raise UnavailableError(
                f"{self._name}: the process that calls Gazebo's services did not start",
                hint="its last words are above",
            )

    def close(self) -> None:
        """End the process. Repeatable."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.close()
        except OSError:
            pass  # it is gone already
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader, self._reader = self._reader, None
        if reader is not None and reader is not threading.current_thread():
            reader.join(5.0)
        process.stdout.close()

    def send(self, call: Call, take: Take) -> tuple[int, int]:
        """Hand a call over; ``take`` gets what came of it, on a thread of the asker's, and nothing where the
        process dies first. Returns CLOCK_MONOTONIC around the hand-over. Raises OperationError."""
        with self._lock:
            self._number += 1
            number = self._number
            self._waiting[number] = take
        line = json.dumps(
            {
                "n": number,
                "service": call.service,
                "data": base64.b64encode(call.data).decode(),
                "type": call.type,
                "reply": call.reply,
                "timeout_ms": call.timeout_ms,
            }
        )
        raw = line.encode() + b"\n"
        process = self._process
        try:
            if process is None or process.stdin is None:
                raise OSError("it is not open")
            with self._lock:
                before = time.monotonic_ns()
                process.stdin.write(raw)
                process.stdin.flush()
                return before, time.monotonic_ns()
        except (OSError, ValueError) as error:
            self._waiting.pop(number, None)
            raise OperationError(
                f"{self._name}: {call.service} could not be called: {error}", hint="open the device first"
            ) from error

    def ask(self, call: Call) -> bytes:
        """Call, and wait for the reply's bytes. Raises DeadlineError without one, OperationError."""
        done = threading.Event()
        found: list[Replied] = []

        def take(reply: Replied) -> None:
            found.append(reply)
            done.set()

        self.send(call, take)
        if not done.wait(call.timeout_ms * 1e-3 + 2.0) or not found[0].ok:
            raise DeadlineError(
                f"{self._name}: {call.service} did not reply within {call.timeout_ms:g} ms",
                hint="does the simulator run, in this partition, with this world?",
            )
        return found[0].data

    def hear(self, topic: str, kind: str) -> None:
        """Have the process subscribe to that topic, so that :meth:`heard` can tell what came through."""
        process = self._process
        if process is None or process.stdin is None:
            raise OperationError(f"{self._name} is not open", hint="open the device first")
        with self._lock:
            process.stdin.write(json.dumps({"hear": topic, "type": kind}).encode() + b"\n")
            process.stdin.flush()

    def heard(self, topic: str, data: bytes, timeout_s: float) -> bool:
        """Whether such a message has come through on that topic, or does within that time. Each that came
        through is told once: two that are the same have to come twice."""
        wanted = topic, _digest(data)
        with self._hearing:
            there = self._hearing.wait_for(lambda: self._heard[wanted] > 0, timeout_s)
            self._heard[wanted] -= 1 if there else 0
            if self._heard[wanted] <= 0:
                del self._heard[wanted]
            return there

    def _read(self, process: subprocess.Popen[bytes], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told: dict[str, Any] = json.loads(line)
            if "ready" in told:
                ready.set()
                continue
            if "heard" in told:
                with self._hearing:
                    self._heard[told["heard"], told["digest"]] += 1
                    if len(self._heard) > MOST_HEARD:
                        del self._heard[next(iter(self._heard))]
                    self._hearing.notify_all()
                continue
            take = self._waiting.pop(int(told["n"]), None)
            if take is not None:
                reply = Replied(told["ok"], base64.b64decode(told["data"]), told["sent_ns"], told["done_ns"])
                try:
                    take(reply)
                except Exception:  # one reply that nobody can use must not cost those after it
                    traceback.print_exc()
        ready.set()


def once(call: Call, partition: str | None, address: str | None) -> list[str]:
    """The command line that makes this call once, in an environment that knows neither."""
    words = [sys.executable, "-m", "harness.adapters.gazebo.asker"]
    for name, value in (("--partition", partition), ("--address", address)):
        words += [name, value] if value else []
    data = base64.b64encode(call.data).decode()
    return [
        *words,
        *("--once", call.service, "--data", data, "--type", call.type, "--reply", call.reply),
        *("--timeout-ms", f"{call.timeout_ms:g}"),
    ]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _say(lock: threading.Lock, told: dict[str, Any]) -> None:
    with lock:
        print(json.dumps(told), flush=True)


def _hear(node: Any, lock: threading.Lock, topic: str, kind: str) -> None:
    def on_message(data: bytes) -> None:
        _say(lock, {"heard": topic, "digest": _digest(data)})

    vendor.subscribe(vendor.load(), node, topic, kind, on_message)


def _do(node: Any, told: dict[str, Any]) -> dict[str, Any]:
    sent = time.monotonic_ns()
    try:
        ok, data = node.request_raw(
            told["service"],
            base64.b64decode(told["data"]),
            told["type"],
            told["reply"],
            round(told["timeout_ms"]),
        )
    except Exception:  # the harness has to hear that there is no reply
        ok, data = False, b""
    # The bindings do not tell a call without reply from one whose reply is empty; an empty one says nothing.
    return {
        "ok": bool(ok),
        "data": base64.b64encode(data).decode(),
        "sent_ns": sent,
        "done_ns": time.monotonic_ns(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Call services for the harness until standard input closes."""
    parser = argparse.ArgumentParser(prog="harness.adapters.gazebo.asker", description=__doc__)
    parser.add_argument("--partition")
    parser.add_argument("--address")
    parser.add_argument("--once", metavar="SERVICE")
    parser.add_argument("--data", default="")
    parser.add_argument("--type", default="gz.msgs.Empty")
    parser.add_argument("--reply", default="gz.msgs.Boolean")
    parser.add_argument("--timeout-ms", type=float, default=5000.0)
    given = parser.parse_args(arguments)
    try:
        vendor.use_address(given.address)
        node = vendor.load().node(given.partition)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    if given.once:
        told = {"service": given.once, "data": given.data, "type": given.type, "reply": given.reply}
        from harness.adapters.gazebo import world  # which needs this module

        done = _do(node, {**told, "timeout_ms": given.timeout_ms})
        refused = given.reply == world.BOOLEAN and not world.accepted(base64.b64decode(done["data"]))
        return 0 if done["ok"] and not refused else 1
    lock = threading.Lock()
    _say(lock, {"ready": True})
    for line in sys.stdin:
        told = json.loads(line)
        if "hear" in told:
            _hear(node, lock, told["hear"], told["type"])
        else:
            _say(lock, {"n": told["n"], **_do(node, told)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
