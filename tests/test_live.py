"""What the runner knows while it runs."""

from __future__ import annotations

import threading

from harness.live import Tracker
from harness.model import NO_KEY, ObservationFlag

MS = 1_000_000


def test_an_answer_takes_its_stimulus_off_the_list() -> None:
    tracker = Tracker(keyed=True)
    tracker.sent(1, 0)
    tracker.sent(2, 0)
    tracker.observed(2, 5)
    assert tracker.pending() == 1
    assert tracker.is_pending(1)
    tracker.observed(99, 6)
    tracker.observed(NO_KEY, 7)
    tracker.observed(1, 8, ObservationFlag.REJECTED)
    assert tracker.is_pending(1)


def test_latest_answers_everything_older() -> None:
    tracker = Tracker(keyed=True, latest=True)
    for key in (1, 2, 3):
        tracker.sent(key, 0)
    tracker.observed(2, 5)
    assert tracker.pending() == 1
    assert tracker.is_pending(3)


def test_without_keys_any_observation_answers() -> None:
    tracker = Tracker(keyed=False)
    tracker.sent(1, 0)
    tracker.observed(NO_KEY, 5)
    assert not tracker.pending()


def test_unanswered_in_a_row_starts_again_at_each_answer() -> None:
    tracker = Tracker(keyed=True)
    for key in range(5):
        tracker.sent(key, key * MS)
    assert tracker.unanswered_in_a_row(8 * MS, 5 * MS) == 3
    assert tracker.unanswered_in_a_row(100 * MS, 5 * MS) == 5
    tracker.sent(9, 101 * MS)
    tracker.observed(9, 102 * MS)
    assert tracker.unanswered_in_a_row(200 * MS, 5 * MS) == 0


def test_waiting_for_an_answer_that_comes_and_one_that_does_not() -> None:
    tracker = Tracker(keyed=True)
    tracker.sent(1, 0)
    later = threading.Timer(0.02, tracker.observed, (1, 5))
    later.start()
    assert tracker.wait_answer(1, 20.0)
    later.join()
    tracker.sent(2, 0)
    assert not tracker.wait_answer(2, 0.01)
    assert tracker.unanswered_in_a_row(0, MS) == 1
    tracker.observed(2, 9)
    assert tracker.answered == 1


def test_of_a_call_a_no_is_the_end_of_waiting_and_no_answer() -> None:
    tracker = Tracker(keyed=True, one_reply=True)
    tracker.sent(1, 0)
    later = threading.Timer(0.02, tracker.observed, (1, 5, ObservationFlag.REJECTED))
    later.start()
    assert not tracker.wait_answer(1, 20.0)
    later.join()
    assert not tracker.pending()
    tracker.sent(2, 6)
    tracker.observed(2, 7, ObservationFlag.FURTHER)
    assert tracker.is_pending(2)
    tracker.observed(2, 8, ObservationFlag.REJECTED)
    assert tracker.unanswered_in_a_row(9, MS) == 2
    tracker.sent(3, 10)
    tracker.observed(3, 11)
    assert tracker.wait_answer(3, 1.0)
    assert tracker.unanswered_in_a_row(12, MS) == 0
