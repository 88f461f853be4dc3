"""Runs whose slow answers have a known cause; ``python tests/soak/cause_bench.py CAUSE OUT [SEED]``."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROBOT_CORE, HARNESS_CORE = 0, 1
LIMIT_S = 90.0
GROUPS = Path("/sys/fs/cgroup/memory")
MAP_BYTES, MEMORY_BYTES = 160 << 20, 48 << 20
CAUSES = (
    "clean",
    "hog on the robot's core",
    "hog on the harness's core",
    "memory pressure",
    "paused process",
    "slow link",
    "garbage collection",
    "periodic task",
    "latency timer",
)
RIG = """
rig: {{name: cause-bench, description: Known causes, simulated: true}}
processes:
  robot:
    command: [{python}, {robot}{more}]
    ready: {{publishes: echo}}
devices:
  robot:
    adapter: loopback
    echo: process
    external: true
    limits: {{value: 1.0}}
    ports:
      command: {{stimulus: {{key: sequence, values: {{value: {{alternate: [0.5, -0.5]}}}}}}}}
      applied: {{response: {{of: command, match: {{kind: sequence, answers: each}}}}}}
scenarios:
  command:
    kind: command_round_trip
    stimulus: robot.command
    response: robot.applied
    timeout_ms: 200
    schedule: {{kind: paced, rate_hz: 200, samples: {samples}, warmup_s: 1.2}}
requirements:
  - {{id: RTT, scenario: command, quantity: latency, quantile: 0.99, limit: 10, unit: ms, confidence: 0.95}}
host: {{floor_s: 0, cpu: {core}, max_load_per_cpu: 1000}}
"""
SERIAL = """
rig: {{name: cause-bench, description: Known causes, simulated: true}}
processes:
  robot:
    command: [chrt, -f, "50", {python}, -m, harness.sim.serial_robot, --jitter-ms, "0.5",
              --latency-timer-ms, "16"]
    ready: {{log: ready, first: true}}
devices:
  robot:
    adapter: serial_text
    port: simulated
    boot: {{banner: serial robot ready, within_s: 10}}
    limits: {{speed: 0.5}}
    stop: {{port: halt}}
    ports:
      drive: {{stimulus: {{send: "$DRV,{{key}},{{speed:.3f}}*{{checksum}}\\r\\n",
               checksum: {{kind: xor, after: $, before: "*"}},
               values: {{speed: {{alternate: [0.2, -0.2]}}}}}}}}
      done:
        response:
          pattern: '\\$ACK,(?P<number>\\d+),(?P<speed>[-.\\d]+)\\*(?P<checksum>[0-9A-F]{{2}})'
          checksum: {{kind: xor, after: $, before: "*"}}
          of: drive
          match: {{kind: sequence, path: number}}
          value: speed
      halt: {{stimulus: {{send: "$STP*{{checksum}}\\r\\n", checksum: {{kind: xor, after: $, before: "*"}}}}}}
scenarios:
  command:
    kind: command_round_trip
    stimulus: robot.drive
    response: robot.done
    timeout_ms: 200
    schedule: {{kind: paced, rate_hz: 100, samples: {samples}, warmup_s: 1}}
requirements:
  - {{id: RTT, scenario: command, quantity: latency, quantile: 0.95, limit: 10, unit: ms, confidence: 0.95}}
host: {{floor_s: 0, max_load_per_cpu: 1000}}
"""


def make(cause: str, out: Path, seed: int = 1, samples: int = 1200) -> Path:
    """One run with that cause; its folder."""
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        more = ["--seed", str(seed)]
        if cause == "slow link":
            more.append("--link")
        if cause == "memory pressure":
            more += stack.enter_context(_memory(out))
        rig = out / f"rig-{cause.replace(' ', '-').replace(chr(39), '')}-{seed}.yaml"
        text = (SERIAL if cause == "latency timer" else RIG).format(
            python=sys.executable,
            robot=HERE / "cause_robot.py",
            more="".join(f', "{each}"' for each in more),
            samples=samples,
            core=HARNESS_CORE,
        )
        rig.write_text(text)
        how = [f"core={HARNESS_CORE}"] + (["garbage"] if cause == "garbage collection" else [])
        harness = subprocess.Popen(
            [sys.executable, str(HERE / "cause_harness.py"), str(rig), str(out), *how],
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(_end, harness)
        assert harness.stdout is not None
        folder = Path(harness.stdout.readline().strip())
        _until(lambda: "measuring" in _text(folder / "events.jsonl"), harness)
        disturbance = _disturbance(cause, folder, seed)
        if disturbance is not None:
            stack.callback(_end, disturbance)
        assert harness.wait(LIMIT_S) == 0
    return folder


def _disturbance(cause: str, folder: Path, seed: int) -> subprocess.Popen[bytes] | None:
    robot = next(
        json.loads(line)["pid"]
        for line in _text(folder / "events.jsonl").splitlines()
        if '"process_started"' in line
    )
    what = {
        "hog on the robot's core": ("hog", ROBOT_CORE),
        "hog on the harness's core": ("hog", HARNESS_CORE),
        "paused process": ("pause", robot),
        "periodic task": ("task", ROBOT_CORE),
    }.get(cause)
    if what is None:
        return None
    words = [*map(str, what), "30", str(seed)]
    return subprocess.Popen([sys.executable, str(HERE / "cause_inject.py"), *words])


@contextlib.contextmanager
def _memory(out: Path) -> Iterator[list[str]]:
    """A memory group smaller than the map that the robot uses."""
    group, file = GROUPS / f"causes-{os.getpid()}", out / "map.bin"
    if not file.exists():
        file.write_bytes(os.urandom(1 << 20) * (MAP_BYTES >> 20))
    # Out of memory with it: pages that are read anew count for the group that reads them.
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
        yield ["--group", str(group), "--map", str(file)]
    finally:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _until(holds, process: subprocess.Popen[str]) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert process.poll() is None, "the harness ended before it measured"
        assert time.monotonic() < end
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    print(make(sys.argv[1], Path(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])))
