"""The bench board in whole runs: wires of known lengths, measured by the harness, judged, reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.config import rig_from_text

pytestmark = pytest.mark.slow

WIRES_MS = {"short": 1.0, "middle": 5.0, "long": 20.0}
PINS = {"short": ("D4", "D8"), "middle": ("D5", "D2"), "long": ("D6", "D3")}


def rig() -> str:
    wires = "".join(f', --wire, "{PINS[n][0]}:{PINS[n][1]}:{ms * 1000:.0f}"' for n, ms in WIRES_MS.items())
    ports = "".join(
        f"""
      {name}: {{stimulus: {{output: {out}, kind: pulse, width_ms: 1}}}}
      {name}_out: {{response: {{of: {name}, match: {{kind: sequence}}}}}}
      {name}_in: {{response: {{input: {into}, edges: rising, match: {{kind: order}}}}}}"""
        for name, (out, into) in PINS.items()
    )
    scenarios = "".join(
        f"""
  {name}:
    kind: command_round_trip
    stimulus: board.{name}
    response: board.{name}_in
    stages: [board.{name}_out]
    arrival: stamp
    timeout_ms: 2000
    schedule: {{kind: trials, samples: 20, stopping: fixed, quiet_ms: 5}}"""
        for name in WIRES_MS
    )
    requirements = "".join(
        f"\n  - {{id: {name.upper()}, scenario: {name}, quantile: 0.5, limit: 500}}" for name in WIRES_MS
    )
    return f"""rig: {{name: wires, description: Wires of known lengths, simulated: true}}
processes:
  board:
    command: [python, -m, harness.sim.board{wires}]
    ready: {{log: ready, first: true}}
devices:
  board:
    adapter: serial_board
    port: simulated
    dead_man_ms: 20000
    ports:{ports}
scenarios:{scenarios}
requirements:{requirements}
host: {{floor_s: 0, max_load_per_cpu: 1000}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wires")
    (folder / "wires.yaml").write_text(rig())
    ran = CliRunner().invoke(cli, ["run", str(folder / "wires.yaml"), "--out", str(folder / "reports")])
    [found] = (folder / "reports" / "wires").iterdir()
    assert (found / "results.json").is_file(), ran.output
    return found


def test_the_rig_file_says_what_it_means() -> None:
    options = rig_from_text(rig(), "wires.yaml").devices["board"]
    assert options.ports["short"].stimulus.key_kind == "sequence"


def test_nothing_was_lost_and_the_bench_was_whole(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    for name in WIRES_MS:
        counts = results["scenarios"][name]
        assert (counts["answered"], counts["lost"], counts["duplicates"]) == (20, 0, 0)
    assert results["verdict"] != "ERROR"


def test_wires_are_as_long_as_they_are(run: Path) -> None:
    """One counter stamps both ends: what is left is its steps, and the interrupt of D2 and D3."""
    table = pd.read_parquet(run / "observations.parquet")
    for name, wire_ms in WIRES_MS.items():
        out = table[table["port"] == f"board.{name}_out"].sort_values("stamp_ns")["stamp_ns"].to_numpy()
        into = table[table["port"] == f"board.{name}_in"].sort_values("stamp_ns")["stamp_ns"].to_numpy()
        assert len(out) == len(into) >= 20
        assert np.abs(into - out - wire_ms * 1e6).max() <= 25_000, name


def test_no_latency_is_shorter_than_its_wire_by_more_than_the_stated_bound(run: Path) -> None:
    """The bound is hard. The way to the board is in the latency as well: seventeen bytes, and this host."""
    results = json.loads((run / "results.json").read_text())
    table = pd.read_parquet(run / "samples.parquet")
    for number, (name, wire_ms) in enumerate(WIRES_MS.items()):
        [offset] = [
            each
            for each in results["uncertainty"]
            if each["requirement"] == name.upper() and each["name"] == "clock offset"
        ]
        assert offset["hard"]
        assert "board.ticks" in offset["source"]
        rows = table[(table["scenario"] == number) & (table["stimulus_flags"] == 0)]
        latency_ms = (rows["arrived_ns"] - rows["sent_ns"]) / 1e6
        assert len(rows) == 20
        assert latency_ms.min() >= wire_ms + 17 * 0.01 - offset["half_width_ms"]
        assert "converted within" in results["scenarios"][name]["arrival_is"]
