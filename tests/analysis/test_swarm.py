"""Scripted swarms: instants and phases as the script has them, and each violation by its name."""

from __future__ import annotations

import numpy as np
import pytest
from swarm_script import END_MS, FAULT_MS, MS, PERIOD_MS, RESTORED_MS, Script

from harness.analysis.samples import counted, latency_ms
from harness.analysis.swarm import swarm_faults
from harness.model import NO_STAMP, SampleFlag


def usual() -> Script:
    script = Script()
    script.fault()
    script.reorganises()
    return script


def test_instants_and_phases_are_those_of_the_script() -> None:
    found = usual().sampled()
    (trial,) = found.swarm.trials
    assert (trial.robot, trial.leader, trial.term) == ("a", "b", 8)
    assert trial.violations == [] and trial.why == []
    durations = [trial.detection_ms, trial.election_ms, trial.agreement_ms, trial.re_forming_ms]
    assert durations == pytest.approx([15.0, 3.0, 4.5, 2.25])
    assert trial.total_ms == pytest.approx(24.75)
    assert trial.last_sign_ms is not None and -PERIOD_MS <= trial.last_sign_ms <= 0
    assert latency_ms(found.samples) == pytest.approx([24.75])
    assert found.samples["seen_ns"][0] == found.samples["arrived_ns"][0] + 40_000
    assert found.swarm.period_ms == pytest.approx(PERIOD_MS)
    assert found.swarm.phases_ms["total"].n == 1
    assert found.by_stamp == 1 and found.remarks == []


def test_without_a_port_for_assignment_a_role_counts_at_once() -> None:
    found = usual().sampled(assignment=None, state=None)
    (trial,) = found.swarm.trials
    # b gives its leader up as it stands, so that noticing shows here as well; the role counts at once,
    # whatever assignment it is from, since nothing tells.
    assert trial.detection_ms == pytest.approx(15.0)
    assert trial.total_ms == pytest.approx(22.5)


def test_a_break_within_the_settling_time_starts_the_window_anew() -> None:
    script = usual()
    script.say(FAULT_MS + 80, 4, 0, 8, 2, state=2)
    script.say(FAULT_MS + 90, 4, 2, 8, 2)
    (trial,) = script.sampled().swarm.trials
    assert trial.total_ms == pytest.approx(90.0)
    assert trial.violations == []
    (trial,) = script.sampled(settle_ms=50.0).swarm.trials
    assert trial.total_ms == pytest.approx(24.75)


def test_a_second_round_counts_to_its_end() -> None:
    script = Script()
    script.fault()
    script.say(FAULT_MS + 14, 3, 3, 8, 0)
    script.say(FAULT_MS + 16, 4, 3, 8, 1)
    script.say(FAULT_MS + 17, 3, 0, 8, -1, state=2)  # it leads without a majority, and resigns
    script.say(FAULT_MS + 18, 4, 0, 9, -1, state=3)
    script.reorganises(term=9)
    (trial,) = script.sampled().swarm.trials
    assert (trial.term, trial.leader) == (9, "b")
    assert trial.detection_ms == pytest.approx(14.0)
    assert trial.total_ms == pytest.approx(24.75)
    assert trial.violations == []


def test_later_than_the_timeout_is_lost() -> None:
    found = usual().sampled(timeout_ms=20.0)
    assert found.samples["flags"][0] == SampleFlag.LOST | SampleFlag.LATE
    assert np.isinf(latency_ms(found.samples)[0])


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (
            lambda s: s.say(FAULT_MS + 60, 3, 3, 8, 0, state=4),
            "two leaders in term 8: b and c",
        ),
        (
            lambda s: [s.say(FAULT_MS + 40 + 30 * i, 5, 0 if i % 2 == 0 else 2, 8, 3) for i in range(40)],
            "e left its leader 20 times within a term",
        ),
        (
            lambda s: s.say(FAULT_MS + 30, 5, 2, 8, 1),
            "slot 1 is held by c and e",
        ),
        (
            lambda s: [s.say(1100 + i, i, 4, 8, i % 5) for i in range(1, 6)],
            "an election without a fault, to term 8",
        ),
        (
            lambda s: [s.say(2000 + i, i, 3, 9, i - 2) for i in range(2, 6)],
            "an election without a fault, to term 9, 67",
        ),
    ],
    ids=["split brain", "flapping", "slot twice", "false election before", "false election after"],
)
def test_each_violation_is_named_and_makes_the_trial_an_exceedance(break_it: object, words: str) -> None:
    script = usual()
    break_it(script)  # type: ignore[operator]
    found = script.sampled()
    (trial,) = found.swarm.trials
    assert any(violation.startswith(words) for violation in trial.violations), trial.violations
    assert found.samples["flags"][0] & SampleFlag.LOST
    assert np.isinf(latency_ms(found.samples)[0])
    assert any(words in remark and "trial 0 (a killed)" in remark for remark in found.remarks)


def test_a_follower_of_the_dead_leader_is_named() -> None:
    script = Script()
    script.fault()
    script.reorganises()
    script.said = [change for change in script.said if change[1] != 4 or change[0] < FAULT_MS]
    found = script.sampled()
    (trial,) = found.swarm.trials
    assert trial.total_ms is None
    assert any(words.startswith("d still follows a") for words in trial.violations)
    assert found.samples["arrived_ns"][0] == NO_STAMP
    assert found.samples["flags"][0] & SampleFlag.LOST


def test_who_keeps_the_role_of_the_old_term_has_not_reformed() -> None:
    script = usual()
    script.said = [c for c in script.said if c[1] != 5 or c[0] < FAULT_MS + 23]  # it stays with its old role
    found = script.sampled()
    (trial,) = found.swarm.trials
    assert trial.total_ms is None and trial.violations == []
    assert any(words == "e follows b in term 8 and holds no role of that term" for words in trial.why)
    assert found.samples["flags"][0] & SampleFlag.LOST
    assert any("e follows b" in remark for remark in found.remarks)


def test_two_followers_may_share_a_slot_for_a_moment_while_roles_go_round() -> None:
    script = usual()
    script.say(FAULT_MS + 23, 5, 2, 8, 1)  # as c will from 24 on, until e hears of its own at 24.75
    (trial,) = script.sampled().swarm.trials
    assert trial.violations == []
    assert trial.total_ms == pytest.approx(24.75)


def test_a_fault_that_did_not_take_hold_is_an_error() -> None:
    script = Script()
    script.fault(verified=False)
    check = swarm_faults(script.sampled().swarm)
    assert not check.ok and check.consequence.startswith("ERROR")
    assert swarm_faults(usual().sampled().swarm).ok


def test_a_trial_that_was_cut_off_counts_neither_way() -> None:
    script = Script()
    script.fault()
    script.ended.clear()
    found = script.sampled()
    assert found.samples["flags"][0] == SampleFlag.OPEN
    nothing = Script()
    nothing.fault()
    nothing.reorganises()
    nothing.ended.clear()  # the order was there, and only the end of the trial is missing
    assert latency_ms(nothing.sampled().samples) == pytest.approx([24.75])


def test_what_happens_between_two_trials_belongs_to_the_second() -> None:
    script = usual()
    script.fault(END_MS + 60, robot=2, key=1)
    script.ended[1].update(restored_ns=(END_MS + 90) * MS, ended_ns=(END_MS + 95) * MS)
    script.say(END_MS + 20, 4, 4, 9, 0)
    first, second = script.sampled().swarm.trials
    assert first.violations == []
    assert second.violations == ["an election without a fault, to term 9"]
    assert RESTORED_MS < END_MS


def test_warm_up_is_in_no_figure() -> None:
    found = usual().sampled(warm_up=True)
    assert not counted(found.samples).any()
    assert found.swarm.trials[0].warm_up and found.swarm.phases_ms["total"].n == 0
    assert found.by_stamp == 0


# -- other plans ---------------------------------------------------------------------------------------------


def test_two_at_once_count_from_the_first_fault() -> None:
    script = Script()
    script.fault()
    script.fault(FAULT_MS + 1.5, robot=5)
    script.reorganises()
    (trial,) = script.sampled().swarm.trials
    # Without e the last role is d's.
    assert trial.total_ms == pytest.approx(24.5) and trial.since_last_ms == pytest.approx(23.0)
    assert [(each.robot, each.at_ms) for each in trial.faults] == [("a", 0.0), ("e", 1.5)]
    assert (trial.last_holds, trial.violations) == ("d", [])


def test_the_new_leader_is_lost_too() -> None:
    script = Script()
    script.fault()
    script.reorganises()
    script.fault(FAULT_MS + 23, robot=2)
    script.said = [each for each in script.said if each[1] == 1 or each[0] < FAULT_MS + 23]
    for place, (number, after) in enumerate(((3, 40.0), (4, 41.0), (5, 42.0))):
        script.say(FAULT_MS + after, number, 3, 9, place)
    script.say(2700, 1, 3, 9, 4)
    script.say(2750, 2, 3, 9, 3)
    found = script.sampled()
    (trial,) = found.swarm.trials
    assert (trial.leader, trial.term) == ("c", 9)
    assert trial.total_ms == pytest.approx(42.0) and trial.since_last_ms == pytest.approx(19.0)
    assert trial.violations == []
    assert "a killed, b killed" not in str(found.remarks)


def test_an_order_from_before_the_last_fault_counts_for_nothing() -> None:
    script = usual()
    script.fault(FAULT_MS + 300, robot=5)
    (trial,) = script.sampled().swarm.trials
    assert trial.total_ms is None  # settled before the second fault, and with the role of e unfilled after it


def lost_follower() -> Script:
    script = Script()
    script.fault(robot=5)
    for place, (number, after) in enumerate(((1, 30.0), (2, 31.0), (3, 32.0), (4, 33.5))):
        script.say(FAULT_MS + after, number, 1, 7, place, version=2)
    script.say(2700, 5, 1, 7, 4, version=2)
    return script


def test_a_lost_follower_ends_with_the_new_assignment() -> None:
    changes = {"robot": "follower", "version": "swarm.{robot}_version"}
    (trial,) = lost_follower().sampled(**changes).swarm.trials
    assert (trial.robot, trial.leader, trial.term) == ("e", "a", 7)
    assert trial.total_ms == pytest.approx(33.5) and trial.violations == []
    assert trial.detection_ms == pytest.approx(30.0) and trial.noticed_by == "a"


def test_a_lost_follower_that_nobody_misses_is_no_reorganisation() -> None:
    script = Script()
    script.fault(robot=5)
    changes = {"robot": "follower", "version": "swarm.{robot}_version"}
    (trial,) = script.sampled(**changes).swarm.trials
    assert trial.total_ms is None and trial.violations == []


def test_a_leader_that_is_slow_and_stays_has_taken_no_time() -> None:
    script = Script()
    script.fault(kind="slow")
    (trial,) = script.sampled().swarm.trials
    assert (trial.total_ms, trial.leader, trial.term) == (0.0, "a", 7)
    assert trial.detection_ms is None and trial.violations == []


def test_a_leader_that_is_slow_may_be_given_up_late() -> None:
    script = Script()
    script.fault(kind="slow")
    script.reorganises()
    shift = 400.0
    script.said = [(at + shift * (FAULT_MS < at < 2700), *rest) for at, *rest in script.said]  # type: ignore[misc]
    script.say(FAULT_MS + shift + 30, 1, 2, 8, 4)
    (trial,) = script.sampled(timeout_ms=1000.0).swarm.trials
    assert trial.total_ms == pytest.approx(shift + 24.75)
    assert trial.violations == []


def test_a_leader_that_returns_before_anybody_noticed_goes_on() -> None:
    script = Script()
    script.fault(kind="hang")
    script.returns(FAULT_MS + 8)
    script.say(FAULT_MS + 9, 1, 1, 7, 0)
    (trial,) = script.sampled().swarm.trials
    assert (trial.leader, trial.total_ms) == ("a", pytest.approx(8.0))
    assert trial.violations == []


def test_a_leader_that_returns_late_must_not_disturb() -> None:
    script = usual()
    script.faults[0]["kind"] = "hang"
    script.returns(FAULT_MS + 300)
    script.say(FAULT_MS + 310, 1, 2, 8, 4)
    (trial,) = script.sampled().swarm.trials
    assert trial.total_ms == pytest.approx(24.75) and trial.violations == []
    for number in range(1, 6):
        script.say(FAULT_MS + 320 + number, number, 1, 9, number - 1)
    (trial,) = script.sampled().swarm.trials
    assert any("an election without a fault, to term 9" in words for words in trial.violations)


def test_who_stood_and_who_was_last_is_named() -> None:
    (trial,) = usual().sampled(candidate_state=3).swarm.trials
    assert (trial.noticed_by, trial.stood, trial.first_follows) == ("b", "b", "b")
    assert (trial.last_follows, trial.last_holds) == ("e", "e")
    assert trial.stood_ms == pytest.approx(15.0) and trial.first_follows_ms == pytest.approx(18.0)
    assert trial.last_follows_ms == pytest.approx(22.5) and trial.proven_ms == pytest.approx(0.3)
    assert usual().sampled().swarm.trials[0].stood_ms is None
