"""Faults by the user's own commands, which break and restore files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.clock import HostClock
from harness.config.faults import FaultOptions
from harness.errors import DeadlineError, OperationError
from harness.faults import FaultPort, make_fault
from harness.guardian.undo import undo

ROBOTS = ["left", "right"]


def port(folder: Path, **options: object) -> FaultPort:
    """Breaking a robot makes a file with its name and number."""
    mark = f"{folder}/{{robot}}-{{number}}"
    given = {
        "kind": "command",
        "inject": ["touch", mark],
        "verify": ["test", "-e", mark],
        "restore": ["rm", "-f", mark],
        "restored": ["test", "!", "-e", mark],
        "timeout_s": 0.3,
        "command_timeout_s": 5.0,
        **options,
    }
    told = TypeAdapter(FaultOptions).validate_python({k: v for k, v in given.items() if v is not None})
    return make_fault("mine", told, ROBOTS, "no-run", HostClock())


def test_each_command_does_its_part(tmp_path: Path) -> None:
    fault = port(tmp_path)
    (undoing,) = fault.aim("right")
    record = fault.inject("right", "command")
    assert record.verified and (tmp_path / "right-2").exists()
    assert "touch ended with status 0, test asked for the proof" in record.evidence
    restored = fault.restore("right")
    assert restored.verified and not (tmp_path / "right-2").exists()
    fault.inject("right", "command")
    assert undo(undoing) == "rm ended with status 0" and not (tmp_path / "right-2").exists()
    fault.inject("left", "command")
    fault.undo()
    fault.undo()
    assert not (tmp_path / "left-1").exists()


def test_without_verify_the_status_is_the_proof_and_that_is_said(tmp_path: Path) -> None:
    record = port(tmp_path, verify=None, restored=None).inject("left", "command")
    assert record.verified and "nothing else proves it" in record.evidence


def test_a_command_that_fails_breaks_nothing(tmp_path: Path) -> None:
    record = port(tmp_path, inject=["sh", "-c", "echo no such robot >&2; exit 3"]).inject("left", "command")
    assert not record.verified and "status 3: no such robot" in record.evidence


def test_a_fault_that_never_shows_is_not_verified(tmp_path: Path) -> None:
    fault = port(tmp_path, verify=["false"], command_timeout_s=0.2)
    assert not fault.inject("left", "command").verified


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="no-such-program"):
        port(tmp_path, inject=["no-such-program"]).inject("left", "command")


def test_a_restoration_that_fails_or_never_shows_is_told(tmp_path: Path) -> None:
    failing = port(tmp_path, restore=["sh", "-c", "echo stuck; exit 4"])
    failing.inject("left", "command")
    with pytest.raises(OperationError, match="status 4: stuck"):
        failing.restore("left")
    vain = port(tmp_path, restored=["false"])
    vain.inject("left", "command")
    with pytest.raises(DeadlineError, match=r"left was not whole again within 0\.3 s"):
        vain.restore("left")


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    record = port(tmp_path, inject=["sleep", "30"], command_timeout_s=0.2).inject("left", "command")
    assert not record.verified and "still running after 0.2 s" in record.evidence


def test_what_the_operator_is_asked_has_the_robots_name(tmp_path: Path) -> None:
    fault = port(tmp_path, restore=None, ask="switch {robot} (number {number}) on again")
    assert fault.request("right") == "switch right (number 2) on again"
    assert fault.aim("right") == []
    assert port(tmp_path).request("right") is None


def test_what_cannot_be_undone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="needs `restore`"):
        port(tmp_path, restore=None)


@pytest.mark.parametrize("options", [{}, {"delay_ms": 5.0, "rate_kbit": 10.0}])
def test_a_slow_link_is_slow_in_one_way(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="give delay_ms and loss, or rate_kbit"):
        TypeAdapter(FaultOptions).validate_python({"kind": "slow", "process": "x", **options})
