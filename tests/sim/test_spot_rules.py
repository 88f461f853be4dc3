"""The rules of the simulated Spot one by one: lease, e-stop, login, time, clock."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from bosdyn.api import estop_pb2, lease_pb2, time_sync_pb2

from harness.sim.spot import estops, leases, timesync, tokens
from harness.sim.spot.clock import RobotClock, ns_of, set_stamp
from harness.sim.spot.estops import CUT, NONE, SETTLE, Estops
from harness.sim.spot.leases import Leases
from harness.sim.spot.options import parse
from harness.sim.spot.timesync import TimeSync
from harness.sim.spot.tokens import Tokens

Use = lease_pb2.LeaseUseResult
Checked = estop_pb2.EstopCheckInResponse


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until it is moved."""
    held = SimpleNamespace(s=100.0)
    still = SimpleNamespace(monotonic=lambda: held.s)
    for module in (leases, estops, tokens):
        monkeypatch.setattr(module, "time", still)
    return held


def of(lease: lease_pb2.Lease, *sequence: int) -> lease_pb2.Lease:
    """The same lease with another sequence."""
    made = lease_pb2.Lease()
    made.CopyFrom(lease)
    made.sequence[:] = sequence
    return made


class TestLeases:
    def test_the_newest_use_counts_and_older_ones_are_refused(self) -> None:
        held = Leases(4.0)
        lease = held.take("one")
        root = lease.sequence[0]
        for sequence, status in (
            ((root,), Use.STATUS_OK),
            ((root, 1), Use.STATUS_OK),
            ((root, 3), Use.STATUS_OK),
            ((root, 3), Use.STATUS_OK),
            ((root, 2), Use.STATUS_OLDER),
            ((root, 3, 0), Use.STATUS_OK),
            ((root,), Use.STATUS_OK),
            ((root + 1,), Use.STATUS_INVALID_LEASE),
        ):
            assert held.use(of(lease, *sequence)).status == status, sequence

    def test_one_that_was_taken_away_is_worth_nothing(self) -> None:
        held = Leases(4.0)
        mine = held.take("one")
        theirs = held.take("tablet")
        found = held.use(mine)
        assert found.status == Use.STATUS_REVOKED
        assert found.owner.client_name == "tablet"
        assert held.use(theirs).status == Use.STATUS_OK

    def test_what_is_no_lease_of_this_robot_is_refused(self) -> None:
        held = Leases(4.0)
        lease = held.take("one")
        for change, status in (
            ({"epoch": "other"}, Use.STATUS_WRONG_EPOCH),
            ({"resource": "arm"}, Use.STATUS_UNMANAGED),
            ({"resource": ""}, Use.STATUS_INVALID_LEASE),
        ):
            wrong = of(lease, *lease.sequence)
            for name, value in change.items():
                setattr(wrong, name, value)
            assert held.use(wrong).status == status, change
        assert held.use(of(lease)).status == Use.STATUS_INVALID_LEASE

    def test_any_lease_of_the_root_keeps_it_alive(self, now: SimpleNamespace) -> None:
        held = Leases(4.0)
        lease = held.take("one")
        held.use(of(lease, lease.sequence[0], 5))
        now.s += 3.9
        assert not held.stale
        assert held.retain(lease).status == Use.STATUS_OK
        now.s += 3.9
        assert not held.stale
        now.s += 0.2
        assert held.stale

    def test_given_back_it_is_free(self) -> None:
        held = Leases(4.0)
        lease = held.take("one")
        assert held.give_back(of(lease, lease.sequence[0], 7))
        assert held.owner is None and not held.stale
        assert not held.give_back(lease)
        assert held.use(lease).status == Use.STATUS_REVOKED


def endpoint(name: str, timeout_s: int = 3, cut_s: int = 0) -> estop_pb2.EstopEndpoint:
    made = estop_pb2.EstopEndpoint(role="PDB_rooted", name=name)
    made.timeout.seconds, made.cut_power_timeout.seconds = timeout_s, cut_s
    return made


def check_in(stops: Estops, one: estop_pb2.EstopEndpoint, level: int, wrong: bool = False) -> int:
    """Answer the challenge that is there; the status."""
    request = estop_pb2.EstopCheckInRequest(endpoint=one, stop_level=level)
    known = stops.endpoints.get(one.unique_id)
    request.challenge = known.challenge if known else 0
    request.response = 5 if wrong else ~request.challenge & (2**64 - 1)
    return stops.check_in(request)[0]


class TestEstops:
    def test_nobody_is_a_stop(self) -> None:
        assert Estops().level() == (CUT, "no endpoint is configured")

    def test_silence_settles_and_then_cuts(self, now: SimpleNamespace) -> None:
        stops = Estops()
        one = stops.register(endpoint("one", timeout_s=3, cut_s=5))
        assert stops.level()[0] == CUT, "one that never checked in"
        assert check_in(stops, one, NONE) == Checked.STATUS_OK
        assert stops.level() == (NONE, "")
        now.s += 2.9
        assert stops.level()[0] == NONE
        now.s += 0.2
        assert stops.level() == (SETTLE, "one is silent")
        now.s += 2.0
        assert stops.level()[0] == CUT
        check_in(stops, one, NONE)
        assert stops.level()[0] == NONE

    def test_the_strictest_of_all_decides(self, now: SimpleNamespace) -> None:
        stops = Estops()
        one, two = stops.register(endpoint("one")), stops.register(endpoint("two"))
        check_in(stops, one, NONE)
        check_in(stops, two, SETTLE)
        assert stops.level() == (SETTLE, "two asks for it")
        check_in(stops, two, NONE)
        assert stops.level()[0] == NONE
        assert stops.deregister(two) and not stops.deregister(two)
        assert [each.name for each in stops.config.endpoints] == ["one"]

    def test_a_wrong_response_can_stop_and_not_release(self) -> None:
        stops = Estops()
        one = stops.register(endpoint("one"))
        check_in(stops, one, NONE)
        wrong = Checked.STATUS_INCORRECT_CHALLENGE_RESPONSE
        assert check_in(stops, one, CUT, wrong=True) == wrong
        assert stops.level()[0] == CUT
        assert check_in(stops, one, NONE, wrong=True) == wrong
        assert stops.level()[0] == CUT
        check_in(stops, one, NONE)
        assert stops.level()[0] == NONE

    @pytest.mark.parametrize("level", [0, 3, 9])
    def test_a_level_that_is_none_cuts(self, level: int) -> None:
        stops = Estops()
        one = stops.register(endpoint("one"))
        check_in(stops, one, NONE)
        check_in(stops, one, level)
        assert stops.level()[0] == CUT

    def test_one_of_the_same_role_and_name_takes_the_place(self) -> None:
        stops = Estops()
        first = stops.register(endpoint("one")).unique_id
        again = stops.register(endpoint("one"))
        assert again.unique_id == first and len(stops.config.endpoints) == 1
        assert stops.level()[0] == CUT

    def test_another_configuration_forgets_everybody(self) -> None:
        stops = Estops()
        one = stops.register(endpoint("one"))
        check_in(stops, one, NONE)
        before = stops.config.unique_id
        stops.configure(estop_pb2.EstopConfig(endpoints=[endpoint("two")]))
        assert stops.config.unique_id != before
        assert stops.level()[0] == CUT
        assert check_in(stops, one, NONE) == Checked.STATUS_ENDPOINT_UNKNOWN


def allowed(users: Tokens, token: str) -> bool:
    return users.allow([("authorization", f"Bearer {token}")])


class TestTokens:
    def test_they_hold_for_their_time_and_are_renewed(self, now: SimpleNamespace) -> None:
        users = Tokens("ada", "secret", 10.0)
        token = users.login("ada", "secret")
        assert token is not None and allowed(users, token) and not allowed(users, "other")
        assert not users.allow([])
        now.s += 9.0
        later = users.refresh(token)
        assert later is not None
        now.s += 2.0
        assert not allowed(users, token) and allowed(users, later)
        assert users.refresh(token) is None
        users.expire()
        assert not allowed(users, later)

    def test_too_many_wrong_passwords_close_the_door_for_a_while(self, now: SimpleNamespace) -> None:
        users = Tokens("ada", "secret", 10.0)
        for _ in range(tokens.LOCKOUT_AFTER):
            assert not users.locked_out
            assert users.login("ada", "guess") is None
        assert users.locked_out
        now.s += tokens.LOCKOUT_S
        assert not users.locked_out and users.login("ada", "secret") is not None


class TestTime:
    def trip(
        self, identifier: str, skew_ns: int, there_ns: int, back_ns: int
    ) -> time_sync_pb2.TimeSyncUpdateRequest:
        request = time_sync_pb2.TimeSyncUpdateRequest(clock_identifier=identifier)
        told, t1 = request.previous_round_trip, 10**18
        for stamp, ns in (
            (told.client_tx, t1),
            (told.server_rx, t1 + there_ns + skew_ns),
            (told.server_tx, t1 + there_ns + skew_ns),
            (told.client_rx, t1 + there_ns + back_ns),
        ):
            set_stamp(stamp, ns)
        return request

    def test_three_round_trips_make_a_client_known(self) -> None:
        sync = TimeSync()
        identifier, state = sync.update(time_sync_pb2.TimeSyncUpdateRequest())
        assert identifier and state.status == state.STATUS_MORE_SAMPLES_NEEDED
        for number in range(timesync.ENOUGH):
            assert not sync.known(identifier)
            again, state = sync.update(self.trip(identifier, -3_700_000_000, 400_000 + number, 600_000))
            assert again == identifier
        assert sync.known(identifier) and state.status == state.STATUS_OK
        best = state.best_estimate
        assert best.round_trip_time.ToNanoseconds() == 1_000_000
        assert best.clock_skew.ToNanoseconds() == -3_700_100_000  # half of what the ways differ by
        sync.forget()
        assert not sync.known(identifier) and sync.identifiers == []

    def test_the_clock_is_off_and_drifts(self) -> None:
        clock = RobotClock(offset_s=-3.7, drift_ppm=40)
        start = clock._start_ns
        later = start + 100_000_000_000
        assert clock.at(later) - clock.at(start) == 100_000_000_000 + 4_000_000
        assert abs(clock.back(clock.at(later)) - later) <= 1
        stamp = time_sync_pb2.TimeSyncRoundTrip().client_tx
        set_stamp(stamp, clock.at(later))
        assert ns_of(stamp) == clock.at(later)


class TestOptions:
    def test_a_rig_tells_it_by_the_environment_where_it_is_met(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told = {"PORT": "21000", "CERTIFICATE": "a.pem", "USERNAME": "ada", "PASSWORD": "b"}
        for name, value in told.items():
            monkeypatch.setenv(f"HARNESS_SPOT_{name}", value)
        met = parse([])
        assert (met.port, met.certificate, met.username, met.password) == (21000, Path("a.pem"), "ada", "b")
        assert parse(["--port", "0", "--username", "eve"]).port == 0
        for name in told:
            monkeypatch.delenv(f"HARNESS_SPOT_{name}")
        assert parse([]).port == 50443

    def test_a_port_that_is_no_number_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HARNESS_SPOT_PORT", "many")
        with pytest.raises(SystemExit):
            parse([])
