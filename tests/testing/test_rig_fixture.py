"""The pytest plug-in: `pytest --rig FILE` runs a rig for real and turns its verdict into a test's outcome."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import harness.adapters.loopback
import harness.runner  # noqa: F401  pytester forgets what it imported itself, which numpy does not survive

pytest_plugins = "pytester"

# Limits far beyond what a busy machine does to an echo, and a schedule that skips nothing when it is late, so
# that only what a test asks for decides.
RIG = """
rig: {name: plugged, simulated: true}
devices:
  robot:
    adapter: loopback
    echo: thread
    limits: {value: 1.0}
    stop: {port: command, values: {value: 0.0}, interval_ms: 1.0}
    ports:
      command: {stimulus: {key: sequence, values: {value: 0.5}}}
      applied: {response: {of: command, match: {kind: sequence}}}
scenarios:
  command: &scenario
    kind: command_round_trip
    stimulus: robot.command
    response: robot.applied
    timeout_ms: 5000
    schedule: {kind: trials, samples: 350, stopping: fixed, warmup: 1, quiet_ms: 0.5, dwell_ms: [0.5, 1.0]}
    probing: {consecutive: 3, rate_hz: 100}
  other:
    <<: *scenario
requirements:
  # The median: decided at this n even on a busy host, where latencies come in bursts.
  - {id: RTT-EASY, text: Commands are acted on, scenario: command, quantile: 0.5, limit: 4, unit: s}
  - {id: RTT-OTHER, scenario: other, quantile: 0.5, limit: 4, unit: s}
host: {realtime: false, max_load_per_cpu: 1000, floor_s: 0}
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(pytester.path / "locks"))
    pytester.mkdir("rig_configs")
    (pytester.path / "rig_configs" / "plugged.yaml").write_text(RIG)
    return pytester


def run(session: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    session.makepyfile(test_robot="def test_robot(rig):\n    " + body.replace("\n", "\n    ") + "\n")
    # Subprocesses: the runner takes signals and threads of its process for itself.
    return session.runpytest_subprocess("-q", "-p", "no:cacheprovider", *arguments)


def refused(session: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    """Where there is no run, a process of its own would show nothing more."""
    session.makepyfile(test_robot=f"def test_robot(rig):\n    {body}\n")
    result = session.runpytest_inprocess("-q", "-p", "no:cacheprovider", *arguments)
    assert not list(session.path.glob("reports/*/*"))
    return result


def test_without_a_rig_the_fixture_says_what_to_do(session: pytest.Pytester) -> None:
    result = session.runpytest_inprocess(session.makepyfile("def test_robot(rig): pass"))
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "pytest --rig rig_configs/NAME.yaml" in text
    assert "Traceback" not in text and "pytest_plugin.py" not in text


def test_the_header_names_the_rig(session: pytest.Pytester) -> None:
    session.makepyfile("def test_nothing(): pass")
    session.runpytest_inprocess("--rig", "rig_configs/plugged.yaml").stdout.fnmatch_lines(
        ["rig: rig_configs/plugged.yaml"]
    )


def test_the_plug_in_is_light_for_those_who_do_not_use_it() -> None:
    code = (
        "import sys, harness.testing.pytest_plugin;"
        "print([name for name in ('numpy','pandas','pydantic','scipy','matplotlib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_pass_gives_results_and_the_folder(session: pytest.Pytester) -> None:
    body = """
results = rig.run("command")
assert results.verdict.value == "PASS"
assert results.scenarios["command"].scheduled == 350
assert list(results.scenarios) == ["command"]
assert [each.id for each in results.requirements] == ["RTT-EASY"]
assert (results.folder / "report.pdf").is_file()
print("FOLDER", results.folder)
"""
    result = run(session, body, "--rig", "rig_configs/plugged.yaml", "-s", "--rig-out", "runs")
    result.assert_outcomes(passed=1)
    (folder,) = (session.path / "runs" / "plugged").iterdir()
    assert f"FOLDER {folder}" in result.stdout.str()
    assert json.loads((folder / "results.json").read_text())["verdict"] == "PASS"


@pytest.mark.slow
def test_without_a_name_the_whole_rig_runs_and_values_can_be_set(session: pytest.Pytester) -> None:
    body = """
results = rig.run()
assert sorted(results.scenarios) == ["command", "other"]
assert [each.n for each in results.requirements] == [320, 320]
assert results.scenarios["other"].timeout_ms == 4500
"""
    arguments = ("--rig", "plugged", "--rig-samples", "320", "--rig-set", "scenarios.other.timeout_ms=4500")
    run(session, body, *arguments).assert_outcomes(passed=1)
    assert len(list((session.path / "reports" / "plugged").iterdir())) == 1


@pytest.mark.slow
def test_a_failed_requirement_fails_the_test_in_few_words(session: pytest.Pytester) -> None:
    result = run(
        session,
        'rig.run("command", anyway=True)',
        *("--rig", "plugged", "--rig-set", "devices.robot.drop_every=2", "--rig-samples", "6"),
        *("--rig-set", "scenarios.command.timeout_ms=1000", "--rig-set", "requirements[0].limit=0.9"),
        *("--rig-set", "scenarios.command.probing.consecutive=1"),
        *("--rig-set", "requirements[0].quantile=0.99"),
    )
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "plugged: command: FAIL",
            "FAIL  RTT-EASY  Commands are acted on",
            "  p99 latency of command: estimate *, limit 0.9 s",
            "  bounds at a confidence of 95 %: * s",
            "  3 of 6 over the *",
            "  because *",
            "report: *report.pdf",
        ]
    )
    assert "Traceback" not in text and "test_robot.py:2" not in text
    assert len(text.splitlines()) < 40
    # A set: in CI pytest's summary repeats the whole message.
    (path,) = {line.removeprefix("report: ") for line in text.splitlines() if line.startswith("report: ")}
    assert Path(path).is_file()


@pytest.mark.slow
def test_too_few_samples_are_inconclusive_unless_accepted(session: pytest.Pytester) -> None:
    body = 'rig.run("command", anyway=True, accept=("INCONCLUSIVE",))\nrig.run("command", anyway=True)'
    few = ("--rig-samples", "30", "--rig-set", "requirements[0].quantile=0.99")
    result = run(session, body, "--rig", "plugged", *few)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["plugged: command: INCONCLUSIVE", "INCONCLUSIVE  RTT-EASY*", "  because *"])
    assert len(list((session.path / "reports" / "plugged").iterdir())) == 2  # the first one was accepted


@pytest.mark.slow
def test_a_run_that_cannot_pass_is_refused(session: pytest.Pytester) -> None:
    few = ("--rig-samples", "30", "--rig-set", "requirements[0].quantile=0.99")
    result = refused(session, 'rig.run("command")', "--rig", "plugged", *few)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RTT-EASY: 30 samples cannot pass, whatever they show*at least 299*"])


@pytest.mark.slow
def test_a_robot_that_dies_is_an_error(session: pytest.Pytester) -> None:
    result = run(
        session, 'rig.run("command")', "--rig", "plugged", "--rig-set", "devices.robot.die_after=100"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["plugged: command: ERROR", "the run was aborted: *the robot is gone*"])


@pytest.mark.slow
def test_a_rig_that_cannot_be_run_says_why(session: pytest.Pytester) -> None:
    for arguments, words in (
        (("--rig", "pluged"), "plugged"),
        (("--rig", "plugged", "--rig-set", "devices.robot.echo=thred"), "thred"),
        (("--rig", "plugged", "--rig-set", "rig.simulated=false"), "--arm"),
    ):
        result = refused(session, 'rig.run("command")', *arguments)
        result.assert_outcomes(failed=1)
        text = result.stdout.str()
        assert "could not be run" in text
        assert words in text
        assert "Traceback" not in text


@pytest.mark.slow
def test_an_unknown_scenario_is_named(session: pytest.Pytester) -> None:
    result = refused(session, 'rig.run("comand")', "--rig", "plugged")
    result.assert_outcomes(failed=1)
    assert "comand" in result.stdout.str()
    assert "ConfigurationError" in result.stdout.str()
