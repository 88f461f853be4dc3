"""Starts all robots at once and keeps them."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from harness.errors import HarnessError
from harness.sim.swarm.children import Children, forget
from harness.sim.swarm.netns import ENVIRONMENT, Namespaces
from harness.sim.swarm.options import Options

LOOK_S = 0.02
TRANSPORT = {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
"""Robots have no memory in common; and on one host, a robot that was killed leaves segments behind through
which the others then talk into the void, for up to half a minute after it is back."""


def launch(options: Options, arguments: Sequence[str], stopped: Callable[[], bool]) -> int:
    """Run the swarm until ``stopped()``; the exit status. SIGUSR1 starts dead robots again."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    signal.signal(signal.SIGUSR1, ask)
    spaces = Namespaces(options.names) if options.network_namespace else None
    with tempfile.TemporaryDirectory(prefix="harness-swarm-") as temporary:
        states = options.state_dir or Path(temporary)
        states.mkdir(parents=True, exist_ok=True)
        environment = {**TRANSPORT, **os.environ, **(ENVIRONMENT if spaces else {})}
        children = Children(spaces.wrap if spaces else lambda name, command: command, environment)
        try:
            if spaces:
                spaces.open()
                print(
                    f"swarm: network namespaces {spaces.namespace('NAME')}, bridge {spaces.bridge}",
                    flush=True,
                )
            for number, name in enumerate(options.names, 1):
                own = [*arguments, f"--robot={number}", f"--state-dir={states}"]
                children.start(name, own, ["--first"])
            if options.control or options.poses_hz > 0:
                children.start("control", [*arguments, "--robot=-1"])
            print(f"swarm: {len(options.names)} robots started", flush=True)
            _keep(options, children, states, asked, stopped)
        except HarnessError as error:
            print(f"swarm: {error}", flush=True)
            return error.exit_status
        finally:
            children.end()
            if spaces:
                spaces.close()
    return 0


def _keep(
    options: Options, children: Children, states: Path, asked: list[int], stopped: Callable[[], bool]
) -> None:
    def before(name: str) -> None:
        if options.forget:
            forget(states, name)

    while not stopped():
        dead = children.dead()
        now = time.monotonic()
        everyone = bool(asked)
        asked.clear()
        for name, since in dead.items():
            late = options.restart_after_s > 0 and now - since >= options.restart_after_s
            if everyone or late:
                children.restart(name, before)
        time.sleep(LOOK_S)
