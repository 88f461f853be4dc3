"""Dashboards: what is in git is what the code makes, and a real Prometheus that scrapes a bench on which a
rig runs answers every query and every rule."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import report_data
import yaml
from test_report_swarm import swarm, trial

from harness.model import Verdict
from harness.results import Results
from harness.telemetry.bench.command import serving
from harness.telemetry.rules import rules

if sys.version_info < (3, 11):  # the SDK's own
    pytest.skip("grafana-foundation-sdk needs Python 3.11", allow_module_level=True)

from harness.telemetry.dashboards.boards import BOARDS
from harness.telemetry.dashboards.files import written

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "dashboards"
PATIENCE_S = 60.0
PROGRAM = """
import time
from performance_budget import PerformanceBudget
PerformanceBudget.load()
while True:
    PerformanceBudget.observe("security.validation", 1.0, "ms")
    PerformanceBudget.observe("compression.ratio", 0.5)
    time.sleep(0.02)
"""


def test_the_files_in_git_are_those_of_the_code() -> None:
    made = written()
    for name, text in made.items():
        assert (DASHBOARDS / name).read_text(encoding="utf-8") == text, name
    assert {f"grafana/{each.name}" for each in (DASHBOARDS / "grafana").iterdir()} < set(made)


def lost(said: Any, understood: Any, path: str) -> list[str]:
    """Where ``understood`` lacks, or has otherwise, what was said; defaults that it adds are no matter."""
    if isinstance(said, dict) and isinstance(understood, dict):
        return [
            each
            for key, value in said.items()
            for each in (
                lost(value, understood[key], f"{path}.{key}") if key in understood else [f"{path}.{key}"]
            )
        ]
    if isinstance(said, list) and isinstance(understood, list) and len(said) == len(understood):
        return [
            each
            for one, other in zip(said, understood, strict=True)
            for each in lost(one, other, f"{path}[]")
        ]
    return [] if said == understood else [path]


@pytest.mark.parametrize("file", sorted((DASHBOARDS / "grafana").iterdir()), ids=lambda file: file.stem)
def test_grafana_s_own_model_reads_everything_that_a_dashboard_says(file: Path) -> None:
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    said = json.loads(file.read_text(encoding="utf-8"))
    understood = json.loads(JSONEncoder().encode(Dashboard.from_json(said)))
    assert lost(said, understood, file.stem) == []
    said["panels"][0]["fieldConfg"] = said["panels"][0].pop("fieldConfig")
    wrong = json.loads(JSONEncoder().encode(Dashboard.from_json(said)))
    assert lost(said, wrong, "") == [".panels[].fieldConfg"]


def test_what_is_provisioned_fits_together() -> None:
    compose = yaml.safe_load((DASHBOARDS / "compose.yaml").read_text())
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (DASHBOARDS / source).exists() if source.startswith(".") else source in compose["volumes"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    source = yaml.safe_load((DASHBOARDS / "grafana-provisioning/datasources/prometheus.yaml").read_text())
    uids = {source["datasources"][0]["uid"]}
    for board in BOARDS:
        text = json.loads((DASHBOARDS / f"grafana/{board.uid}.json").read_text())
        assert {each["datasource"]["uid"] for each in text["panels"]} == uids
        assert len(text["panels"]) == len(board.panels) and text["uid"] == board.uid
    provider = yaml.safe_load((DASHBOARDS / "grafana-provisioning/dashboards/harness.yaml").read_text())
    mounted = {each.split(":")[1] for each in compose["services"]["grafana"]["volumes"]}
    assert provider["providers"][0]["options"]["path"] in mounted
    assert yaml.safe_load((DASHBOARDS / "collector.yaml").read_text())["service"]["pipelines"]
    done = subprocess.run(
        ["promtool", "check", "config", str(DASHBOARDS / "prometheus/prometheus.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def kept(results: Results, reports: Path, rig: str, run: str, **changes: Any) -> None:
    """A run that ended, as its folder says."""
    folder = reports / rig / run
    folder.mkdir(parents=True)
    said = {**json.loads(results.model_dump_json(by_alias=True)), "run_id": run, **changes}
    (folder / "results.json").write_text(json.dumps(said))
    (folder / "run.json").write_text(json.dumps({"run_id": run, "status": "finished"}))


class Prometheus:
    """A real one on the loopback interface."""

    def __init__(self, folder: Path, target: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        told = rules()
        for group in told["groups"]:
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "3s"  # nobody waits for an hour here
        (folder / "rules.yaml").write_text(yaml.safe_dump(told))
        job = {"job_name": "harness", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": [job]}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus", f"--config.file={folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        self.seen: dict[str, set[str]] = {}

    def get(self, path: str, **values: str) -> Any:
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(values)}"
        with urllib.request.urlopen(address, timeout=20) as answer:
            return json.load(answer)["data"]

    def ready(self) -> bool:
        try:
            return bool(self.get("targets")["activeTargets"])
        except OSError:
            assert self.process.poll() is None, "prometheus has ended"
            return False

    def state(self, alert: str, rig: str) -> str:
        found = [each for each in self.get("alerts")["alerts"] if each["labels"]["alertname"] == alert]
        return next((each["state"] for each in found if each["labels"].get("rig") == rig), "quiet")


def until(holds: Callable[[], Any], what: Callable[[], str]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what()}"
        time.sleep(0.25)
    return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Path, set[str]]]:
    """Prometheus, the reports folder, and the queries that no panel got an answer to while a rig ran."""
    folder = tmp_path_factory.mktemp("bench")
    reports, observed = folder / "reports", folder / "observed"
    observed.mkdir()
    results = report_data.whole()[0]
    command = results.scenarios["command"]
    swarmed = command.model_copy(update={"swarm": swarm(trial(0), trial(1, 20.0, 3.0, 2.0, 9.0), trial(2))})
    kept(
        results.model_copy(update={"scenarios": {"command": swarmed}}),
        reports,
        "arm",
        "2026-01-01T00-00-00Z-0001",
    )
    environment = {
        **os.environ,
        "HARNESS_BUDGET_FOLDER": str(observed),
        "HARNESS_LOCK_DIR": str(folder / "locks"),
    }
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment)
    run = None
    try:
        with serving(reports, observed, None, 0, "127.0.0.1") as endpoint:
            prometheus = Prometheus(folder, endpoint.port)
            try:
                until(prometheus.ready, lambda: "Prometheus answers")
                run = subprocess.Popen(
                    [sys.executable, "-m", "harness", "run", "loopback", "--quiet", "--out", str(reports),
                     "--set", "scenarios.command.schedule.samples=10000",
                     "--set", "devices.robot.network_address=127.0.0.1"],
                    env=environment, cwd=ROOT,
                )  # fmt: skip
                left = {query for board in BOARDS for panel in board.panels for query, _ in panel.queries}
                left |= {rule["expr"] for rule in rules()["groups"][0]["rules"]}

                def answered() -> bool:
                    for query in sorted(left):
                        asked = query.replace("$__range", "1m").replace("$rig", ".*").replace("$pillar", ".*")
                        if prometheus.get("query", query=asked)["result"]:
                            left.discard(query)
                    return not left or run.poll() is not None

                until(answered, lambda: f"answers to {sorted(left)}")
                yield prometheus, reports, left
            finally:
                prometheus.process.terminate()
                prometheus.process.wait()
    finally:
        for process in (program, run):
            if process is not None:
                process.terminate()
                process.wait()


@pytest.mark.slow
def test_every_query_of_every_panel_and_every_record_answers_with_data(
    bench: tuple[Prometheus, Path, set[str]],
) -> None:
    assert bench[2] == set()


@pytest.mark.slow
def test_every_rule_is_evaluated_without_error(bench: tuple[Prometheus, Path, set[str]]) -> None:
    found = [rule for group in bench[0].get("rules")["groups"] for rule in group["rules"]]
    assert len(found) == sum(len(group["rules"]) for group in rules()["groups"])
    assert {(rule["name"], rule["health"], rule.get("lastError", "")) for rule in found} == {
        (rule["name"], "ok", "") for rule in found
    }


@pytest.mark.slow
def test_an_alert_goes_from_pending_to_firing_and_back(bench: tuple[Prometheus, Path, set[str]]) -> None:
    prometheus, reports, _ = bench
    name, failing = "HarnessRequirementFailed", report_data.whole()[0]
    asked = [each.model_copy(update={"verdict": Verdict.FAIL}) for each in failing.requirements]
    failed = failing.model_copy(update={"requirements": asked})
    kept(failed, reports, "failing", "2026-01-01T00-00-00Z-0001", verdict="FAIL")
    for state, run in (("pending", ""), ("firing", "2026-01-02T00-00-00Z-0002"), ("quiet", "")):
        until(lambda wanted=state: prometheus.state(name, "failing") == wanted, lambda wanted=state: wanted)
        if run:
            kept(failing, reports, "failing", run)
