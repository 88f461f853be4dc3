from __future__ import annotations

from pathlib import Path

import pytest
from doctor_trees import host

from harness.doctor import Health, network
from harness.doctor.need import Need
from harness.doctor.result import NOT_AVAILABLE

NET = "proc/sys/net/core"


@pytest.mark.parametrize("key", ["rmem_max", "wmem_max"])
@pytest.mark.parametrize(
    ("size", "need", "severity"),
    [
        ("12582912", Need(), "ok"),
        ("4194304", Need(), "info"),
        ("212992", Need(), "warning"),
        ("212992", Need(ros=False), "info"),
        (None, Need(), "info"),
        ("many", Need(), "info"),
    ],
)
def test_socket_buffers_against_fast_dds(tmp_path: Path, key, size, need, severity) -> None:
    reader = network.receive_buffer if key == "rmem_max" else network.send_buffer
    found = reader(host(tmp_path, {f"{NET}/{key}": size} if size else {}), need)
    assert found.severity is Health(severity)
    if size in (None, "many"):
        assert found.value == NOT_AVAILABLE
    else:
        assert f"net.core.{key}" in found.value and "Fast DDS: 12 MiB" in found.value
    assert (f"net.core.{key}=12582912" in found.remedy) == (size in ("4194304", "212992"))


def test_cyclone_wants_more(tmp_path: Path) -> None:
    environ = {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    roots = host(tmp_path, {f"{NET}/rmem_max": "12582912"}, environ=environ)
    found = network.receive_buffer(roots, Need())
    assert found.severity is Health.INFO and "net.core.rmem_max=2147483647" in found.remedy


@pytest.mark.parametrize(("size", "severity"), [("212992", "ok"), ("65536", "warning"), (None, "info")])
def test_default_buffer(tmp_path: Path, size, severity) -> None:
    found = network.default_buffer(host(tmp_path, {f"{NET}/rmem_default": size} if size else {}), Need())
    assert found.severity is Health(severity)
    assert bool(found.remedy) == (severity == "warning")


@pytest.mark.parametrize(
    ("time_s", "limit", "severity", "value"),
    [("3", "134217728", "ok", "3 s"), ("30", "4194304", "info", "30 s"), (None, "1", "info", NOT_AVAILABLE)],
)
def test_reassembly(tmp_path: Path, time_s, limit, severity, value) -> None:
    files = {"proc/sys/net/ipv4/ipfrag_high_thresh": limit}
    if time_s:
        files["proc/sys/net/ipv4/ipfrag_time"] = time_s
    found = network.reassembly(host(tmp_path, files), Need())
    assert found.severity is Health(severity) and value in found.value
    assert ("ipfrag_time=3" in found.remedy) == (time_s == "30")


ROUTE = (
    "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    "{} 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\neth0 0000A8C0 0 0001 0 0 0 00FFFFFF 0 0 0"
)
UP = {"operstate": "up", "speed": "1000", "duplex": "full", "mtu": "1500"}


@pytest.mark.parametrize(
    ("change", "need", "severity", "value", "remedy"),
    [
        ({}, Need(), "ok", "up, 1000 Mbit/s, full duplex, MTU 1500", ""),
        ({"speed": "10"}, Need(), "warning", "10 Mbit/s", "ethtool -s eth0 autoneg on"),
        ({"speed": "-1"}, Need(), "ok", "up, MTU 1500", ""),
        ({"duplex": "half"}, Need(), "warning", "half duplex", "autoneg"),
        ({"operstate": "down"}, Need(), "warning", "down", "ip link set eth0 up"),
        ({"wireless/link": "1"}, Need(), "warning", "Wi-Fi", "iw dev eth0 set power_save off"),
        ({"wireless/link": "1"}, Need(real=False), "info", "Wi-Fi", "iw dev eth0"),
        (
            {"statistics/rx_errors": "5", "statistics/rx_dropped": "2"},
            Need(),
            "info",
            "2 rx_dropped, 5 rx_errors",
            "ethtool -S",
        ),
    ],
)
def test_the_interface_of_the_default_route(tmp_path: Path, change, need, severity, value, remedy) -> None:
    files = {f"sys/class/net/eth0/{name}": text for name, text in (UP | change).items()}
    files |= {"proc/net/route": ROUTE.format("eth0"), "sys/class/net/eth1/operstate": "up"}
    (found,) = network.interfaces(host(tmp_path, files), need)
    assert (found.name, found.severity) == ("network interface eth0", Health(severity))
    assert value in found.value
    assert remedy in found.remedy and bool(found.remedy) == bool(remedy)


def test_without_a_default_route_every_card_that_is_up_counts(tmp_path: Path) -> None:
    files = {
        "sys/class/net/lo/operstate": "unknown",
        "sys/class/net/eth0/operstate": "up",
        "sys/class/net/eth0/device/vendor": "x",
        "sys/class/net/eth1/operstate": "down",
        "sys/class/net/eth1/device/vendor": "x",
        "sys/class/net/docker0/operstate": "up",
    }
    assert network.in_use(host(tmp_path, files)) == ["eth0"]


def test_no_interface_and_no_knowledge_of_any(tmp_path: Path) -> None:
    (found,) = network.interfaces(host(tmp_path), Need())
    assert (found.value, found.severity) == (NOT_AVAILABLE, Health.INFO)
    (found,) = network.interfaces(host(tmp_path, {"sys/class/net/lo/operstate": "unknown"}), Need())
    assert found.value == "none in use but loopback"
    gone = host(tmp_path, {"proc/net/route": ROUTE.format("wlan9")})
    assert network.interfaces(gone, Need())[0].value == NOT_AVAILABLE


def test_latency_timers(tmp_path: Path) -> None:
    where = "sys/bus/usb-serial/devices"
    assert network.latency_timers(host(tmp_path), Need())[0].value == "none attached"
    files = {
        f"{where}/ttyUSB0/latency_timer": "16",
        f"{where}/ttyUSB1/latency_timer": "1",
        f"{where}/ttyUSB2/uevent": "",
    }
    slow, quick, without = network.latency_timers(host(tmp_path, files), Need())
    assert (slow.name, slow.severity, slow.value) == (
        "USB serial ttyUSB0",
        Health.WARNING,
        "latency timer 16 ms",
    )
    assert slow.remedy.startswith("echo 1 | sudo tee ") and slow.remedy.endswith("ttyUSB0/latency_timer")
    assert [c.severity for c in (quick, without)] == [Health.OK, Health.OK]
    assert without.value == "no latency timer"
