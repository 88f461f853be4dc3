"""A robot behind a discovery server, in another domain, on another interface, with security, of another
version: what each looks like to the harness."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from ros2_bench import ROOT, Bench, by_name, errors, opened, stimulus, until

from harness.adapters.ros2 import discovery, domain, elsewhere, network, security
from harness.adapters.ros2.ear import GROUP, Ear, Heard
from harness.adapters.ros2.options import Options
from harness.errors import ConfigurationError, UnavailableError
from harness.ports import Role

pytestmark = pytest.mark.ros
slow = pytest.mark.slow


# -- discovery server ----------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def server() -> Iterator[str]:
    """A real one, at the address that is given back."""
    beside = Path(sys.executable).parent
    program = shutil.which("fast-discovery-server", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    assert program is not None
    libraries = [Path(sys.prefix) / "lib", *Path(sys.prefix).glob("lib/python*/site-packages/ros_*.libs")]
    known = os.environ.get("LD_LIBRARY_PATH", "")
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join([*map(str, libraries), known])}
    port = free_port()
    process = subprocess.Popen(
        ["stdbuf", "-oL", program, "-i", "0", "-l", "127.0.0.1", "-p", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "running" in first, first
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stdout.close()


@slow
def test_behind_a_discovery_server_everybody_is_seen(bench: Bench, server: str):
    """Of the robot's domain or of another: the server does not keep them apart. Another publisher of the
    command topic matches nothing of ours, and only a super client hears of it."""
    variables = {"ROS_DISCOVERY_SERVER": server}
    bench.echo(domain=bench.domain + 1, variables=variables)
    device = opened(bench.device(discovery_server=server))
    assert device.process_environment()["ROS_DISCOVERY_SERVER"] == server
    assert "ROS_SUPER_CLIENT" not in device.process_environment()
    assert errors(device.preflight()) == []
    assert bench.round_trips(device, 20).arrived(20)
    identity = device.identity()
    assert server in identity["discovery"] and "domains do not separate" in identity["discovery"]
    assert identity["cmd.nodes"] == identity["out.nodes"] == "/echo"
    assert identity["out.network"] == "/echo: this host"
    assert identity["interfaces"] == "lo 127.0.0.1 towards the discovery server"
    checking = opened(bench.device(Role.CHECK, discovery_server=server))
    assert errors(checking.preflight()) == []
    bench.echo("--node", "teleop", "--only", "publish", "--answer", "/echo/in", variables=variables)
    until(lambda: bool(bench.findings), "the watch's report")
    assert "/teleop" in by_name(bench.findings, "other publisher")[0].message
    assert os.environ.get("ROS_SUPER_CLIENT") is None


@slow
def test_a_server_that_is_not_there_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    bench.echo()
    monkeypatch.setenv("ROS_DISCOVERY_SERVER", f"127.0.0.1:{free_port()}")
    device = opened(bench.device(patience_s=0.2))
    (found,) = by_name(device.preflight(), "nobody answers")
    assert (
        os.environ["ROS_DISCOVERY_SERVER"] in found.remedy and "does the discovery server run" in found.remedy
    )


def test_addresses_of_servers_are_read_and_resolved(bench: Bench):
    assert discovery.addresses(";10.0.0.2;robot:11812;TCPv4:[10.0.0.3]:42100") == [
        ("10.0.0.2", 11811),
        ("robot", 11812),
        ("10.0.0.3", 42100),
    ]
    for wrong in ("", ";", "10.0.0.2:99999", "robot:port", "a b:1:2"):
        with pytest.raises(ConfigurationError, match="discovery server"):
            discovery.addresses(wrong)
    with pytest.raises(ValidationError, match="is not an address"):
        bench.device(discovery_server="10.0.0.2:port")
    with pytest.raises(UnavailableError, match=r"robot\.invalid"):
        bench.device(discovery_server="robot.invalid").open()


def test_the_harness_alone_is_a_super_client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ROS_DISCOVERY_SERVER", raising=False)
    options = Options.model_validate({"adapter": "ros2", "ports": {"cmd": {"stimulus": stimulus()}}})
    assert domain.own_environment(options, "run").get("ROS_SUPER_CLIENT") is None
    monkeypatch.setenv("ROS_DISCOVERY_SERVER", "10.0.0.2")
    assert domain.own_environment(options, "run")["ROS_SUPER_CLIENT"] == "TRUE"
    assert domain.environment(options, "run") == {"ROS_DOMAIN_ID": os.environ.get("ROS_DOMAIN_ID", "0")}


# -- another domain ------------------------------------------------------------------------------------------


@slow
def test_a_robot_in_another_domain_is_found_there(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(elsewhere, "LOOK_S", 30.0)  # it ends when the robot is seen
    monkeypatch.setattr(elsewhere, "MOST_LOOKS", 50)  # strangers may be in others
    other = bench.domain + 1
    bench.echo(domain=other)
    until(lambda: other in elsewhere.bound_here(), "the echo's ports")
    device = opened(bench.device(patience_s=0.1))
    (found,) = by_name(device.preflight(), "nobody answers")
    assert f"/echo/out is there in domain {other} (/echo)" in found.remedy
    assert "set domain_id" in found.remedy
    assert errors([found]) == [found]


def test_domains_are_told_from_the_ports_that_are_bound(tmp_path: Path):
    (tmp_path / "net").mkdir()
    row = "  1: 00000000:{:04X} 00000000:0000 07 00000000:00000000 00:00000000 00000000  0 0 1 2 x 0\n"
    ports = (7410, 7411, 7400 + 250 * 42 + 12, 7400 + 250 * 42 + 13, 7400 + 250 * 7, 7400 + 250 * 9 + 11, 53)
    (tmp_path / "net" / "udp").write_text("header\n" + "".join(row.format(port) for port in ports))
    assert elsewhere.bound_here(tmp_path) == {0, 42}
    assert elsewhere.bound_here(tmp_path / "missing") == frozenset()


def test_what_is_said_of_other_places():
    heard = [Heard(5, "aa", "203.0.113.9", "eth7"), Heard(3, "bb", "203.0.113.8", "eth7")]
    nothing = elsewhere.hint(3, [3, 8], heard, lambda domains: {})
    assert nothing == (
        "participants at 203.0.113.8 announce themselves in this domain;"
        " nothing of the kind in 2 other domains"
    )
    many = elsewhere.hint(3, range(20), [], lambda domains: {})
    assert many == "nothing of the kind in 6 other domains (of 19 with participants)"
    there = elsewhere.hint(3, [], heard, lambda domains: {one: {"/odom": ["/base"]} for one in domains})
    assert there.startswith("/odom is there in domain 5 (/base): set domain_id")
    assert elsewhere.hint(3, [3], [], lambda domains: {}) == ""


# -- interfaces ----------------------------------------------------------------------------------------------


def test_announcements_are_heard_with_address_and_interface():
    port = free_port()
    ear = Ear([17], lambda _: port)
    header = b"RTPS" + bytes([2, 3]) + b"\x01\x0f" + bytes(range(12))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        for data in (b"", b"RTPS", b"no DDS, and long enough for one", header, header + bytes(500)):
            sender.sendto(data, (GROUP, port))
    until(lambda: bool(ear.heard()), "the announcement")
    assert ear.heard() == {Heard(17, bytes(range(12)).hex(), "127.0.0.1", "lo")}
    ear.close()
    ear.close()
    assert ear.heard()


def test_where_an_endpoint_is(monkeypatch: pytest.MonkeyPatch):
    own, other = "010f1111" + "00" * 12, "010f2222" + "00" * 12
    monkeypatch.setattr(network, "own_addresses", lambda: {"192.0.2.7": "eth0", "198.51.100.7": "wlan0"})
    monkeypatch.setattr(network, "route", lambda address: "eth0")
    prefix = other[:24]
    wired, wireless = Heard(0, prefix, "192.0.2.9", "eth0"), Heard(0, prefix, "198.51.100.9", "wlan0")
    stranger = Heard(0, "ff" * 12, "192.0.2.10", "eth0")
    assert network.where("010f1111" + "33" * 12, own, []) == "this host"
    assert network.where(other, "", [Heard(0, prefix, "192.0.2.7", "eth0")]) == "this host"
    assert "its address was not heard" in network.where(other, own, [stranger])
    assert network.where(other, own, [stranger, wired]) == "192.0.2.9 over eth0, 192.0.2.7"
    both = network.where(other, own, [wireless, wired])
    assert both.startswith(
        "192.0.2.9 over eth0, 192.0.2.7 and 198.51.100.9 over wlan0, 198.51.100.7 (several"
    )
    odd = network.where(other, own, [wireless])
    assert odd.endswith("; commands to 198.51.100.9 leave over eth0")


LOOKING = """
import json, sys, time
from ros2_bench import Bench
from harness.adapters.ros2 import looking
looking._ANNOUNCED_NS = looking._ASTRAY_NS = 0
bench = Bench(int(sys.argv[1]))
device = bench.device(patience_s=4.0)  # more than the 3 s between two announcements
device.open()
hints = [one.remedy for one in device.preflight()]
device.close()
device = bench.device(discovery="subnet")
device.open()
found = [one.message for one in device.preflight() if one.severity.value == "error"]
end = time.monotonic() + 20
while " over near" not in device.identity().get("out.network", "") and time.monotonic() < end:
    time.sleep(0.1)
print(json.dumps([hints, found, device.identity(), bench.round_trips(device, 20).arrived(20)]))
bench.close()
"""
APART = """
ip link set lo up || exit 77
unshare --net sleep 120 & peer=$!
while [ "$(readlink /proc/$peer/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
ip link add near type veth peer name far netns $peer || exit 77
ip addr add 192.0.2.17/28 dev near && ip link set near up
ip link add idle type veth peer name end && ip addr add 198.51.100.1/24 dev idle && ip link set idle up
nsenter -t $peer -n sh -c 'ip link set lo up; ip addr add 192.0.2.18/28 dev far; ip link set far up'
# A participant uses the interfaces that are up when it starts, and no later one.
until ip -br link show near | grep -q ' UP ' && nsenter -t $peer -n ip -br link show far | grep -q ' UP '
do sleep 0.05; done
nsenter -t $peer -n "$PYTHON" -m harness.sim.ros2_echo --seconds 100 > /dev/null & echo=$!
"$PYTHON" -c "$LOOKING" "$DOMAIN"; status=$?
kill $echo $peer
exit $status
"""


@slow
def test_the_interface_over_which_a_robot_answers_is_named(bench: Bench):
    """The robot is in a network namespace of its own, behind one of two interfaces; first it is looked for on
    this host alone."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ROS_")},
        "PYTHON": sys.executable,
        "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{ROOT}",
        "LOOKING": LOOKING,
        "DOMAIN": str(bench.domain),
        "ROS_DOMAIN_ID": str(bench.domain),
    }
    command = ["unshare", "--net", *user, "sh", "-c", APART]
    ran = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=100, cwd=ROOT
    )
    if os.geteuid() != 0 and ran.returncode in (1, 77):
        return  # a user who may make no namespace; test_where_an_endpoint_is has the words
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    hints, found, identity, arrived = json.loads(ran.stdout.splitlines()[-1])
    assert (
        "participants at 192.0.2.18 announce themselves in this domain, and discovery range LOCALHOST"
        in hints[0]
    )
    assert found == []
    assert identity["out.network"] == identity["cmd.network"] == "/echo: 192.0.2.18 over near, 192.0.2.17"
    assert "near 192.0.2.17" in identity["interfaces"] and "lo 127.0.0.1" in identity["interfaces"]
    assert len(arrived) == 20


# -- security ------------------------------------------------------------------------------------------------


@pytest.fixture
def keystore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Security is asked for, with a keystore that is not there yet."""
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    monkeypatch.setenv("ROS_SECURITY_STRATEGY", "Enforce")
    monkeypatch.setenv("ROS_SECURITY_KEYSTORE", str(tmp_path / "secret-place"))
    monkeypatch.delenv("ROS_SECURITY_ENCLAVE_OVERRIDE", raising=False)
    return tmp_path / "secret-place"


def enclave(keystore: Path, name: str = "") -> None:
    folder = keystore / "enclaves" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("identity_ca.cert.pem", "cert.pem", "key.pem", "permissions_ca.cert.pem"):
        (folder / file).write_text("no certificate")
    for file in ("governance.p7s", "permissions.p7s"):
        (folder / file).write_text("no signature")


def test_security_without_keys_is_refused_in_words(
    bench: Bench, keystore: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused() -> str:
        with pytest.raises(UnavailableError) as error:
            bench.device().open()
        return f"{error.value.message} {error.value.hint} {error.value.__suppress_context__}"

    without = refused()
    assert "is no keystore" in without and "create_keystore" in without
    enclave(keystore)
    monkeypatch.setenv("ROS_SECURITY_ENCLAVE_OVERRIDE", "/bench")
    assert "no enclave /bench" in refused()
    enclave(keystore, "bench")
    broken = refused()  # wheels: Fast DDS without security; a ROS 2 of apt: certificates that are none
    assert "security" in broken and "ROS_SECURITY_ENABLE" in broken
    monkeypatch.delenv("ROS_SECURITY_KEYSTORE")
    assert "ROS_SECURITY_KEYSTORE is not set" in refused()
    assert "secret-place" not in without + broken


@slow
def test_permissive_without_keys_runs_and_says_that_nothing_is_protected(
    bench: Bench, keystore: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ROS_SECURITY_STRATEGY", "Permissive")
    (keystore / "enclaves").mkdir(parents=True)
    monkeypatch.setenv("ROS_SECURITY_ENCLAVE_OVERRIDE", "/bench")
    told = opened(bench.device()).identity()["security"]
    assert (
        told
        == "asked for, strategy Permissive, enclave /bench; NOT protected: the keystore has no enclave /bench"
    )


def test_words_on_security():
    assert security.words({}) == "" and security.words({"ROS_SECURITY_ENABLE": "1"}) == ""
    assert security.refusal(RuntimeError("no"), {}) is None
    assert security.without_paths("in /a/keys/x", {"ROS_SECURITY_KEYSTORE": "/a/keys/"}) == "in (keystore)/x"


# -- another version of a type -------------------------------------------------------------------------------
