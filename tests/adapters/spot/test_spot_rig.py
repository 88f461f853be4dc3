"""A Spot in a rig: what a rig file may not say, and one short run held against the robot's own log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from harness.arming import movements, require_arming
from harness.cli import cli
from harness.config import load_rig, rig_from_text
from harness.errors import ConfigurationError, SafetyError
from harness.folder import RunFolder
from harness.model import NO_STAMP

RIGS = Path(__file__).parents[3] / "rig_configs"
SIMULATED = (RIGS / "sim_spot.yaml").read_text()


class TestMistakes:
    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("command: velocity,", "command: velocty,", "velocity"),
            ("v_rot: {alternate", "v_rott: {alternate", "did you mean 'v_rot'"),
            ("limits: {v_x:", "limits: {vx:", "did you mean 'v_x'"),
            ("v_rot: 0.8}", "v_rot: 0.2}", "exceeds its limit"),
            ("of: velocity, event: received", "of: velocty, event: received", "did you mean 'velocity'"),
            (
                "of: velocity, event: received",
                "of: velocity, event: applied",
                "received or replied, not applied",
            ),
            ("of: velocity, event: received", "of: posture", "seen in signals"),
            ("end_ms: 600", "end_ms: 601", "600"),
            ("values: {to: stand}}\n", "values: {to: lie}}\n", "one of stand, sit, joints"),
            ("signal: ready", "signal: redy", "ready"),
            ("address: simulated", "address: simulated\n    stop: {port: velocity}", "a stop of its own"),
        ],
    )
    def test_is_told_where_it_is(self, old: str, new: str, said: str) -> None:
        assert SIMULATED.count(old) >= 1
        text = SIMULATED.replace(old, new, 1)
        with pytest.raises(ConfigurationError) as caught:
            rig_from_text(text, "spot.yaml")
        # A value beyond its limit is told where the value is.
        place = "{alternate" if said == "exceeds its limit" else new
        line = 1 + text[: text.index(place)].count("\n")
        told = f"{caught.value.message} {caught.value.hint}"
        assert said in told
        assert any(f"spot.yaml:{number}" in told for number in range(line - 1, line + 3))


class TestArming:
    def test_a_real_one_that_walks_is_refused_until_it_is_armed(self) -> None:
        rig = load_rig(RIGS / "spot.yaml").rig
        with pytest.raises(SafetyError, match="it moves a robot"):
            require_arming(rig, armed=False, operator="", ask=None)
        asked: list[str] = []
        require_arming(rig, armed=True, operator="Ada", ask=lambda question: not asked.append(question))
        (question,) = asked
        for bound in (
            "|v_x| <= 0.5",
            "|v_rot| <= 0.8",
            "each over after 600 ms",
            "at most 1 m from where it was",
        ):
            assert bound in question

    def test_one_that_moves_nothing_needs_no_arming(self) -> None:
        rig = load_rig(RIGS / "spot_state.yaml").rig
        assert not rig.rig.simulated
        assert movements(rig) == []
        require_arming(rig, armed=False, operator="", ask=None)

    def test_the_limits_of_the_real_rig_are_the_vendors(self) -> None:
        spot = load_rig(RIGS / "spot.yaml").rig.devices["spot"]
        assert spot.limits == {"v_x": 0.5, "v_y": 0.5, "v_rot": 0.8}
        assert spot.ports["velocity"].stimulus.end_ms <= 600


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spot")
    rig = yaml.safe_load(SIMULATED)
    rig["processes"]["spot"]["command"] += ["--truth", str(folder / "truth.jsonl")]
    rig["scenarios"]["command"]["schedule"] |= {"samples": 300, "warmup_s": 0.5}
    rig["scenarios"]["reply"]["schedule"] |= {"samples": 100, "warmup_s": 0.5}
    rig["scenarios"]["motion"]["schedule"] |= {"samples": 3, "stopping": "fixed"}
    for requirement in rig["requirements"]:
        requirement |= {"quantile": 0.5, "limit": 400}
    rig["host"] = {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0}
    (folder / "rig.yaml").write_text(yaml.safe_dump(rig, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
        arguments = ["run", str(folder / "rig.yaml"), "--out", str(folder / "out"), "--anyway"]
        ran = CliRunner().invoke(cli, arguments)
    [found] = (folder / "out" / "sim-spot").iterdir()
    assert (found / "results.json").is_file(), ran.output
    return found


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text())
    return found


def truth(run: Path, what: str) -> list[dict[str, Any]]:
    text = (run.parents[2] / "truth.jsonl").read_text()
    rows = (json.loads(line) for line in text.splitlines())
    return [row for row in rows if row["what"] == what]


@pytest.mark.slow
class TestARun:
    def test_nothing_was_lost(self, run: Path) -> None:
        scenarios = results(run)["scenarios"]
        for name, due in (("command", 300), ("reply", 100)):
            found = scenarios[name]
            assert found["sent"] + found["skipped"] == due
            assert found["answered"] == found["sent"] > due / 4
            assert found["lost"] == found["duplicates"] == 0
        motion = scenarios["motion"]
        # What a stall of the host may cost: a trial whose rest had too few values, or was none.
        without = motion["lost"] + motion["false_onsets"] + motion["no_signal"]
        assert motion["answered"] + without == motion["sent"] == 3
        assert not results(run)["aborted"]

    def test_one_way_figures_are_true_within_what_they_claim(self, run: Path) -> None:
        """The clock is 3.7 s behind and 40 ppm fast; the simulator logs when it really had each command."""
        folder = RunFolder.open(run)
        samples = folder.samples()
        samples = samples[samples["scenario"] == 0]
        samples = samples[samples["arrived_ns"] != NO_STAMP]
        received = folder.observations()["spot.received"]
        robot_ns = {int(row["key"]): int(row["received_ns"]) for row in received}
        real = {row["robot_ns"]: row["monotonic_ns"] for row in truth(run, "command")}
        off = np.array([row["arrived_ns"] - real[robot_ns[int(row["key"])]] for row in samples])
        (clock,) = [one for one in results(run)["clocks"] if one["name"] == "spot.robot"]
        assert clock["usable"]
        assert len(off) > 60
        assert np.abs(off).max() <= clock["bound_ms"] * 1e6
        assert clock["drift_ppm"][0] <= 40 <= clock["drift_ppm"][1]

    def test_the_report_names_robot_clock_and_stages(self, run: Path) -> None:
        found = results(run)
        about = json.loads((run / "run.json").read_text())["devices"]["spot"]["identity"]
        assert about["serial number"] == "simulated" and about["battery"] == "87 %"
        for name in ("reply", "motion"):
            assert found["scenarios"][name]["hops"][0]["name"] == "spot.received"
        assert (run / "report.pdf").stat().st_size > 10_000

    def test_it_ended_sitting_without_power_and_alone(self, run: Path) -> None:
        body = truth(run, "body")
        assert body[-1]["motors"] is False and body[-1]["speed"] < 0.05
        assert truth(run, "power off")[-1]["why"] == "safe power off"
        assert max(abs(row["x"]) + abs(row["y"]) for row in body) < 1.0
        assert max(row["speed"] for row in body) < 1.6
