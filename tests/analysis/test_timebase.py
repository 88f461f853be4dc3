import numpy as np
from analysis_data import EPOCH, MS, NAMES, monotonic_only, readings
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.timebase import Timebase, segments
from harness.model import NO_STAMP

SECOND = 1000 * MS
AT = np.arange(0, 11) * SECOND


def convert(timebase, stamps, clock, seen):
    stamps, seen = np.asarray(stamps, dtype=np.int64), np.asarray(seen, dtype=np.int64)
    return timebase.convert(stamps, np.full(len(stamps), clock, dtype=np.uint16), seen)


def test_monotonic_stamps_stay_as_they_are():
    out = convert(monotonic_only(), [5, 7], 0, [10, 10])
    assert out.instant_ns.tolist() == [5, 7]
    assert out.usable.all() and not out.stepped.any()


def test_a_steady_wall_clock_is_converted_within_its_bound():
    timebase = Timebase(NAMES, readings(AT, EPOCH, width_ns=[9000, 400] + [5000] * 9))
    true = np.arange(100) * 97 * MS
    out = convert(timebase, true + EPOCH, 1, true + MS)
    assert out.usable.all() and timebase.steps == [] and timebase.bound_ns <= 200
    assert np.abs(out.instant_ns - true).max() <= timebase.bound_ns


def test_without_readings_unknown_clock_or_stamp_the_seen_instant_stays_unflagged():
    seen = [30, 30]
    for timebase, clock in (
        (monotonic_only(), 1),
        (Timebase(["a", "b"], readings([], [])), 1),
        (monotonic_only(), 9),
    ):
        out = convert(timebase, [EPOCH, 4], clock, seen)
        assert out.instant_ns.tolist() == seen and not out.usable.any() and not out.stepped.any()
    out = convert(Timebase(NAMES, readings(AT, EPOCH)), [NO_STAMP], 1, [30])
    assert out.instant_ns.tolist() == [30] and not out.usable.any() and not out.stepped.any()


def stepped(size, *, at=4_400 * MS, widths=400):
    return Timebase(NAMES, readings(AT, np.where(at <= AT, EPOCH + size, EPOCH), width_ns=widths))


def test_a_step_is_found_between_two_readings_with_its_size():
    ((start, end, size),) = stepped(500 * MS).steps
    assert start == 4 * SECOND + 400 and end == 5 * SECOND
    assert size == 500 * MS


def test_noise_of_wide_readings_is_no_step():
    rng = np.random.default_rng(3)
    width = rng.integers(300, 3 * MS, len(AT))
    rows = readings(AT, EPOCH, width_ns=width)
    rows["t2_ns"] = rows["t3_ns"] = rows["t1_ns"] + (width * rng.random(len(AT))).astype(np.int64) + EPOCH
    assert len(segments(rows)) == 1


def test_changes_below_the_smallest_step_widen_the_bound():
    timebase = Timebase(NAMES, readings(AT, np.where(AT > 5 * SECOND, EPOCH + 30_000, EPOCH)))
    assert timebase.steps == []
    assert 15_000 <= timebase.bound_ns <= 16_000


def test_a_wide_reading_at_the_step_widens_the_window():
    widths = np.full(len(AT), 400)
    widths[5] = 700 * MS
    timebase = stepped(300 * MS, at=4_400 * MS, widths=widths)
    ((start, end, _),) = timebase.steps
    assert (start, end) == (4 * SECOND + 400, 6 * SECOND)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(-2_000_000_000, 2_000_000_000).filter(lambda d: abs(d) > 51_000),
    st.integers(4_001 * MS, 4_999 * MS),
    st.integers(0, 40 * MS),
)
def test_a_step_never_gives_a_wrong_instant(size, at, delay):
    timebase = stepped(size, at=at)
    true = np.arange(0, 10_000 * MS, 7 * MS)
    stamps = true + EPOCH + np.where(true >= at, size, 0)
    out = convert(timebase, stamps, 1, true + delay)
    assert (np.abs(out.instant_ns - true)[out.usable] <= timebase.bound_ns).all()
    assert (out.instant_ns[~out.usable] == (true + delay)[~out.usable]).all()
    assert (out.usable ^ out.stepped).all()
    far = (true + delay < 4 * SECOND) | (true > 5 * SECOND + 100 * MS)
    assert out.usable[far].all()


def test_two_steps_and_back_again():
    offset = np.where((AT >= 3 * SECOND) & (AT < 7 * SECOND), EPOCH - SECOND, EPOCH)
    timebase = Timebase(NAMES, readings(AT, offset))
    assert [round(size / SECOND) for _, _, size in timebase.steps] == [-1, 1]


def test_a_stamp_from_the_future_is_not_used():
    out = convert(Timebase(NAMES, readings(AT, EPOCH)), [EPOCH + 20 * MS], 1, [10 * MS])
    assert out.instant_ns.tolist() == [10 * MS] and out.stepped.all()


def test_garbage_stamps_do_no_harm():
    garbage = [NO_STAMP + 1, -1, 0, np.iinfo(np.int64).max]
    out = convert(Timebase(NAMES, readings(AT, EPOCH)), garbage, 1, [10 * MS] * 4)
    assert (out.instant_ns <= 10 * MS).all()
