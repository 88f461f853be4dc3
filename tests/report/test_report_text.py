from __future__ import annotations

import math

import pytest
import report_data as data
from hypothesis import given
from hypothesis import strategies as st

from harness.report import text as t
from harness.report.front import verdict_page
from harness.wording import count_of, outward_digits, quantile_name


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (0, "0"), (9999, "9999"), (10_000, "10\u202f000"), (1_234_567, "1\u202f234\u202f567")],
)
def test_integers_are_grouped(value: int | None, expected: str) -> None:
    assert t.integer(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (0.0, "0.000"),
        (0.61234, "0.6123"),
        (2.3456, "2.346"),
        (123456.7, "123457"),
        (-0.5, "−0.5000"),
        (3.2e-9, "0.000000"),
    ],
)
def test_numbers_have_four_significant_digits(value: float | None, expected: str) -> None:
    assert t.number(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (23.04, "23.0 s"), (125, "2 min 05 s"), (7380, "2 h 03 min"), (math.nan, "–")],
)
def test_durations(seconds: float | None, expected: str) -> None:
    assert t.duration(seconds).replace("\u202f", " ") == expected


def test_instants_are_utc_and_what_is_unreadable_stays() -> None:
    assert t.instant("2026-01-31T13:00:00+01:00") == "2026-01-31 12:00:00 UTC"
    assert t.instant("2026-01-31T12:00:00.250") == "2026-01-31 12:00:00 UTC"
    assert t.instant("yesterday") == "yesterday"
    assert t.instant(None) == "–"
    assert t.seconds_between("2026-01-31T12:00:00Z", "2026-01-31T12:00:23.5Z") == 23.5
    assert t.seconds_between("2026-01-31T12:00:00Z", None) is None


def test_names_of_quantiles() -> None:
    assert [quantile_name(q) for q in (0.5, 0.99, 0.999, 0.9999)] == ["p50", "p99", "p99.9", "p99.99"]


def test_keys_become_words_but_names_of_variables_and_packages_stay() -> None:
    assert t.words("cpu_model") == "cpu model"
    for name in ("env.ROS_DOMAIN_ID", "ROS_DISTRO", "robot.cmd_vel", "ros-jazzy-rclpy"):
        assert t.words(name) == name
    assert [t.short(value) for value in (10.0, 0.5, 5.7e-5, None)] == ["10", "0.5", "0.000057", "–"]


def test_nested_values_become_rows() -> None:
    tree = {
        "cpu_model": "x",
        "load": {"one_minute": 0.5, "list": [1, 2]},
        "left": 1,
        "none": None,
        "empty": {},
    }
    assert t.flatten(tree, {"left"}) == [
        ("cpu model", "x"),
        ("load: one minute", "0.5"),
        ("load: list", "1, 2"),
        ("none", "–"),
        ("empty", "–"),
    ]


@pytest.mark.slow
@given(st.text(max_size=60))
def test_printable_text_has_only_what_can_be_shown(text: str) -> None:
    shown = t.printable(text, range(0x20, 0x7F))
    assert all(char == "\n" or 0x20 <= ord(char) < 0x7F for char in shown)
    assert t.printable(shown, range(0x20, 0x7F)) == shown
    shown.encode("utf-8")


@given(st.text(max_size=80), st.integers(1, 40))
def test_cut_text_fits(text: str, most: int) -> None:
    assert len(t.cut(text, most)) <= most
    assert "\n" not in t.cut(text, most)


def test_bounds_are_rounded_outward_and_estimates_have_their_decimals() -> None:
    requirement = data.requirement(
        data.samples(3000), lower_bound=0.0, estimate=0.17641, upper_bound=0.17644, unit="%"
    )
    assert t.estimate(requirement) == "0.1764"
    assert t.bounds(requirement) == ("0.0000", "0.1765")
    below = requirement.model_copy(update={"lower_bound": 4.34619, "estimate": 4.5, "upper_bound": 4.58107})
    assert t.bounds(below) == ("4.346", "4.582")
    assert [outward_digits(4.34699, up=up) for up in (False, True)] == ["4.346", "4.347"]
    assert outward_digits(123456.0, up=True) == "123500"


def test_a_count_says_at_which_threshold_it_was_made() -> None:
    requirement = data.requirement(data.samples(3000), pass_threshold=10.0, limit=10.0)
    assert count_of(requirement, 3, 100) == "3 of 100 over the limit"
    guarded = requirement.model_copy(update={"pass_threshold": 9.8})
    assert count_of(guarded, 3, 100) == "3 of 100 over the PASS threshold (9.8 ms)"
    lower = guarded.model_copy(update={"limit_is": "lower", "pass_threshold": 12.6})
    assert count_of(lower, 3, 100) == "3 of 100 below the PASS threshold (12.6 ms)"
    of_share = {"quantity": "ratio", "within_ms": 10.0, "limit": 98.0, "limit_is": "lower", "unit": "%"}
    share = guarded.model_copy(update=of_share)
    assert count_of(share, 3, 100) == "3 of 100 not within the PASS threshold (9.8 ms)"
    lost = guarded.model_copy(update={"quantity": "loss_rate", "unit": "%"})
    assert count_of(lost, 3, 100) == "3 of 100 unanswered"


def test_a_shared_error_is_said_beside_the_confidence() -> None:
    alone = data.requirement(data.samples(3000), alpha=0.05)
    assert t.confidence(alone) == "95\u202f%"
    shared = alone.model_copy(update={"alpha": 0.005})
    assert t.confidence(shared).replace("\u202f", " ") == "99.5 % each (95 % over the 10)"


@pytest.mark.parametrize(
    ("headroom", "claim"),
    [
        (1.159, "at least 15 % faster than target"),
        (1.001, ""),
        (None, ""),
        (4.09, "at least 309 % faster than target, 4.0 times as fast"),
    ],
)
def test_headroom_claims_no_more_than_is_shown(headroom: float | None, claim: str) -> None:
    table = data.samples(3000)
    results = data.results({}, [data.requirement(table, headroom=headroom)])
    page = verdict_page(results, data.run_record())
    assert page["requirements"][0]["claim"].replace("\u202f", " ") == claim


def test_a_claim_says_when_the_clocks_are_known_less_well_than_what_it_claims() -> None:
    table = data.samples(3000)
    requirement = data.requirement(table, headroom=20.0)
    assert requirement.estimate is not None
    for uncertainty, said in ((requirement.estimate * 0.9, False), (requirement.estimate * 1.1, True)):
        told = requirement.model_copy(update={"uncertainty": uncertainty})
        page = verdict_page(data.results({}, [told]), data.run_record())
        claim = page["requirements"][0]["claim"]
        assert claim.replace("\u202f", " ").startswith(
            "at least 1900 % faster than target, 20.0 times as fast"
        )
        assert ("how well the clocks are known" in claim) == said


def test_headroom_is_no_claim_without_a_pass() -> None:
    table = data.samples(100, lost=0, late=0)
    requirement = data.requirement(table, headroom=1.5)
    assert requirement.verdict.value == "INCONCLUSIVE"
    assert verdict_page(data.results({}, [requirement]), {})["requirements"][0]["claim"] == ""


@pytest.mark.parametrize(
    ("estimate", "uncertainty", "quantity", "shown"),
    [
        (4.640971, 21.9209, "latency", "5 ± 22"),
        (14.56, 9.3855, "latency", "14.6 ± 9.4"),
        (412.0, 121.0, "latency", "410 ± 130"),
        (7.19, 0.0100, "latency", "7.190"),
        (7.19, None, "latency", "7.190"),
    ],
)
def test_an_estimate_has_no_more_digits_than_its_uncertainty_leaves(
    estimate: float, uncertainty: float | None, quantity: str, shown: str
) -> None:
    figures = {"estimate": estimate, "uncertainty": uncertainty, "quantity": quantity}
    told = data.requirement(data.samples(60)).model_copy(
        update=figures | {"lower_bound": None, "upper_bound": None}
    )
    assert t.estimate(told) == shown
