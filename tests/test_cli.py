"""The command line: exit statuses, what goes to which stream, options, and what a terminal shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import RIG, ROOT, Cli, Evidence, call, people, rig_file, running, until

from harness import cli
from harness.model import Verdict


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        yield


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


class Run:
    """``harness run`` in this process, with what it printed."""

    def __init__(self, folder: Path, capsys: Any, changes: dict[str, Any], *arguments: str) -> None:
        file = rig_file(folder, changes)
        with capsys.disabled():
            pass
        capsys.readouterr()
        self.status = status_of("run", str(file), "--out", str(folder / "out"), "--anyway", *arguments)
        told = capsys.readouterr()
        self.out, self.err = told.out, told.err
        (found,) = (folder / "out").glob("*/*/run.json")
        self.evidence = Evidence(found.parent)


SHORT = {"scenarios.command.schedule.samples": 60}
# Long enough that it dies however many of them a busy machine skips.
DYING = {"scenarios.command.schedule.samples": 5000, "devices.robot.die_after": 20}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        (SHORT, {Verdict.PASS, Verdict.INCONCLUSIVE}),
        ({**SHORT, "devices.robot.delay_ms": 1500.0}, {Verdict.FAIL}),
        ({"scenarios.command.schedule.samples": 1}, {Verdict.INCONCLUSIVE}),
        (DYING, {Verdict.ERROR}),
    ],
    ids=["pass", "fail", "inconclusive", "error"],
)
def test_the_exit_status_is_that_of_the_verdict(tmp_path, capsys, changes, verdicts):
    changes = {**changes, "scenarios.command.schedule.warmup_s": 0, "scenarios.command.timeout_ms": 4000.0}
    run = Run(tmp_path, capsys, changes, "--quiet")
    verdict = run.evidence.results.verdict
    assert verdict in verdicts
    assert run.status == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "ERROR": 4}[verdict.value]
    # One line, for people and scripts; the first reason of all but a PASS beside it.
    (line,) = run.out.splitlines()
    assert re.fullmatch(rf"{verdict.value} loop .*/out/loop/\S+", line)
    assert bool(run.err) == (verdict is not Verdict.PASS), run.err
    run.evidence.assert_whole()


@pytest.mark.slow
def test_json_prints_the_results_and_nothing_else(tmp_path, capsys):
    run = Run(tmp_path, capsys, SHORT, "--json")
    results = json.loads(run.out)
    assert results == json.loads((run.evidence.folder / "results.json").read_text())
    assert results["verdict"] in ("PASS", "INCONCLUSIVE")
    assert run.err == ""
    assert status_of("report", str(run.evidence.folder), "--json") == run.status
    assert json.loads(capsys.readouterr().out)["requirements"] == results["requirements"]


@pytest.mark.slow
def test_json_of_an_aborted_run_is_json_and_the_reason_goes_elsewhere(tmp_path, capsys):
    run = Run(tmp_path, capsys, DYING, "--json")
    assert run.status == 4
    assert json.loads(run.out)["aborted"] is True
    assert "robot" in run.err


@pytest.mark.slow
def test_json_where_nothing_could_be_started_prints_no_half_of_it(tmp_path, capsys):
    file = rig_file(tmp_path, {"rig.simulated": False})
    assert status_of("run", str(file), "--json", "--out", str(tmp_path / "out")) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert "--arm" in told.err


@pytest.mark.slow
def test_set_samples_scenario_and_operator_are_obeyed_and_recorded(tmp_path, capsys):
    changes = {
        "scenarios.other": RIG["scenarios"]["command"],
        "requirements": [*RIG["requirements"], {"id": "O", "scenario": "other", "limit": 1000}],
    }
    run = Run(
        tmp_path,
        capsys,
        changes,
        *("--samples", "70", "--scenario", "command", "--operator", "Ada Example", "--quiet"),
        *("--set", "scenarios.command.timeout_ms=1500", "--set", "requirements[R].limit=900"),
    )
    results, record = run.evidence.results, run.evidence.run
    assert list(results.scenarios) == ["command"]
    assert [each.id for each in results.requirements] == ["R"]
    assert results.scenarios["command"].scheduled == 70
    assert results.scenarios["command"].timeout_ms == 1500
    assert results.requirements[0].limit == 900
    assert record["operator"] == "Ada Example"
    assert "scenarios.command.timeout_ms=1500" in record["rig"]["overrides"]
    assert "scenarios.command.schedule.samples=70" in record["rig"]["overrides"]
    assert (run.evidence.stimuli["flags"] == 0).sum() <= 70


@pytest.mark.slow
def test_the_summary_is_appended_for_the_build_server(tmp_path, capsys, monkeypatch):
    summary = tmp_path / "step.md"
    summary.write_text("what was there\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run = Run(tmp_path, capsys, SHORT, "--quiet")
    text = summary.read_text()
    assert text.startswith("what was there\n")
    own = (run.evidence.folder / "summary.md").read_text()
    assert own.strip() in text
    assert run.evidence.results.verdict.value in own
    cases = ElementTree.parse(run.evidence.folder / "junit.xml").getroot().iter("testcase")
    (case,) = cases
    assert "R" in case.attrib["name"]
    kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
    assert kinds == (set() if run.evidence.results.verdict is Verdict.PASS else {"error"})


@pytest.mark.slow
def test_a_run_whose_output_goes_into_a_file_writes_lines(tmp_path):
    def measuring() -> bool:
        return any(row.startswith("measuring command, ") and "p99" in row for row in run.stderr.splitlines())

    # As long as it takes a busy machine to show it.
    with running(tmp_path, {"scenarios.command.schedule.samples": 1_000_000}) as run:
        until(measuring, "a line of progress")
        run.popen.send_signal(signal.SIGINT)
        status = run.finish()
    assert status == run.evidence.results.verdict.exit_status
    assert "\x1b" not in run.stdout + run.stderr
    assert "\r" not in run.stderr
    # The outcome is on standard output: verdict, figures, reasons, report.
    for part in ("loop", "SIMULATED item", "R  p50 latency", "report.pdf", "lateness p99"):
        assert part in run.stdout, run.stdout


def test_check_shows_what_would_be_done_and_does_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = {
        "processes.base": {"command": ["python", "-c", "open('ran', 'w')"]},
        "setup": [{"send": "robot.command", "values": {"value": 0.2}}],
    }
    assert status_of("check", str(rig_file(tmp_path, changes))) == 0
    out = capsys.readouterr().out
    for part in ("starts    base: python -c", "opens     robot: loopback",
                 "stops     robot: 2 x command value = 0.0", "send robot.command value = 0.2",
                 "200 stimuli on robot.command at 500 Hz",
                 "requires  R: p50", "sends     value = 0.5\n", "nothing was started"):  # fmt: skip
        assert part in out, out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rig.yaml"]


def test_check_names_a_program_that_is_missing(tmp_path, capsys):
    changes = {"processes.base": {"command": ["no-such-program"]}}
    assert status_of("check", str(rig_file(tmp_path, changes))) == 4
    out = capsys.readouterr().out
    assert "no program 'no-such-program'" in out and out.rstrip().endswith("not ready")


def test_list_is_a_line_per_rig_for_another_program_too(tmp_path, capsys, monkeypatch):
    configs = tmp_path / "rig_configs"
    rig_file(configs, {"rig.description": "word " * 20}).rename(configs / "a_very_long_name_of_a_rig.yaml")
    (configs / "broken.yaml").write_text("rig: [\n")
    rig_file(configs, {"rig.simulated": False}).rename(configs / "real.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert status_of("list") == 2
    rows = {row.split()[0]: row for row in capsys.readouterr().out.splitlines()[1:]}
    assert "simulated" in rows["a_very_long_name_of_a_rig"]
    assert "rig_configs/a_very_long_name_of_a_rig.yaml" in rows["a_very_long_name_of_a_rig"]
    assert "broken" in rows["broken"].split()[1]
    assert "REAL" in rows["real"]


def test_the_schema_is_a_json_schema_that_rig_files_satisfy(capsys):
    assert status_of("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    for file in (ROOT / "rig_configs").glob("*.yaml"):
        jsonschema.validate(yaml.safe_load(file.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"rig": {"name": "x"}}, schema)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(capsys, shell):
    assert status_of("completion", shell) == 0
    out = capsys.readouterr().out
    assert "_HARNESS_COMPLETE" in out and "harness" in out
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=out, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_the_bash_completion_completes_commands_and_rigs(tmp_path):
    scripts = Path(sys.executable).parent
    assert (scripts / "harness").exists()
    (tmp_path / "rig_configs").mkdir()
    for name in ("lift", "lidar", "crane"):
        rig_file(tmp_path).rename(tmp_path / "rig_configs" / f"{name}.yaml")
    program = """
eval "$(harness completion bash)" || exit 9
complete -p harness >/dev/null || exit 8
compopt() { :; }  # is for a shell that completes
try() {
    COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
    _harness_completion harness
    echo "${COMPREPLY[@]}"
}
try harness re
try harness run li
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    commands, rigs = done.stdout.splitlines()
    assert {"report", "recover"} <= set(commands.split())
    assert {"lift", "lidar"} <= set(rigs.split()) and "crane" not in rigs


@pytest.mark.slow
def test_python_m_harness_is_the_command(tmp_path):
    asked = call(tmp_path, "--version")
    assert asked.finish() == 0
    assert asked.stdout.startswith("harness, version ")
    helped = call(tmp_path, "--help")
    assert helped.finish() == 0
    for command in ("run", "check", "list", "report", "recover", "schema", "completion"):
        assert re.search(rf"^  {command} ", helped.stdout, re.MULTILINE)


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error_of_the_run(tmp_path):
    """``harness run ... | head -1``: the outcome cannot be told, the evidence is whole all the same."""
    file = rig_file(tmp_path, SHORT)
    run = Cli(tmp_path, "run", str(file), "--out", str(tmp_path / "out"), "--json", stdout_closed=True)
    run.finish()
    until(lambda: not people(run.run_dir.name), "gone")
    assert "Traceback" not in run.stderr, run.stderr
    run.evidence.assert_whole()
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN  # of this process; the tool sets nothing global


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check loopback", "schema", "list"])
def test_a_reader_that_leaves_is_no_verdict(command):
    script = f"{sys.executable} -m harness {command} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("0", "141"), done  # 0: all was said before the reader left
    assert "Traceback" not in done.stderr
