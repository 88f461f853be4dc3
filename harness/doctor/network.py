"""Socket buffers, network interfaces, and the latency timers of USB serial adapters."""

from __future__ import annotations

from harness.doctor.need import Need
from harness.doctor.result import Check, Health, unknown
from harness.doctor.roots import Roots, entries, read, read_int

LEAST_BUFFER = 1 << 20
"""What Cyclone DDS asks for its receive sockets by default (Internal/SocketReceiveBufferSize, min 1 MiB)."""
FAST_DDS_BUFFER = 12_582_912
"""https://fast-dds.docs.eprosima.com, "Large data rates": increasing socket buffers size."""
ROS_BUFFER = 2_147_483_647
"""https://docs.ros.org/en/jazzy/How-To-Guides/DDS-tuning.html, Cyclone DDS: minimum socket receive buffer."""
IPFRAG_TIME_S, IPFRAG_THRESHOLD = 3, 134_217_728
"""The same page, cross-vendor tuning."""
_CORE = "sys/net/core"


def _size(count: int) -> str:
    return f"{count / (1 << 20):.4g} MiB" if count >= 1 << 20 else f"{count / 1024:.4g} KiB"


def _buffer(roots: Roots, need: Need, name: str, key: str, wanted: int, source: str, why: str) -> Check:
    found = read_int(roots.proc / _CORE / key)
    if found is None:
        return unknown(name, why)
    value = f"net.core.{key} {_size(found)}; {source}: {_size(wanted)}"
    if found >= wanted:
        return Check(name, Health.OK, value, why)
    remedy = f"echo net.core.{key}={wanted} | sudo tee -a /etc/sysctl.d/60-dds.conf && sudo sysctl --system"
    small = found < LEAST_BUFFER and need.ros is not False
    return Check(name, Health.WARNING if small else Health.INFO, value, why, remedy)


def _cyclone(roots: Roots) -> bool:
    return "cyclone" in roots.environ.get("RMW_IMPLEMENTATION", "")


def receive_buffer(roots: Roots, need: Need) -> Check:
    """net.core.rmem_max against what the DDS vendors recommend."""
    wanted, source = (
        (ROS_BUFFER, "ROS 2 DDS tuning for Cyclone DDS") if _cyclone(roots) else (FAST_DDS_BUFFER, "Fast DDS")
    )
    why = (
        "A burst that does not fit is dropped by the kernel, and a reliable reader waits for the repetition."
    )
    return _buffer(roots, need, "socket receive buffer", "rmem_max", wanted, source, why)


def send_buffer(roots: Roots, need: Need) -> Check:
    """net.core.wmem_max against what Fast DDS recommends."""
    why = "When the send buffer is full, the hand-over of a message waits or the message is dropped."
    return _buffer(roots, need, "socket send buffer", "wmem_max", FAST_DDS_BUFFER, "Fast DDS", why)


def default_buffer(roots: Roots, need: Need) -> Check:
    """net.core.rmem_default: what a socket gets that asks for nothing, as those of Fast DDS do."""
    name = "default receive buffer"
    why = "Fast DDS takes the kernel's default for its sockets unless a profile asks for more."
    found = read_int(roots.proc / _CORE / "rmem_default")
    if found is None:
        return unknown(name, why)
    value = f"net.core.rmem_default {_size(found)}"
    # 212992 B is the kernel's own: enough for commands and odometry, not for images.
    if found >= 212_992:
        return Check(name, Health.OK, value, why)
    remedy = (
        "echo net.core.rmem_default=212992 | sudo tee -a /etc/sysctl.d/60-dds.conf && sudo sysctl --system"
    )
    return Check(name, Health.WARNING, value, why, remedy)


def reassembly(roots: Roots, need: Need) -> Check:
    """net.ipv4.ipfrag_time and ipfrag_high_thresh against the ROS 2 tuning page."""
    name = "IP reassembly"
    why = "Large messages that lost a fragment fill this buffer, and none arrives until they expire."
    time_s = read_int(roots.proc / "sys/net/ipv4/ipfrag_time")
    limit = read_int(roots.proc / "sys/net/ipv4/ipfrag_high_thresh")
    if time_s is None or limit is None:
        return unknown(name, why)
    value = f"ipfrag_time {time_s} s, ipfrag_high_thresh {_size(limit)}"
    if time_s <= IPFRAG_TIME_S and limit >= IPFRAG_THRESHOLD:
        return Check(name, Health.OK, value, why)
    remedy = (
        f"sudo sysctl -w net.ipv4.ipfrag_time={IPFRAG_TIME_S} net.ipv4.ipfrag_high_thresh={IPFRAG_THRESHOLD}"
    )
    source = f"ROS 2 DDS tuning: {IPFRAG_TIME_S} s, {_size(IPFRAG_THRESHOLD)}"
    return Check(name, Health.INFO, f"{value}; {source}", why, remedy)


def in_use(roots: Roots) -> list[str]:
    """Interfaces that carry a default route; if there is none, those that are up."""
    found: list[str] = []
    for line in (read(roots.proc / "net/route") or "").splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == "00000000" and words[7] == "00000000" and words[0] not in found:
            found.append(words[0])
    if found:
        return found
    net = roots.sys / "class/net"
    return [
        path.name for path in entries(net)
        if path.name != "lo" and (path / "device").exists() and read(path / "operstate") == "up"
    ]  # fmt: skip


def interfaces(roots: Roots, need: Need) -> list[Check]:
    """One check for each network interface in use."""
    names = in_use(roots)
    if names:
        return [_interface(roots, need, name) for name in names]
    why = (
        "Messages to another host go through it; this host has none that is up, so only itself can be tested."
    )
    if not entries(roots.sys / "class/net"):
        return [unknown("network interface", why)]
    return [Check("network interface", Health.INFO, "none in use but loopback", why)]


def _interface(roots: Roots, need: Need, interface: str) -> Check:
    name = f"network interface {interface}"
    path = roots.sys / "class/net" / interface
    state = read(path / "operstate")
    if state is None:
        return unknown(name, "Every message to another host goes through it.")
    wireless = (path / "wireless").is_dir() or (path / "phy80211").exists()
    parts = [state]
    speed, duplex = read_int(path / "speed"), read(path / "duplex")
    if wireless:
        parts.append("Wi-Fi")
    if speed is not None and speed > 0:
        parts.append(f"{speed} Mbit/s" + (f", {duplex} duplex" if duplex in ("full", "half") else ""))
    if mtu := read(path / "mtu"):
        parts.append(f"MTU {mtu}")
    lost = {key: read_int(path / "statistics" / key) or 0 for key in ("rx_dropped", "rx_errors", "tx_errors")}
    parts += [f"{count} {key}" for key, count in lost.items() if count]
    value = ", ".join(parts)
    if wireless:
        why = "Wi-Fi waits for a free channel, repeats, roams and sleeps: tens of milliseconds, at random."
        bad = Health.INFO if need.real is False else Health.WARNING
        return Check(name, bad, value, why, f"sudo iw dev {interface} set power_save off  # better: a cable")
    why = "Every message to another host goes through it."
    if state == "down":
        return Check(name, Health.WARNING, value, why, f"sudo ip link set {interface} up")
    if (speed is not None and 0 < speed < 100) or duplex == "half":
        why = "A slow or half-duplex link makes messages wait for each other on the wire."
        return Check(
            name, Health.WARNING, value, why, f"sudo ethtool -s {interface} autoneg on  # or another cable"
        )
    if lost["rx_errors"] or lost["tx_errors"]:
        why = "A damaged frame is lost, and a reliable reader waits for the repetition."
        return Check(name, Health.INFO, value, why, f"ethtool -S {interface} | grep -iE 'err|drop|crc'")
    return Check(name, Health.OK, value, why)


def latency_timer_remedy(device: str) -> str:
    """The command that sets the latency timer of a USB serial adapter, its folder in sysfs, to 1 ms."""
    return f"echo 1 | sudo tee {device}/latency_timer"


def latency_timers(roots: Roots, need: Need) -> list[Check]:
    """One check for each USB serial adapter that has a latency timer (FTDI has; most others have none)."""
    folder = roots.sys / "bus/usb-serial/devices"
    why = "The adapter keeps a short answer back until its timer runs out: 16 ms alone breaks a 10 ms budget."
    found = []
    for device in entries(folder):
        name = f"USB serial {device.name}"
        timer = read_int(device / "latency_timer")
        if timer is None:
            found.append(Check(name, Health.OK, "no latency timer", why))
        elif timer <= 1:
            found.append(Check(name, Health.OK, f"latency timer {timer} ms", why))
        else:
            remedy = latency_timer_remedy(str(device))
            found.append(Check(name, Health.WARNING, f"latency timer {timer} ms", why, remedy))
    return found or [Check("USB serial", Health.OK, "none attached", why)]


CHECKS = (receive_buffer, send_buffer, default_buffer, reassembly, interfaces, latency_timers)
