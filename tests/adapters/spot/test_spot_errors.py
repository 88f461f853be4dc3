"""What goes wrong with a Spot is told in words that name the place, what is wrong, and what to do next."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spot_peer

from harness.adapters.spot import place, times, translate
from harness.adapters.spot.device import SpotDevice
from harness.adapters.spot.options import Options
from harness.errors import HarnessError, OperationError, SafetyError, UnavailableError
from harness.model import Finding, ObservationFlag, Severity
from harness.ports import DeviceContext, Role
from harness.sim.spot import certificates
from harness.sim.spot.control import ask
from harness.testing.device_bench import Recorder

pytestmark = pytest.mark.slow

MOVING: dict[str, Any] = {
    "posture": {"stimulus": {"command": "posture", "values": {"to": "stand"}}},
    "velocity": {"stimulus": {"command": "velocity", "end_ms": 0.001}},
    "received": {"response": {"of": "velocity", "event": "received"}},
    "ready": {"response": {"signal": "ready"}},
}
LOOKING: dict[str, Any] = {"state": {"stimulus": {"command": "state"}}}


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spot_peer.Peer]:
    one = spot_peer.start(tmp_path_factory.mktemp("spot"), "robot")
    yield one
    one.end()


@pytest.fixture(autouse=True)
def _everybody_leaves(peer: spot_peer.Peer) -> Iterator[None]:
    yield
    ask(peer.control, {"do": "clear_faults"})
    ask(peer.control, {"do": "battery", "percent": 80})
    ask(peer.control, {"do": "estop", "by": "operator", "level": "none"})


def opening(options: Options, role: Role = Role.HARNESS) -> HarnessError:
    """What opening such a device raises."""
    device = SpotDevice("spot", options, DeviceContext("test-run", role))
    with pytest.raises(HarnessError) as caught:
        device.open()
    device.close()
    return caught.value


def until(findings: list[Finding]) -> Finding:
    deadline = time.monotonic() + 40
    while not findings:
        assert time.monotonic() < deadline, "no finding"
        time.sleep(0.01)
    return findings[0]


class TestLoggingIn:
    def test_a_certificate_of_somebody_else(self, peer: spot_peer.Peer, tmp_path: Path) -> None:
        other = tmp_path / "other.pem"
        other.write_bytes(certificates.make().authority)
        error = opening(peer.options(LOOKING, certificate=str(other)))
        assert isinstance(error, UnavailableError)
        assert "spot: login at 127.0.0.1: its certificate is not trusted" in error.message
        assert "`certificate`" in (error.hint or "")

    def test_the_vendors_certificate_does_not_fit_a_simulated_robot(self, peer: spot_peer.Peer) -> None:
        assert "certificate is not trusted" in opening(peer.options(LOOKING, certificate=None)).message

    def test_a_certificate_that_is_not_there(self, peer: spot_peer.Peer) -> None:
        assert (
            "no certificate at nowhere.pem"
            in opening(peer.options(LOOKING, certificate="nowhere.pem")).message
        )

    def test_nobody_listens(self, peer: spot_peer.Peer) -> None:
        error = opening(peer.options(LOOKING, tcp_port=1))
        assert "connection refused" in error.message
        assert "tcp_port" in (error.hint or "")

    def test_an_address_that_cannot_be_resolved(self, peer: spot_peer.Peer) -> None:
        error = opening(peer.options(LOOKING, address="no-such-robot.invalid"))
        assert error.message == "spot: login at no-such-robot.invalid: its name cannot be resolved"
        assert error.hint == "check `address`"

    def test_a_wrong_password(self, peer: spot_peer.Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(spot_peer.PASSWORD_VARIABLE, "wrong")
        error = opening(peer.options(LOOKING))
        assert "user name or password is wrong" in error.message
        assert "wrong" not in (error.hint or "") and spot_peer.PASSWORD not in str(error)

    def test_no_name_and_no_password(self, peer: spot_peer.Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(spot_peer.PASSWORD_VARIABLE)
        monkeypatch.setattr(place, "_from_keyring", lambda service, username: None)
        error = opening(peer.options(LOOKING))
        assert f"set {spot_peer.PASSWORD_VARIABLE}" in (error.hint or "") and "keyring" in (error.hint or "")
        monkeypatch.delenv(spot_peer.USER_VARIABLE)
        assert f"set {spot_peer.USER_VARIABLE}" in (opening(peer.options(LOOKING)).hint or "")

    def test_the_keyring_is_asked(self, peer: spot_peer.Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(spot_peer.PASSWORD_VARIABLE)
        asked = []
        monkeypatch.setattr(place, "_from_keyring", lambda *names: asked.append(names) or spot_peer.PASSWORD)
        device = SpotDevice("spot", peer.options(LOOKING), DeviceContext("test-run"))
        device.open()
        device.close()
        assert asked == [("harness-spot", spot_peer.USER)]

    def test_without_the_sdk(self, peer: spot_peer.Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> Any:
            raise ModuleNotFoundError(f"No module named {name!r}")

        monkeypatch.setattr(importlib, "import_module", missing)
        error = opening(peer.options(LOOKING))
        assert "SDK is not installed" in error.message and "[spot]" in (error.hint or "")

    def test_clocks_that_are_not_synchronised(
        self, peer: spot_peer.Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(times, "FIRST", 1)
        error = opening(peer.options(LOOKING))
        assert "clocks are not synchronised" in error.message and error.hint


class TestTakingIt:
    def test_somebody_else_has_the_lease(self, tmp_path: Path) -> None:
        peer = spot_peer.start(tmp_path, "held")
        try:
            ask(peer.control, {"do": "take_lease", "by": "tablet"})
            error = opening(peer.options(MOVING))
            assert ask(peer.control, {"do": "state"})["lease"] == "tablet"
        finally:
            peer.end()
        assert isinstance(error, SafetyError)
        assert "the lease is held by tablet" in error.message
        assert "takes it from nobody" in (error.hint or "")

    @pytest.mark.parametrize(
        ("request_", "said"),
        [
            ({"do": "estop", "by": "operator", "level": "settle"}, "operator"),
            ({"do": "battery", "percent": 12}, "12 %"),
            ({"do": "behavior_fault"}, "behaviour fault: fall"),
        ],
    )
    def test_what_preflight_refuses(self, peer: spot_peer.Peer, request_: dict[str, Any], said: str) -> None:
        ask(peer.control, request_)
        findings: list[Finding] = []
        device = SpotDevice("spot", peer.options(MOVING), DeviceContext("test-run", report=findings.append))
        device.open()
        try:
            (error,) = [one for one in device.preflight() if one.severity is Severity.ERROR]
        finally:
            device.close()
        assert said in error.message and error.remedy

    def test_a_command_that_is_over_when_it_comes(self, peer: spot_peer.Peer) -> None:
        findings: list[Finding] = []
        device = SpotDevice("spot", peer.options(MOVING), DeviceContext("test-run", report=findings.append))
        device.open()
        try:
            ready, received = Recorder(), Recorder()
            device.response("ready").listen(ready)
            device.response("received").listen(received)
            posture, velocity = device.stimulus("posture"), device.stimulus("velocity")
            posture.send(1, posture.prepare({"to": "stand"}))
            deadline = time.monotonic() + 40
            while not (ready.rows and ready.rows[-1]["value"] == 1):
                assert time.monotonic() < deadline and findings == []
                time.sleep(0.01)
            for key in range(5):
                velocity.send(key, velocity.prepare({"v_x": 0.1}))
            found = until(findings)
        finally:
            device.close()
        assert found.severity is Severity.WARNING
        assert "over when it came" in found.message and "`end_ms`" in found.remedy
        assert len(findings) == 1, "a storm of refusals is no storm of findings"
        assert all(row["flags"] == ObservationFlag.REJECTED for row in received.rows)


class TestWords:
    def test_an_error_nobody_foresaw_is_named(self) -> None:
        error = translate.of("spot", "an order", ValueError("strange"))
        assert isinstance(error, OperationError)
        assert error.message == "spot: an order: ValueError: strange" and error.hint

    def test_an_error_of_the_harness_stays_what_it_is(self) -> None:
        error = SafetyError("no", hint="never")
        assert translate.of("spot", "an order", error) is error

    def test_the_check_says_who_answers(self, peer: spot_peer.Peer) -> None:
        device = SpotDevice("spot", peer.options(LOOKING), DeviceContext("test-run", Role.CHECK))
        device.open()
        (found,) = device.preflight()
        assert found.severity is Severity.INFO and "simulated Spot" in found.message
        device = SpotDevice("spot", peer.options(LOOKING, tcp_port=1), DeviceContext("test-run", Role.CHECK))
        device.open()
        (found,) = device.preflight()
        assert found.severity is Severity.ERROR and "refused" in found.message
