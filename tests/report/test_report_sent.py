"""The report names what was sent, as it was sent."""

from __future__ import annotations

from typing import Any

from harness.report.sent import MOST_WORDS, sent_values


def run(*variants: dict[str, Any]) -> dict[str, Any]:
    return {
        "scenarios": [{"name": "other", "variants": [{"x": 9}]}, {"name": "move", "variants": [*variants]}]
    }


def test_what_changes_is_told_in_its_order_and_what_does_not_once() -> None:
    def point(position: float) -> list[Any]:
        return [{"positions": [position, -0.8], "time_from_start": 0.15}]

    names = ["shoulder", "elbow"]
    sent = run({"names": names, "points": point(0.45)}, {"names": names, "points": point(0.39999999999718)})
    assert sent_values(sent, "move") == [
        ("Sent: names", "[shoulder, elbow]"),
        (
            "Sent: points",
            "[{positions: [0.45, −0.8], time_from_start: 0.15}]"
            " · then [{positions: [0.4, −0.8], time_from_start: 0.15}]",
        ),
    ]


def test_long_lists_are_cut_and_counted() -> None:
    ((name, words),) = sent_values(run(*({"x": i} for i in range(4000))), "move")
    assert name == "Sent: x"
    assert words.startswith("0 · then 1 · then 2") and "4000 values in all" in words
    assert len(words) < MOST_WORDS + 60


def test_nothing_is_told_of_what_is_not_known() -> None:
    assert sent_values({}, "move") == []
    assert sent_values(run(), "move") == []
    assert sent_values(run({}), "move") == []
    assert sent_values(run({"x": 1}), "gone") == []


def test_what_brings_the_robot_back_is_told_apart() -> None:
    told = run({"x": 0.2, "y": 1}, {"x": -0.2, "y": 1}, {"x": 0.0, "y": 1})
    spec = {"kind": "command_round_trip", "schedule": {"kind": "trials"}, "return_values": {"x": 0.0}}
    told["rig"] = {"resolved": {"scenarios": {"move": spec}}}
    assert sent_values(told, "move") == [
        ("Sent: x", "0.2 · then −0.2"),
        ("Sent: y", "1"),
        ("After each trial: x", "0"),
    ]
    spec["return_values"] = {}
    assert sent_values(told, "move")[0] == ("Sent: x", "0.2 · then −0.2 · then 0")
