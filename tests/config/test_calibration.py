"""The calibration record of a device: its days, what is said when they are over, and that it is reported."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness.config import load_rig, rig_from_text
from harness.described import calibration_findings
from harness.errors import ConfigurationError
from harness.folder import RunFolder
from harness.model import Severity
from harness.runner import RunOptions, run_rig

RIG = (Path(__file__).parents[2] / "rig_configs" / "loopback.yaml").read_text(encoding="utf-8")
RECORD = """    adapter: loopback
    calibration:
      date: 2026-01-31
      expires: 2027-01-31
      by: bench at home
      record: CAL-17
      found: crystal +12 ppm
"""
TEXT = RIG.replace("    adapter: loopback\n", RECORD, 1)
WORDS = "2026-01-31 by bench at home, record CAL-17, valid until 2027-01-31: crystal +12 ppm"


@pytest.mark.parametrize(
    ("today", "name"),
    [
        ("2026-01-30", "calibration ahead"),
        ("2026-01-31", ""),
        ("2027-01-31", ""),
        ("2027-02-01", "calibration expired"),
    ],
)
def test_a_record_holds_from_its_day_to_its_expiry(today: str, name: str) -> None:
    rig = rig_from_text(TEXT, "rig.yaml")
    found = calibration_findings(rig, datetime.date.fromisoformat(today))
    assert [each.name for each in found] == [name] * bool(name)
    assert all(each.severity is Severity.WARNING and each.message.startswith("robot: ") for each in found)


def test_a_device_without_a_record_is_none_of_it() -> None:
    assert calibration_findings(rig_from_text(RIG, "rig.yaml")) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("date: 2026-01-31", "date: 31.1.2026", "is no day; write it as 2026-01-31"),
        ("expires: 2027-01-31", "expires: 2025-01-31", "expires 2025-01-31 is before date 2026-01-31"),
        ("      record: CAL-17\n", "", "record"),
        ("      by: bench at home\n", '      by: ""\n', "by"),
    ],
)
def test_a_mistake_is_told_at_its_line(old: str, new: str, what: str) -> None:
    text = TEXT.replace(old, new, 1)
    with pytest.raises(ConfigurationError) as caught:
        rig_from_text(text, "rig.yaml")
    line = int(str(caught.value).split("rig.yaml:")[1].split(":")[0])
    assert what in str(caught.value)
    first = text.splitlines().index("    calibration:") + 1
    assert first <= line <= first + 5


@pytest.mark.slow
def test_a_run_quotes_the_record_and_warns_of_its_expiry(tmp_path: Path) -> None:
    file = tmp_path / "loopback.yaml"
    file.write_text(TEXT.replace("2027-01-31", "2026-02-01") + "host: {floor_s: 0, max_load_per_cpu: 1000}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
        outcome = run_rig(load_rig(file), RunOptions(out=tmp_path, samples=50, report=False, anyway=True))
    assert outcome.results is not None, outcome.error
    identity = RunFolder.open(outcome.folder).run["devices"]["robot"]["identity"]
    assert identity["calibration"] == WORDS.replace("2027-01-31", "2026-02-01")
    names = [finding["name"] for finding in outcome.results.findings]
    today = datetime.datetime.now(datetime.timezone.utc).date()
    assert ("calibration expired" in names) is (today > datetime.date(2026, 2, 1))
