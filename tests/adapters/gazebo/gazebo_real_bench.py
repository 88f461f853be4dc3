"""What the tests against the real Gazebo share: a simulator, and a device that looks at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gazebo_bench import Bench, options

from harness.adapters.gazebo import vendor
from harness.proctable import RUN_ID_VARIABLE

RIGS = Path(__file__).resolve().parents[3] / "rig_configs"


def skip_without_gazebo() -> None:
    """Skip the test where the simulator or its bindings are not installed."""
    vendor.load.cache_clear()
    if not vendor.installed() or shutil.which("gz") is None:
        pytest.skip("no Gazebo")


@contextlib.contextmanager
def simulator(
    partition: str, *words: str, world: str | Path = "diff_drive"
) -> Iterator[subprocess.Popen[bytes]]:
    """A simulator in that partition, ended with its children."""
    environment = {
        **os.environ,
        "GZ_PARTITION": partition,
        "GZ_IP": "127.0.0.1",
        RUN_ID_VARIABLE: partition,
    }
    sdf = world if isinstance(world, Path) else RIGS / "gazebo" / f"{world}.sdf"
    process = subprocess.Popen(
        [
            "gz",
            "sim",
            "-s",
            *words,
            str(sdf),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def opened(partition: str, ports: Any = None, **given: Any) -> Iterator[Bench]:
    """A device, once everybody is there."""
    how = options(ports, partition=partition, **{"patience_s": 30.0, "silence_s": 5.0, **given})
    with Bench(how, rig_folder=RIGS) as bench:
        assert bench.device.preflight() == []
        yield bench
