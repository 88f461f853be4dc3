"""A rig file of one's own begins as a copy that works, and says what is still to be filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.config import list_rigs, load_rig
from harness.described import description_findings
from harness.errors import ConfigurationError
from harness.new_rig import for_a_real_robot, new_rig


@pytest.mark.parametrize("like", list_rigs(), ids=lambda path: path.stem)
def test_a_copy_of_any_rig_loads_and_bears_its_new_name(like: Path, tmp_path: Path) -> None:
    path = new_rig("my_own-bench", like.stem, tmp_path / "rigs")
    assert path == tmp_path / "rigs" / "my_own_bench.yaml"
    copied, original = load_rig(path).rig, load_rig(like).rig
    assert copied.rig.name == "my-own-bench"
    assert copied.scenarios == original.scenarios and copied.requirements == original.requirements
    text = path.read_text()
    assert "CHANGE" not in like.read_text() or "CHANGE" in text
    assert f"harness run {like.stem}" not in text


def test_the_copy_does_not_tell_how_to_copy_it(tmp_path: Path) -> None:
    text = new_rig("my_base", "base_twist", tmp_path).read_text()
    assert "harness new" not in text
    assert "harness check my_base" in text


def test_a_copy_of_a_simulated_rig_tells_what_a_real_robot_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = next(path for path in list_rigs() if path.stem == "sim_diff_drive").resolve()
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(cli, ["new", "my_base", "--like", str(like)])
    assert told.exit_code == 0, told.output
    text = Path("rig_configs/my_base.yaml").read_text()
    assert "reports/my-base/" in text and "sim-diff-drive" not in text
    places = [line.strip().split(": ", 1) for line in told.output.splitlines() if line[0] == " "]
    lines = text.splitlines()
    named = [lines[int(place.rpartition(":")[2]) - 1].split("#")[0].strip() for place, _ in places]
    assert named == ["simulated: true", "processes:", "domain_id: auto", "discovery: localhost"]
    assert for_a_real_robot(new_rig("other", str(like.with_name("base_twist.yaml")), tmp_path)) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = new_rig("my_base", "base_twist", tmp_path)
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        new_rig("my-base", "base_twist", tmp_path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["", "My_base", "../x", "a b", "base_", "9", "a--b"])
def test_a_name_that_no_rig_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a rig"):
        new_rig(name, "base_twist", tmp_path / "rigs")
    assert not (tmp_path / "rigs").exists()


def test_what_a_real_rig_leaves_out_is_named() -> None:
    rig = load_rig(next(path for path in list_rigs() if path.stem == "base_twist")).rig
    item, conditions = description_findings(rig)
    assert "rig.item.serial_number" in item.message and "rig.item.model" not in item.message
    assert "environment.surface" in conditions.message
    full = rig.model_copy(
        update={
            "rig": rig.rig.model_copy(update={"item": {"model": "x", "serial_number": "7"}}),
            "environment": {"surface": "concrete"},
        }
    )
    assert description_findings(full) == []
    bare = full.model_copy(update={"environment": {}})
    assert [each.message.split(":")[0] for each in description_findings(bare)] == ["environment"]


def test_a_simulated_rig_need_not_be_described() -> None:
    rig = load_rig(next(path for path in list_rigs() if path.stem == "loopback")).rig
    assert description_findings(rig) == []
