"""How ROS 2 talks from here: DDS implementation, transport, discovery. Nothing is imported to find out."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from harness.doctor.need import Need
from harness.doctor.result import Check, Health
from harness.doctor.roots import Roots, read

DEFAULT_RMW = "rmw_fastrtps_cpp"
VENDORS = {
    "rmw_fastrtps_cpp": "Fast DDS",
    "rmw_fastrtps_dynamic_cpp": "Fast DDS",
    "rmw_cyclonedds_cpp": "Cyclone DDS",
    "rmw_connextdds": "Connext",
    "rmw_zenoh_cpp": "Zenoh",
}
_LIBRARIES = {"Fast DDS": ("ros-fastrtps", "fastrtps"), "Cyclone DDS": ("ros-cyclonedds", "cyclonedds")}
BUILTIN_TRANSPORTS = ("NONE", "DEFAULT", "DEFAULTv6", "SHM", "UDPv4", "UDPv6", "LARGE_DATA", "LARGE_DATAv6")
"""What FASTDDS_BUILTIN_TRANSPORTS may say:
https://fast-dds.docs.eprosima.com/en/latest/fastdds/env_vars/env_vars.html"""
RANGES = ("OFF", "LOCALHOST", "SUBNET", "SYSTEM_DEFAULT")
_PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
LAST_DOMAIN = 101
"""Above it the UDP ports of a domain fall into Linux's range of ephemeral ports:
https://docs.ros.org/en/jazzy/Concepts/Intermediate/About-Domain-ID.html"""


def ros_is_here(roots: Roots) -> bool:
    """Whether rclpy could be imported."""
    return bool(roots.environ.get("AMENT_PREFIX_PATH")) or find_spec("rclpy") is not None


def _prefixes(roots: Roots) -> list[Path]:
    named = roots.environ.get("AMENT_PREFIX_PATH", "")
    return [Path(one) for one in named.split(":") if one]


def _version(roots: Roots, *names: str) -> str | None:
    """Version of an installed distribution or of a package of a sourced ROS 2."""
    for name in names:
        for spelt in (name, f"ros-{name}".replace("_", "-")):
            try:
                return metadata.version(spelt)
            except metadata.PackageNotFoundError:
                continue
    for prefix in _prefixes(roots):
        for name in names:
            text = read(prefix / "share" / name / "package.xml") or ""
            if found := re.search(r"<version>\s*([^<\s]+)", text):
                return found.group(1)
    return None


def _installed(roots: Roots, rmw: str) -> bool:
    places = [*(prefix / "lib" for prefix in _prefixes(roots))]
    if any((place / f"lib{rmw}.so").exists() for place in places):
        return True
    return _version(roots, rmw) is not None


def implementation(roots: Roots, need: Need) -> Check:
    """RMW_IMPLEMENTATION, whether it is installed, and its version."""
    name = "DDS implementation"
    why = "The middleware carries every message: another one, or another version, is another latency."
    asked = roots.environ.get("RMW_IMPLEMENTATION", "").strip()
    rmw = asked or DEFAULT_RMW
    if not ros_is_here(roots):
        bad = Health.ERROR if need.ros else Health.INFO
        remedy = f"{sys.executable} -m pip install 'hil-latency-harness[ros]'" if need.ros else ""
        return Check(name, bad, "ROS 2 is not installed", why, remedy)
    vendor = VENDORS.get(rmw, "unknown vendor")
    version = _version(roots, *_LIBRARIES.get(vendor, ()))
    value = f"{rmw} ({vendor}{f' {version}' if version else ''})" + ("" if asked else ", the default")
    if asked and not _installed(roots, asked):
        bad = Health.ERROR if need.ros else Health.WARNING
        return Check(name, bad, f"{value}, which is not installed", why, "unset RMW_IMPLEMENTATION")
    if not asked:
        # Peers that choose otherwise do not meet us, or meet us through another vendor's interoperability.
        return Check(name, Health.OK, value, why)
    return Check(name, Health.OK, value, why)


def transport(roots: Roots, need: Need) -> Check:
    """Profiles and transports that the environment sets for Fast DDS and Cyclone DDS."""
    name = "DDS transport"
    why = "Shared memory, UDP and TCP differ by a factor in latency, and more so for large messages."
    environ = roots.environ
    rmw = environ.get("RMW_IMPLEMENTATION", "").strip() or DEFAULT_RMW
    vendor = VENDORS.get(rmw, "")
    parts: list[str] = []
    broken: list[tuple[str, str]] = []
    for variable in _PROFILES:
        if file := environ.get(variable, "").strip():
            parts.append(f"{variable}={_shown(file)}")
            if read(Path(file)) is None:
                broken.append((f"{variable} names a file that cannot be read", f"unset {variable}"))
    if kind := environ.get("FASTDDS_BUILTIN_TRANSPORTS", "").strip():
        parts.append(f"FASTDDS_BUILTIN_TRANSPORTS={_shown(kind)}")
        if kind.partition("?")[0] not in BUILTIN_TRANSPORTS:
            known = ", ".join(BUILTIN_TRANSPORTS)
            broken.append((f"it is none of {known}", "unset FASTDDS_BUILTIN_TRANSPORTS"))
    if uri := environ.get("CYCLONEDDS_URI", "").strip():
        parts.append(f"CYCLONEDDS_URI={_shown(uri)}")
        file = uri.partition("://")[2] if uri.startswith("file://") else ""
        if file and read(Path(file)) is None:
            broken.append(("CYCLONEDDS_URI names a file that cannot be read", "unset CYCLONEDDS_URI"))
    if broken:
        bad = Health.ERROR if need.ros else Health.WARNING
        value = "; ".join([*parts, *(what for what, _ in broken)])
        return Check(name, bad, value, why, "\n".join(dict.fromkeys(mend for _, mend in broken)))
    if not parts:
        how = {
            "Fast DDS": "shared memory on one host, UDP between hosts",
            "Cyclone DDS": "UDP, on one host through the loopback interface",
        }.get(vendor, "the vendor's own choice")
        return Check(name, Health.OK, f"defaults: {how}", why)
    ignored = [
        part for part in parts if vendor and part.startswith("CYCLONE") != vendor.startswith("Cyclone")
    ]
    value = "; ".join(parts)
    if ignored:
        variables = " ".join(part.partition("=")[0] for part in ignored)
        return Check(
            name, Health.INFO, f"{value}; without effect on {rmw}: {variables}", why, f"unset {variables}"
        )
    return Check(name, Health.INFO, value, why)


def _shown(value: str) -> str:
    """A whole configuration may hold keys: only its length is told."""
    return f"a configuration of {len(value)} characters" if "<" in value else value[:200]


def discovery(roots: Roots, need: Need) -> Check:
    """Domain and discovery range, of the rig file or of the environment."""
    name = "DDS discovery"
    why = (
        "Every node within range is met and told of our topics: strangers in the domain cost CPU time and "
        "may publish on them."
    )
    environ = roots.environ
    domain = need.domain_id or environ.get("ROS_DOMAIN_ID", "").strip() or "0"
    source = (
        "rig file"
        if need.domain_id
        else "environment"
        if environ.get("ROS_DOMAIN_ID", "").strip()
        else "default"
    )
    reach = (need.discovery or environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").strip() or "SUBNET").upper()
    localhost = environ.get("ROS_LOCALHOST_ONLY", "").strip() == "1"
    value = f"domain {domain} ({source}), range {reach}" + (", ROS_LOCALHOST_ONLY=1" if localhost else "")
    if peers := environ.get("ROS_STATIC_PEERS", "").strip():
        value += f", {len(peers.split(';'))} static peers"
    if environ.get("ROS_DISCOVERY_SERVER", "").strip():
        value += ", discovery server"
    if environ.get("ROS_SECURITY_ENABLE", "").strip().lower() == "true":
        value += ", encrypted (SROS 2)"
    bad = Health.ERROR if need.ros else Health.WARNING
    if domain != "auto" and not (domain.isdecimal() and int(domain) <= 232):
        return Check(name, bad, f"{value}: no domain", why, "export ROS_DOMAIN_ID=42")
    if reach not in (*RANGES, "SYSTEM"):
        return Check(
            name, bad, f"{value}: no such range", why, "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
        )
    if domain.isdecimal() and int(domain) > LAST_DOMAIN:
        return Check(
            name, Health.WARNING, f"{value}: its ports are ephemeral ports of Linux", why,
            f"export ROS_DOMAIN_ID={LAST_DOMAIN}",
        )  # fmt: skip
    shared = reach not in ("LOCALHOST", "OFF") and not localhost and domain == "0"
    if not shared:
        return Check(name, Health.OK, value, why)
    if need.real is False:
        remedy = "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
        return Check(name, Health.WARNING, f"{value}: everybody's", why, remedy)
    concerned = Health.INFO if need.ros is False or not ros_is_here(roots) else Health.WARNING
    remedy = "export ROS_DOMAIN_ID=42  # the robot's too; or, with all nodes on this host:\n"
    remedy += "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
    return Check(name, concerned, f"{value}: everybody's", why, remedy)


CHECKS = (implementation, transport, discovery)
