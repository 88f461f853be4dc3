"""Which commands are answered, when and in what order, with instants that the test owns."""

from __future__ import annotations

import pytest

from harness.sim.diff_drive.answers import REORDER_PATIENCE_NS, Answers, Command
from harness.sim.diff_drive.options import Misbehaviour, parse, parse_misbehaviour

MS = 1_000_000


def command(number: int, applied_ns: int = 0, superseded: bool = False) -> Command:
    return Command(number, number, 0, 0, 0.1, 0.0, b"", applied_ns=applied_ns, superseded=superseded)


def one_by_one(answers: Answers, count: int) -> tuple[list[int], list[int]]:
    """One command a millisecond, then a long wait: numbers answered, and numbers left without an answer."""
    answered: list[int] = []
    without: list[int] = []
    for number in range(1, count + 1):
        now = number * MS
        without += [c.number for c in answers.offer([command(number, now)])]
        answered += [c.number for c in answers.due(now)]
    for later in range(count + 1, count + 200):
        answered += [c.number for c in answers.due(later * MS)]
    return answered, without


def test_each_is_answered_at_once_and_in_order() -> None:
    answers = Answers(Misbehaviour())
    assert answers.offer([command(1, 5), command(2, 5), command(3, 5)]) == []
    assert [c.number for c in answers.due(5)] == [1, 2, 3]
    assert answers.due(6) == []


def test_delay_holds_an_answer_for_exactly_that_long() -> None:
    answers = Answers(parse_misbehaviour(["delay:2.5"]))
    answers.offer([command(1, 1000)])
    assert answers.due(1000 + 2_500_000 - 1) == []
    assert [c.number for c in answers.due(1000 + 2_500_000)] == [1]


def test_jitter_stays_within_its_bound_keeps_the_order_and_depends_on_the_seed() -> None:
    def delays(seed: int) -> list[int]:
        answers = Answers(parse_misbehaviour(["jitter:10"]), seed)
        found = []
        for number in range(1, 51):
            applied = number * 20 * MS
            answers.offer([command(number, applied)])
            found.append(next(d for d in range(12) if answers.due(applied + d * MS)))
        return found

    assert max(delays(1)) <= 10
    assert len(set(delays(1))) > 5
    assert delays(1) == delays(1) != delays(2)
    answered, without = one_by_one(Answers(parse_misbehaviour(["jitter:10"])), 50)
    assert answered == list(range(1, 51))
    assert without == []


def test_twice() -> None:
    assert one_by_one(Answers(Misbehaviour(twice=True)), 3) == ([1, 1, 2, 2, 3, 3], [])


def test_drop_leaves_out_every_nth() -> None:
    assert one_by_one(Answers(Misbehaviour(drop=3)), 7) == ([1, 2, 4, 5, 7], [3, 6])


def test_silent() -> None:
    assert one_by_one(Answers(Misbehaviour(silent=True)), 3) == ([], [1, 2, 3])


def test_reorder_swaps_pairs_and_lets_the_odd_one_go_in_the_end() -> None:
    assert one_by_one(Answers(Misbehaviour(reorder=True)), 5) == ([2, 1, 4, 3, 5], [])
    answers = Answers(Misbehaviour(reorder=True))
    answers.offer([command(1, 0)])
    assert answers.due(0) == answers.due(REORDER_PATIENCE_NS - 1) == []
    assert [c.number for c in answers.due(REORDER_PATIENCE_NS)] == [1]


def test_latest_answers_only_what_was_not_superseded() -> None:
    answers = Answers(Misbehaviour(latest=True))
    look = [command(1, superseded=True), command(2, superseded=True), command(3)]
    assert [c.number for c in answers.offer(look)] == [1, 2]
    assert [c.number for c in answers.due(0)] == [3]


def test_misbehaviours_combine() -> None:
    how = parse_misbehaviour(["twice", "drop:2", "delay:1", "slow-loop:20", "stall:250@7", "die-after:9"])
    assert how == Misbehaviour(
        twice=True, drop=2, delay_ms=1.0, slow_loop_ms=20.0, stall_ms=250.0, stall_at=7, die_after=9
    )
    assert one_by_one(Answers(how), 4) == ([1, 1, 3, 3], [2, 4])


@pytest.mark.parametrize(
    "word",
    [
        "late",
        "delay",
        "delay:x",
        "delay:-1",
        "delay:nan",
        "drop:0",
        "drop:1.5",
        "stall:5",
        "stall:5@0",
        "twice:2",
    ],
)
def test_a_wrong_misbehaviour_is_named(word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_misbehaviour([word])


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    options = parse(["--rate-hz", "500", "--odom-hz", "20", "--seed", "7", "--misbehave", "twice"])
    assert (options.rate_hz, options.odom_hz, options.seed) == (500, 20.0, 7)
    assert options.misbehaviour == Misbehaviour(twice=True)
    for wrong in (["--misbehave", "late"], ["--rate-hz", "100"], ["--rate-hz", "200", "--imu-hz", "300"]):
        with pytest.raises(SystemExit) as caught:
            parse(wrong)
        assert caught.value.code == 2
    assert "'late' is not known" in capsys.readouterr().err
