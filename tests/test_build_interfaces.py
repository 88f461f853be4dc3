"""The action type of the simulated arm: what builds it says what it lacks, and what was built can be used."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "build_interfaces.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_interfaces", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_machine_without_compiler_is_told_so(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(script.sysconfig, "get_path", lambda _name: str(tmp_path))
    assert script.main() == script.MISSING
    said = capsys.readouterr().err
    assert "harness_interfaces is not built" in said
    assert "gcc" in said and "g++" in said and "Python.h" in said
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_built_twice(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script.sysconfig, "get_path", lambda _name: str(tmp_path))
    monkeypatch.setattr(script, "missing", lambda: pytest.fail("it went on to build"))
    built = tmp_path / script.PACKAGE / "built.sha256"
    built.parent.mkdir()
    built.write_text(script.fingerprint() + "\n")
    assert script.main() == 0


def test_other_sources_are_built_anew(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = script.fingerprint()
    shutil.copytree(script.SOURCE, tmp_path / "interfaces")
    monkeypatch.setattr(script, "SOURCE", tmp_path / "interfaces")
    assert script.fingerprint() == before
    action = tmp_path / "interfaces" / "action" / "FollowTrajectory.action"
    action.write_text(action.read_text() + "\nint32 more\n")
    assert script.fingerprint() != before
