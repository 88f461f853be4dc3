"""The node and a client in processes of their own, in a domain of their own, on a rig that needs no ROS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from harness.model import SampleFlag, StimulusFlag

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
NOT_COUNTED = StimulusFlag.WARM_UP | StimulusFlag.PROBE | StimulusFlag.RETURN


def rig_file(folder: Path, name: str = "node-rig", *, samples: int = 300, simulated: bool = True) -> Path:
    """A rig that loses every 20th command, so that lost ones are among the samples."""
    rig = yaml.safe_load((ROOT / "rig_configs" / "loopback.yaml").read_text(encoding="utf-8"))
    rig["rig"].update(name=name, simulated=simulated)
    rig["host"] = {"floor_s": 0}
    # On one clock, what is shown meanwhile is to the last digit what is in the tables at the end.
    rig["devices"]["robot"].update(drop_every=20, received_clock="monotonic")
    rig["scenarios"]["command"]["timeout_ms"] = 500
    rig["scenarios"]["command"]["schedule"].update(samples=samples, warmup_s=0.1)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(rig), encoding="utf-8")
    return path


class Bench:
    def __init__(self, folder: Path, domain: int) -> None:
        self.folder = folder
        self.out = folder / "reports"
        self.environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "HARNESS_LOCK_DIR": str(folder / "locks"),
            "PYTHONPATH": str(ROOT),
        }
        self.log = folder / "node.log"
        self._processes: list[subprocess.Popen[str]] = []
        self.node: subprocess.Popen[str]
        self._client: subprocess.Popen[str]

    def start_node(self, rig: str | Path, *ros: str, **parameters: object) -> None:
        given = {"out": self.out, "anyway": "true", "quiet": "true", **parameters}
        words = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
        command = [sys.executable, "-m", "harness", "node", str(rig), "--ros-args", *words, *ros]
        with self.log.open("w") as log:
            self.node = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, text=True
            )
        self._processes.append(self.node)

    def start_client(self, name: str = "/harness", latency: str = "/harness/latency") -> None:
        self._client = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "ros_client.py"), name, latency],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(self._client)
        self.until(lambda: self.node.poll() is not None or self.ask("counts")["last"], "a status")
        assert self.node.poll() is None, self.log.read_text()

    def ask(self, *order: Any) -> Any:
        assert self._client.stdin is not None and self._client.stdout is not None
        self._client.stdin.write(json.dumps(order) + "\n")
        self._client.stdin.flush()
        answer = self._client.stdout.readline()
        assert answer, self.log.read_text()
        return json.loads(answer)

    def last(self) -> dict[str, str]:
        return dict(self.ask("counts")["last"])

    def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}\n{self.log.read_text()}"
            time.sleep(0.05)

    def run_folder(self) -> Path:
        return max((path.parent for path in self.out.glob("*/*/run.json")), key=lambda path: path.name)

    def close(self) -> None:
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            if process.poll() is None and process is self.node:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def run_json(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text(encoding="utf-8")))


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def counted(folder: Path) -> list[dict[str, Any]]:
    """The rows of samples.parquet that belong to the measurement, in order."""
    rows = pq.read_table(folder / "samples.parquet").to_pylist()
    return [row for row in rows if not row["stimulus_flags"] & NOT_COUNTED and row["scenario"] < 60_000]


def lost(row: dict[str, Any]) -> bool:
    return bool(row["flags"] & SampleFlag.LOST)
