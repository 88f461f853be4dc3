"""The report names the bag of a run, and says of a replay what was sent."""

from __future__ import annotations

from typing import Any

import pytest
import report_data as data
from evidence_data import text_of

from harness.report import method, validity

WRITTEN = {
    "recorded": True,
    "file": "bag/bag_0.mcap",
    "sha256": "ab12" * 16,
    "messages": {"/cmd_vel": 3050, "/odom": 1200},
    "left_out": ["/camera/image"],
}


def provenance(bag: dict[str, Any] | None) -> str:
    results, _, run = data.whole(60)
    return text_of(validity.provenance(results, run if bag is None else {**run, "bag": bag}))


def test_the_bag_is_named_with_its_messages_and_what_was_left_out() -> None:
    said = provenance(WRITTEN)
    assert "bag/bag_0.mcap: messages of /cmd_vel 3050, /odom 1200; left out: /camera/image" in said.replace(
        "\N{NARROW NO-BREAK SPACE}", ""
    )
    assert "ab12" * 16 in said


@pytest.mark.parametrize(
    ("bag", "words"),
    [
        ({"recorded": True, "left_out": []}, "none: not written, see the events"),
        ({"recorded": True, "messages": {}}, "none: without a message"),
        ({"recorded": False, "left_out": ["/a"]}, "none; left out: /a"),
    ],
)
def test_why_there_is_no_bag(bag: dict[str, Any], words: str) -> None:
    assert words in provenance(bag)


def test_a_run_without_topics_says_nothing_of_bags() -> None:
    assert "Bag" not in provenance(None) + provenance({"recorded": False, "left_out": []})


def test_a_replay_says_what_went_out_and_how_fast() -> None:
    told = {"kind": "replay", "bag": "bags/x", "topic": "/scan", "speed": 2.0, "samples": 400}
    said = method._schedule({**told, "rate_hz": 20.04, "from_s": 5.0, "to_s": None})
    assert said.replace("\N{NARROW NO-BREAK SPACE}", " ") == (
        "replay of 400 messages of /scan in bags/x, from 5.0 s on, 2 times as fast as recorded,"
        " 20.0 Hz on average"
    )
