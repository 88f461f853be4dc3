"""The network path to devices: measured on real links, in a network namespace that the test makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.config import find_rig, load_rig
from harness.errors import ConfigurationError
from harness.telemetry.budget import Budgets
from harness.telemetry.paths import PathSampler, addresses_of, parse_paths, retransmitted

ROOT = Path(__file__).parents[2]
REAL = """
import os, socket, subprocess, sys, time
from harness.telemetry.budget import Budgets
from harness.telemetry.paths import PathSampler

def ip(*words): subprocess.run(["ip", *words], check=True, timeout=20)
far = subprocess.Popen(["unshare", "--net", sys.executable, "-c", SERVER], stdin=subprocess.PIPE, text=True)
mine, end = os.readlink("/proc/self/ns/net"), time.monotonic() + 20
while os.readlink(f"/proc/{far.pid}/ns/net") == mine:
    assert time.monotonic() < end
    time.sleep(0.01)
inside = ["nsenter", "--target", str(far.pid), "--net", "ip"]
ip("link", "set", "lo", "up")
ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(far.pid))
ip("addr", "add", "192.0.2.17/28", "dev", "near")
ip("link", "set", "near", "up")
subprocess.run([*inside, "addr", "add", "192.0.2.18/28", "dev", "far"], check=True, timeout=20)
subprocess.run([*inside, "link", "set", "far", "up"], check=True, timeout=20)
far.stdin.write("serve\\n")
far.stdin.flush()
for _ in range(2000):
    try:
        robot = socket.create_connection(("192.0.2.18", 5000), timeout=5)
        break
    except OSError:
        time.sleep(0.01)
paths = {"robot": "192.0.2.18"}
book = Budgets(reports=None)
sampler = PathSampler(book, lambda: paths, 3600)
def tally(name):
    return {each.limits.name: each.tally for each in book.observed()}.get("path." + name)
try:
    for _ in range(3):
        sampler.sample()
    assert tally("robot.lost").n == 3 and tally("robot.lost").largest == 0
    assert tally("robot.round_trip").n == 3 and tally("robot.round_trip").smallest > 0
    assert tally("robot.retransmitted").n == 2 and tally("robot.retransmitted").largest == 0
    assert sampler.words == [], sampler.words
    # The cable is pulled on the far side: echoes and segments leave, and nothing comes back.
    subprocess.run([*inside, "addr", "del", "192.0.2.18/28", "dev", "far"], check=True, timeout=20)
    subprocess.run([*inside, "link", "set", "far", "arp", "off"], check=True, timeout=20)
    subprocess.run(["ip", "neigh", "replace", "192.0.2.18", "lladdr", "02:00:00:00:00:09", "dev", "near"],
                   check=True, timeout=20)
    robot.sendall(b"walk")
    end = time.monotonic() + 30
    while not tally("robot.retransmitted").largest > 0:
        assert time.monotonic() < end, "the segment was sent again"
        sampler.sample()
    lost, answered = tally("robot.lost"), tally("robot.round_trip")
    assert lost.largest == 1 and answered.n == 3 and lost.n > 3
    paths.clear()
    before = tally("robot.lost").n
    sampler.sample()
    assert tally("robot.lost").n == before, "a device that has left is asked no more"
finally:
    sampler.close()
    far.kill()
    far.wait()
print("held")
"""
SERVER = """
import socket, sys
sys.stdin.readline()
server = socket.create_server(("", 5000))
held, _ = server.accept()
while held.recv(64):
    pass
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_round_trip_loss_and_segments_sent_again() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", f"SERVER = {SERVER!r}\n{REAL}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.strip() == "held", done.stderr


def test_a_name_that_is_not_known_and_no_ss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    book = Budgets(reports=None)
    with PathSampler(book, lambda: {"far": "nowhere.invalid", "near": "127.0.0.1"}, 3600) as sampler:
        sampler.sample()
        assert sampler.missing["far"] == "the name 'nowhere.invalid' is not known"
        assert "ss" in sampler.missing["retransmissions"]
        assert all("not available" in each for each in sampler.words)
    assert not any(each.limits.name.startswith("path.far") for each in book.observed())


def test_who_may_not_send_echoes_counts_nothing_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Budgets(reports=None)
    with PathSampler(book, lambda: {"near": "127.0.0.1"}, 3600) as sampler:
        error = sampler._icmp.SocketPermissionError

        def refused(*args: object, **options: bool) -> None:
            raise error(options["privileged"])

        monkeypatch.setattr(sampler._icmp, "ping", refused)
        sampler.sample()
        assert "ping_group_range" in sampler.missing["round trip"]
    assert not any(each.limits.name.endswith((".lost", ".round_trip")) for each in book.observed())


def test_lines_of_ss() -> None:
    """As ss of iproute2 6.1 prints them; some of what it says of a connection is left out here."""
    said = (
        "0      0      192.0.2.17:46888 192.0.2.18:443 cubic rto:204 rtt:1.018/0.009 retrans:1/12 lost:1\n"
        "0      0      192.0.2.17:46890 192.0.2.18:443 cubic rto:204 rtt:1.018/0.009\n"
    )
    assert retransmitted(said) == {
        "192.0.2.17:46888 192.0.2.18:443": 12,
        "192.0.2.17:46890 192.0.2.18:443": 0,
    }


def test_where_devices_are() -> None:
    assert addresses_of(load_rig(find_rig("sim_spot")).rig) == {"spot": "127.0.0.1"}
    assert addresses_of(load_rig(find_rig("loopback")).rig) == {}
    told = load_rig(find_rig("loopback"), ["devices.robot.network_address=192.0.2.18"])
    assert addresses_of(told.rig) == {"robot": "192.0.2.18"}


@pytest.mark.parametrize("given", ["spot", "=host", "spot=", "a b=host"])
def test_a_path_that_is_none(given: str) -> None:
    with pytest.raises(ConfigurationError, match="NAME=HOST"):
        parse_paths((given,))
    assert parse_paths(("a=b", "c.d=192.0.2.1")) == {"a": "b", "c.d": "192.0.2.1"}
