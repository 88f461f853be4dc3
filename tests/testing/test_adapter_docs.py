"""The worked example of docs/adapters.md, extracted: it conforms, and is found by its name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from harness import adapters

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytest_plugins = "pytester"

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


@pytest.mark.slow
def test_the_example_conforms(pytester: pytest.Pytester) -> None:
    device, test = blocks("python")
    pytester.makepyfile(udp_robot=device, test_udp_robot=test)
    result = pytester.runpytest_subprocess("-q", "-W", "error", "--timeout=150")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}, result.stdout.str()
    assert outcomes["passed"] >= 20


def test_the_example_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (toml,) = blocks("toml")
    points = tomllib.loads(toml)["project"]["entry-points"]
    assert list(points) == [adapters.GROUP]
    info = tmp_path / "udp_robot-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: udp-robot\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points[adapters.GROUP].items()]
    (info / "entry_points.txt").write_text(f"[{adapters.GROUP}]\n" + "\n".join(lines) + "\n")
    (tmp_path / "udp_robot.py").write_text(blocks("python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "udp_robot", raising=False)
    found = adapters.entry("udp")
    assert adapters.load(found.device).__name__ == "UdpDevice"
    assert adapters.load(found.options).model_fields["udp_port"].is_required()
    monkeypatch.delitem(sys.modules, "udp_robot")


def test_the_page_names_files_that_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    links = re.findall(r"\]\((\.\./[^)]+)\)", text)
    assert links
    for link in links:
        assert (PAGE.parent / link).exists(), link


def test_the_rig_file_of_the_example_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.config import rig_from_text

    (tmp_path / "udp_robot.py").write_text(blocks("python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "udp_robot", raising=False)
    entry = adapters.Entry("udp_robot:UdpDevice", "udp_robot:Options")
    monkeypatch.setitem(adapters.BUILTIN, "udp", entry)
    (text,) = blocks("yaml")
    rig = rig_from_text(text, "udp_robot.yaml")
    assert rig.devices["robot"].adapter == "udp"
    assert "robot" in rig.processes
    monkeypatch.delitem(sys.modules, "udp_robot")
