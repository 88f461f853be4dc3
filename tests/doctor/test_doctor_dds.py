from __future__ import annotations

from pathlib import Path

import pytest
from doctor_trees import host, put

from harness.doctor import Health, dds
from harness.doctor.need import Need

PREFIX = "opt/jazzy"
ROS = Need(ros=True)


@pytest.fixture
def sourced(tmp_path: Path) -> dict[str, str]:
    """The environment of a sourced ROS 2 with Fast DDS and Cyclone DDS; the first wants its version."""
    put(
        tmp_path / PREFIX,
        {
            "lib/librmw_fastrtps_cpp.so": "",
            "lib/librmw_cyclonedds_cpp.so": "",
            "share/cyclonedds/package.xml": "<package><version> 0.10.5 </version></package>",
        },
    )
    return {"AMENT_PREFIX_PATH": str(tmp_path / PREFIX)}


@pytest.mark.parametrize(
    ("rmw", "need", "severity", "value", "remedy"),
    [
        ("", Need(ros=True), "ok", "the default", ""),
        ("rmw_fastrtps_cpp", Need(ros=True), "ok", "Fast DDS", ""),
        ("rmw_cyclonedds_cpp", Need(ros=True), "ok", "Cyclone DDS 0.10.5", ""),
        ("rmw_zenoh_cpp", Need(ros=True), "error", "not installed", "unset RMW_IMPLEMENTATION"),
        ("rmw_zenoh_cpp", Need(ros=False), "warning", "not installed", "unset RMW_IMPLEMENTATION"),
        ("nonsense", Need(), "warning", "unknown vendor", "unset RMW_IMPLEMENTATION"),
    ],
)
def test_implementation(tmp_path: Path, sourced, rmw, need, severity, value, remedy) -> None:
    environ = sourced | ({"RMW_IMPLEMENTATION": rmw} if rmw else {})
    found = dds.implementation(host(tmp_path, environ=environ), need)
    assert (found.severity, found.remedy) == (Health(severity), remedy)
    assert value in found.value


@pytest.mark.parametrize(("ros", "severity"), [(True, "error"), (None, "info"), (False, "info")])
def test_without_ros(tmp_path: Path, monkeypatch, ros, severity) -> None:
    monkeypatch.setattr(dds, "find_spec", lambda name: None)
    found = dds.implementation(host(tmp_path), Need(ros=ros))
    assert (found.severity, found.value) == (Health(severity), "ROS 2 is not installed")
    assert ("hil-latency-harness[ros]" in found.remedy) == (ros is True)


def test_transport_by_default_and_by_profile(tmp_path: Path) -> None:
    put(tmp_path, {"p.xml": "<profiles/>", "c.xml": "<CycloneDDS/>"})

    def look(need: Need = ROS, **environ: str):
        return dds.transport(host(tmp_path, environ=environ), need)

    assert look().severity is Health.OK and "shared memory" in look().value
    cyclone = look(RMW_IMPLEMENTATION="rmw_cyclonedds_cpp")
    assert cyclone.severity is Health.OK and cyclone.value.startswith("defaults: UDP")
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        told = look(**{name: str(tmp_path / "p.xml")})
        assert told.severity is Health.INFO and told.remedy == ""
        gone = look(**{name: str(tmp_path / "gone.xml")})
        assert (gone.severity, gone.remedy) == (Health.ERROR, f"unset {name}")
        assert look(Need(ros=False), **{name: "gone.xml"}).severity is Health.WARNING
    assert look(FASTDDS_BUILTIN_TRANSPORTS="LARGE_DATA?max_msg_size=1MB").severity is Health.INFO
    assert look(FASTDDS_BUILTIN_TRANSPORTS="SHMEM").remedy == "unset FASTDDS_BUILTIN_TRANSPORTS"
    uri = f"file://{tmp_path / 'c.xml'}"
    ignored = look(CYCLONEDDS_URI=uri)
    assert "without effect" in ignored.value and ignored.remedy == "unset CYCLONEDDS_URI"
    heard = look(CYCLONEDDS_URI=uri, RMW_IMPLEMENTATION="rmw_cyclonedds_cpp")
    assert heard.severity is Health.INFO and heard.remedy == ""
    assert look(CYCLONEDDS_URI="file:///gone.xml").severity is Health.ERROR


def test_a_configuration_in_the_environment_is_not_repeated(tmp_path: Path) -> None:
    environ = {"CYCLONEDDS_URI": "<Security><Key>hush</Key></Security>"}
    found = dds.transport(host(tmp_path, environ=environ), Need())
    assert "hush" not in found.value
    assert "a configuration of 36 characters" in found.value


LOCAL = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


@pytest.mark.parametrize(
    ("environ", "need", "severity", "value", "remedy"),
    [
        ({}, Need(ros=True), "warning", "domain 0 (default), range SUBNET: everybody's", "ROS_DOMAIN_ID=42"),
        ({}, Need(ros=True, real=False), "warning", "everybody's", "DISCOVERY_RANGE=LOCALHOST"),
        ({}, Need(ros=False), "info", "everybody's", "ROS_DOMAIN_ID=42"),
        (LOCAL, Need(ros=True), "ok", "range LOCALHOST", ""),
        ({"ROS_LOCALHOST_ONLY": "1"}, Need(), "ok", "ROS_LOCALHOST_ONLY=1", ""),
        ({"ROS_DOMAIN_ID": "42"}, Need(), "ok", "domain 42 (environment), range SUBNET", ""),
        (
            {"ROS_DOMAIN_ID": "42"},
            Need(domain_id="7", discovery="localhost"),
            "ok",
            "domain 7 (rig file), range LOCALHOST",
            "",
        ),
        ({}, Need(domain_id="auto"), "ok", "domain auto (rig file)", ""),
        ({"ROS_DOMAIN_ID": "102"}, Need(), "warning", "ephemeral", "ROS_DOMAIN_ID=101"),
        ({"ROS_DOMAIN_ID": "233"}, Need(ros=True), "error", "no domain", "ROS_DOMAIN_ID=42"),
        ({"ROS_DOMAIN_ID": "mine"}, Need(), "warning", "no domain", "ROS_DOMAIN_ID=42"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "NEAR"}, Need(ros=True), "error", "no such range", "=LOCALHOST"),
        ({**LOCAL, "ROS_SECURITY_ENABLE": "true"}, Need(), "ok", "encrypted", ""),
        ({**LOCAL, "ROS_STATIC_PEERS": "a;b"}, Need(), "ok", "2 static peers", ""),
    ],
)
def test_discovery(tmp_path: Path, environ, need, severity, value, remedy) -> None:
    found = dds.discovery(host(tmp_path, environ=environ), need)
    assert found.severity is Health(severity), found
    assert value in found.value
    assert remedy in found.remedy and bool(found.remedy) == bool(remedy)
