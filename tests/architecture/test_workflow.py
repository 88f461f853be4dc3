"""The CI workflow that users copy: it is valid YAML, needs no secret, and calls only what exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.results import Results

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "latency.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    found = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(workflow: dict[str, Any]) -> list[list[str]]:
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    return [line.split() for line in lines if line.strip()]


def test_it_has_the_parts_of_a_workflow(workflow: dict[str, Any]) -> None:
    assert {"push", "pull_request"} <= set(workflow[True])  # YAML 1.1 reads `on` as true
    for job in workflow["jobs"].values():
        assert job["runs-on"].startswith("ubuntu-")
        assert not job["runs-on"].endswith("latest")
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)


def test_actions_are_pinned_and_no_secret_is_used(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", action), action
    assert "${{ secrets" not in WORKFLOW.read_text(encoding="utf-8")
    assert workflow["permissions"] == {"contents": "read"}


def test_evidence_is_kept_whatever_the_verdict(workflow: dict[str, Any]) -> None:
    uploads = [step for step in steps(workflow) if "upload-artifact" in step.get("uses", "")]
    paths = [step["with"]["path"] for step in uploads]
    assert paths == ["test-results.xml", "reports/**/junit.xml", "reports/"]
    assert all(step["if"] == "always()" for step in uploads)


def test_every_make_task_exists(workflow: dict[str, Any]) -> None:
    called = [words[1] for words in commands(workflow) if words[0] == "make"]
    assert {"test", "run"} <= set(called)
    for task in called:
        made = subprocess.run(["make", "-n", task], cwd=ROOT, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr


def test_every_harness_command_exists(workflow: dict[str, Any]) -> None:
    from harness.cli import cli

    text = WORKFLOW.read_text(encoding="utf-8")
    for name in re.findall(r"(?:harness|bin/harness) (run|check|report|recover|list|schema)\b", text):
        assert name in cli.commands
    made = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (command,) = re.findall(r"harness (\w+) ", made)
    assert command in cli.commands
    assert "--out" in {option for each in cli.commands["run"].params for option in each.opts}


def test_its_rig_exists_and_is_simulated(workflow: dict[str, Any]) -> None:
    path = ROOT / "rig_configs" / f"{workflow['env']['RIG']}.yaml"
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["rig"]["simulated"] is True


@pytest.mark.parametrize(
    ("verdict", "accept", "status"),
    [
        ("PASS", "true", 0),
        ("INCONCLUSIVE", "true", 0),
        ("INCONCLUSIVE", "false", 1),
        ("FAIL", "true", 1),
        ("ERROR", "true", 1),
        (None, "true", 1),
    ],
)
def test_the_verdict_decides_the_job(
    workflow: dict[str, Any], tmp_path: Path, verdict: str | None, accept: str, status: int
) -> None:
    assert "verdict" in Results.model_fields
    (script,) = [step["run"] for step in steps(workflow) if step.get("name") == "verdict"]
    (tmp_path / "reports").mkdir()
    if verdict is not None:
        folder = tmp_path / "reports" / "rig" / "run"
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(f'{{"verdict": "{verdict}"}}')
    environment = {"PATH": _path_with_python(tmp_path), "ACCEPT_INCONCLUSIVE": accept}
    # As the runner calls it: bash -e.
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert f"verdict: {verdict or 'ERROR'}" in done.stdout


def _path_with_python(folder: Path) -> str:
    """A PATH on which `python` is this interpreter, as actions/setup-python leaves it."""
    import os
    import sys

    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    return f"{folder / 'bin'}:{os.environ['PATH']}"
