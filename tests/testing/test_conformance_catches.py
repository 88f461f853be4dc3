"""The conformance suite notices what is wrong: the worked example's device, broken in one place at a time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = "pytester"
pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"

# What is replaced in the device by what, and which check has to fail.
BROKEN = {
    "answers twice": ("sink(key, received_ns", "sink(key); sink(key, received_ns", "burst"),
    "loses every fiftieth": (
        "if len(data) == WIRE.size:",
        "if data[0] % 50 and len(data) == WIRE.size:",
        "burst",
    ),
    "only one sink": ("self.sinks.append(sink)", "self.sinks[:] = [sink]", "burst"),
    "key through a float": (
        "sink(key, received_ns",
        "sink(int(key * 1.00001), received_ns",
        "keys_may_be_large",
    ),
    "instants swapped": (
        "return before_ns, self.context.clock.monotonic_ns()",
        "return self.context.clock.monotonic_ns(), before_ns",
        "instants_are_in_order",
    ),
    "seen too early": (
        "received_ns=seen_ns, seen_ns=seen_ns",
        "received_ns=seen_ns, seen_ns=seen_ns - 10**9",
        "instants_are_in_order",
    ),
    "thread stays": (
        "            reader.join()\n",
        "            threading.Thread(target=time.sleep, args=(20,), daemon=True).start()\n",
        "nothing_left_behind",
    ),
    "socket stays": (
        "            connection.close()\n",
        "            KEPT.append(connection)\n",
        "nothing_left_behind",
    ),
    "waits for the answer": (
        "        return before_ns, self",
        "        while not ANSWERED.wait(0.1): pass\n        return before_ns, self",
        "sending_never_waits",
    ),
    "takes any value": (
        'raise ConfigurationError(f"{self.device.name}: {name}',
        'print(f"{name}',
        "wrong_values",
    ),
    "any condition holds": (
        'raise ConfigurationError(f"{self.name}: unknown condition {condition!r}", hint="use `log`")',
        "return True",
        "preflight_and_readiness",
    ),
    "empty identity": ('"model": "UDP robot"', '"model": " "', "identity"),
    "a clock not listed": (
        "stamp_clock = received_clock = HOST_MONOTONIC",
        'stamp_clock = received_clock = "robot.own"',
        "clocks_are_listed",
    ),
    "connects when made": (
        "        self.socket = self.reader = None\n",
        "        self.socket = self.reader = None\n        self.early = socket.socket()\n",
        "making_one_touches_nothing",
    ),
    "ports not named": ("hint=suggest(port, known)", "hint=None", "unknown_ports"),
    "closes once": (
        "        connection, self.socket = self.socket, None\n",
        "        connection, self.socket = self.socket, None\n        connection.fileno()\n",
        "open_and_close",
    ),
    "the stop raises": (
        "        stop = self.options.stop\n",
        "        raise OSError\n",
        "safe_stop_from_every_state",
    ),
    "reader crashes without a robot": ("continue  # nobody", "raise  # nobody", "robot_died"),
}
"""A broken device may fail other checks as well; the one named here has to be among them."""


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_device_fails(pytester: pytest.Pytester, name: str) -> None:
    old, new, check = BROKEN[name]
    device, test = blocks()
    assert old in device, f"the worked example no longer has {old!r}"
    device = device.replace(old, new, 1).replace(
        "WIRE = struct", "KEPT = []\nANSWERED = threading.Event()\nWIRE = struct", 1
    )
    # Short deadlines: here they are meant to pass.
    test = test.replace("    peer = None\n", "    peer = None\n    deadline_s = 2.0\n", 1)
    pytester.makepyfile(udp_robot=device, test_udp_robot=test)
    result = pytester.runpytest_subprocess(
        "-q", "-W", "error", "--timeout=8", "--timeout-method=signal", "-k", check
    )
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) >= 1, result.stdout.str()
