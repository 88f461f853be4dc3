"""A loopback robot that becomes slower: suspicion from runs, confirmation by real reruns, and none without.

The runs that raise and confirm the suspicion are made by the harness; the 60 before them are copies of a real
run with changed figures.
"""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.history.reading import instant

pytestmark = pytest.mark.soak

SHORT = (
    "scenarios.command.schedule.warmup_s=0.1",
    "scenarios.command.schedule.rate_hz=200",
    "requirements[0].limit=80",
    # The median: a p99 of 300 samples on a busy test machine says more of the machine than of the robot.
    "requirements[0].quantile=0.5",
)
BEFORE, MS = 60, 40.0


def harness(*words: str | Path) -> Result:
    done = CliRunner().invoke(cli, [str(each) for each in words], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def run(out: Path, delay_ms: float) -> None:
    sets = [word for each in (*SHORT, f"devices.robot.delay_ms={delay_ms}") for word in ("--set", each)]
    harness("run", "loopback", "--out", out, "--samples", "300", "--anyway", "-q", *sets)


def baseline(reports: Path, real: Path) -> None:
    """BEFORE copies of a real run, an hour apart, their figures with 3 % of noise."""
    rng = np.random.default_rng(8)
    results = json.loads((real / "results.json").read_text())
    estimate = results["requirements"][0]["estimate"]
    newest = min(instant(results["started"]), datetime.now(timezone.utc)) - timedelta(hours=1)
    for number in range(BEFORE):
        started = newest - timedelta(hours=BEFORE - number)
        results["run_id"] = f"{started:%Y-%m-%dT%H-%M-%SZ}-{number:04x}"
        results["started"] = results["ended"] = started.isoformat()
        results["requirements"][0]["estimate"] = estimate * float(np.exp(0.03 * rng.normal()))
        folder = reports / "loopback" / results["run_id"]
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(results))
        shutil.copy(real / "run.json", folder)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("factor", "status"), [(1.1, 1), (1.0, 0)])
def test_reruns_of_a_loopback_robot(
    factor: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    first, reports = tmp_path / "first", tmp_path / "reports"
    run(first, MS)
    (real,) = (first / "loopback").iterdir()
    baseline(reports, real)
    for _ in range(8 if status else 2):
        run(reports, MS * factor)
        done = harness(
            "regressions", "loopback", "--reports", reports, "--confirm", "16", "--fail-on-regression"
        )
        print(done.output)
        if done.return_value:
            break
    assert done.return_value == status
    if status:
        assert "regression since" in done.output and "robot.behaviour: --delay-ms 40.0" in done.output
