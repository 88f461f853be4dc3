"""Faults of a robot's cable, on real links in a network namespace that the test makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PREPARE = """
import os, socket, subprocess, sys, time
from pydantic import TypeAdapter
from harness.clock import HostClock
from harness.config.faults import FaultOptions
from harness.errors import HarnessError
from harness.faults import make_fault
from harness.guardian.undo import undo

RUN = "links-" + str(os.getpid())
def ip(*words): subprocess.run(["ip", *words], check=True, timeout=20)
def tool(*words): return subprocess.run(words, check=True, timeout=20, capture_output=True, text=True).stdout
def until(holds, what):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.01)

sleeper = [sys.executable, "-c", "import time; time.sleep(100)"]
environment = {**os.environ, "HARNESS_RUN_ID": RUN}
apart = subprocess.Popen(["unshare", "--net", *sleeper, "--robot=1"], env=environment)
here = subprocess.Popen([*sleeper, "--robot=2"], env=environment)
mine = os.readlink("/proc/self/ns/net")
until(lambda: os.readlink(f"/proc/{apart.pid}/ns/net") != mine, "a namespace of its own")
until(lambda: b"python" in open(f"/proc/{apart.pid}/cmdline", "rb").read().split(b"\\0")[0], "started")
ip("link", "set", "lo", "up")
ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(apart.pid))
ip("addr", "add", "192.0.2.17/28", "dev", "near")
ip("link", "set", "near", "up")
inside = ["nsenter", "--target", str(apart.pid), "--net"]
tool(*inside, "ip", "link", "set", "lo", "up")
tool(*inside, "ip", "addr", "add", "192.0.2.18/28", "dev", "far")
tool(*inside, "ip", "link", "set", "far", "up")
tool(*inside, "ip", "route", "add", "239.0.0.0/8", "dev", "far")

def port(**options):
    given = {"process": "--robot={number}$", "timeout_s": 20, **options}
    told = TypeAdapter(FaultOptions).validate_python(given)
    return make_fault("cut", told, ["one", "two"], RUN, HostClock())
def refused(fault, target, words):
    try:
        fault.aim(target)
    except HarnessError as error:
        assert words in str(error), str(error)
        assert error.hint
    else:
        raise AssertionError("not refused")
def is_up(link="near"): return "UP" in tool("ip", "-br", "link", "show", link).split()[1]
def routes(): return tool(*inside, "ip", "route", "show")
def shaped(): return "tbf" in tool(*inside, "tc", "qdisc", "show", "dev", "far")
try:
    exec(sys.argv[1])
finally:
    for each in (apart, here):
        each.kill()
        each.wait()
"""
ISOLATE = """
fault = port(kind="isolate", link="far")
until(is_up, "near is up")
before = routes()
(undoing,) = fault.aim("one")
record = fault.inject("one", "isolate")
assert record.verified and record.before_ns <= record.after_ns, record
assert "link near" in record.evidence and "down" in record.evidence, record
assert not is_up()
restored = fault.restore("one")
assert restored.verified and "near up" in restored.evidence and is_up()
assert routes() == before, "the robot keeps addresses and routes"
assert fault.restore("one").evidence == "nothing was broken"
fault.inject("one", "isolate")
fault.undo()  # on any way out, without waiting
until(is_up, "undone")
fault.inject("one", "isolate")
assert undo(undoing) == "link near up"  # as the guardian does it
until(is_up, "undone by the guardian")
assert undo({**undoing, "index": 99}) == "link near is gone"  # another link that has the name by now
"""
SLOW = """
fault = port(kind="slow", link="far", rate_kbit=100)
(undoing,) = fault.aim("one")
record = fault.inject("one", "slow")
assert record.verified and "tbf rate 100kbit" in record.evidence, record
assert shaped()
refused(port(kind="slow", link="far", rate_kbit=50), "one", "shaped already (tbf)")
assert fault.restore("one").verified and not shaped()
fault.inject("one", "slow")
assert "ended with status 0" in undo(undoing) and not shaped()
fault.undo()
"""
REFUSED = """
refused(port(kind="isolate", link="far"), "two", "no network namespace of its own")
refused(port(kind="isolate", link="lo"), "one", "is no cable (veth)")
refused(port(kind="isolate", link="eth7"), "one", "eth7")
apart.kill(); apart.wait()
refused(port(kind="isolate", link="far"), "one", "0 processes of this run match")
"""


@pytest.mark.parametrize("script", [ISOLATE, SLOW, REFUSED], ids=["isolate", "slow", "refused"])
def test_a_cable(script: str) -> None:
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    ran = subprocess.run(
        ["unshare", "--net", *user, sys.executable, "-c", PREPARE, script],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=ROOT,
    )
    if os.geteuid() != 0 and ran.stderr.startswith("unshare"):
        return  # a user who may make no namespace; the words are tested with processes
    assert ran.returncode == 0, ran.stdout + ran.stderr
