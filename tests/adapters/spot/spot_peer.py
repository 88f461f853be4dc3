"""The simulated Spot as a process, and the options of a device that meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.adapters.spot.options import Options

USER, PASSWORD = "tester", "of this test alone"
USER_VARIABLE, PASSWORD_VARIABLE = "SPOT_TEST_USER", "SPOT_TEST_PASSWORD"
DEADLINE_S = 60.0


@dataclass
class Peer:
    """A simulator that runs: where it is met, and its files."""

    process: subprocess.Popen[str]
    port: int
    certificate: Path
    control: Path
    truth: Path

    def options(self, ports: dict[str, Any], **more: Any) -> Options:
        """Of a device that meets it."""
        return Options.model_validate(
            {
                "adapter": "spot",
                "address": "127.0.0.1",
                "tcp_port": self.port,
                "certificate": str(self.certificate),
                "username_variable": USER_VARIABLE,
                "password_variable": PASSWORD_VARIABLE,
                "ports": ports,
                **more,
            }
        )

    def end(self) -> None:
        """Make it die as a crash would. Repeatable."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def finish(self) -> None:
        """End it in good order, so that the truth is written whole."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE_S)
        self.end()


def start(folder: Path, name: str, *arguments: str) -> Peer:
    """Start one on a free port and wait until it is ready."""
    certificate, control, truth = (folder / f"{name}.{kind}" for kind in ("pem", "sock", "jsonl"))
    command = [sys.executable, "-m", "harness.sim.spot", "--port", "0", "--username", USER]
    command += ["--password", PASSWORD, "--certificate", str(certificate), "--control", str(control)]
    process = subprocess.Popen(
        [*command, "--truth", str(truth), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    deadline = time.monotonic() + DEADLINE_S
    line = process.stdout.readline()
    assert "ready" in line and time.monotonic() < deadline, line
    port = int(line.split("127.0.0.1:")[1].split(",")[0])
    return Peer(process, port, certificate, control, truth)
