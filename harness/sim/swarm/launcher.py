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
PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<profiles xmlns="http://www.eprosima.com">
  <transport_descriptors>
    <transport_descriptor>
      <transport_id>loopback</transport_id>
      <type>UDPv4</type>
      <maxInitialPeersRange>80</maxInitialPeersRange>
      <interfaceWhiteList><address>127.0.0.1</address></interfaceWhiteList>
    </transport_descriptor>
  </transport_descriptors>
  <participant profile_name="robot" is_default_profile="true">
    <rtps>
      <userTransports><transport_id>loopback</transport_id></userTransports>
      <useBuiltinTransports>false</useBuiltinTransports>
    </rtps>
  </participant>
</profiles>
"""


def transport(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """What has robots speak UDP alone, as those that have no memory in common do.

    At the shared memory of a robot that was killed Fast DDS has the others wait for a second (health check
    of its port) and then talk into the void. Discovery range LOCALHOST always adds shared memory, so that a
    profile of the middleware takes its place; whoever gives a profile of their own is left alone.
    """
    if environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() != "LOCALHOST":
        return {"FASTDDS_BUILTIN_TRANSPORTS": environment.get("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")}
    if "FASTRTPS_DEFAULT_PROFILES_FILE" in environment or "FASTDDS_DEFAULT_PROFILES_FILE" in environment:
        return {}
    file = folder / "loopback.xml"
    file.write_text(PROFILE, encoding="utf-8")
    return {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(file),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(file),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
    }


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
        own = dict(ENVIRONMENT) if spaces else transport(Path(temporary), dict(os.environ))
        environment = {**os.environ, **own}
        children = Children(spaces.wrap if spaces else lambda name, command: command, environment)
        try:
            if spaces:
                spaces.open()
                print(
                    f"swarm: network namespaces {spaces.namespace('NAME')}, bridge {spaces.bridge}",
                    flush=True,
                )
            for number, name in enumerate(options.names, 1):
                words = [*arguments, f"--robot={number}", f"--state-dir={states}"]
                children.start(name, words, ["--first"])
            if options.control or max(options.poses_hz, options.monitor_hz) > 0:
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
