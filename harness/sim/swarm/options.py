"""The command line of the swarm and of one robot of it."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.sim.swarm.detector import Margins
from harness.sim.swarm.formation import SHAPES
from harness.sim.swarm.settings import MS, Settings
from harness.sim.swarm.status import LIES

MAX_ROBOTS = 64
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Options:
    """What a robot, and the launcher of all, is told. ``robot`` 0: the launcher."""

    names: tuple[str, ...]
    robot: int
    first: bool
    namespace: str
    settings: Settings
    seed: int
    status_hz: float
    pose_hz: float
    poses_hz: float
    monitor_hz: float
    link_delay_ns: int
    link_jitter_ns: int
    link_loss: float
    reliable: bool
    misbehave: dict[int, str]
    log_truth: Path | None
    state_dir: Path | None
    forget: bool
    meet_ns: int
    realtime: int
    restart_after_s: float
    control: bool
    network_namespace: bool


def _milliseconds(text: str) -> int:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"{text}: a time in ms, 0 or more")
    return round(value * MS)


def _misbehaviour(text: str) -> tuple[int, str]:
    how, _, robot = text.partition(":")
    if how not in LIES or not robot.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: KIND:ROBOT, e.g. flapping:3; kinds: {', '.join(LIES)}")
    return int(robot), how


def parser() -> argparse.ArgumentParser:
    """The options, described."""
    default = Settings()
    one = argparse.ArgumentParser("python -m harness.sim.swarm", description=(__doc__ or "").strip())
    add = one.add_argument
    add("--robots", type=int, default=5, help="how many (3 to 64)")
    add("--names", default="robot{}", help="pattern with {} for the number, or names with commas between")
    add("--namespace", default="", help="before all topics")
    add("--heartbeat-ms", type=_milliseconds, default=default.period_ns)
    add("--misses", type=int, default=default.margins.misses, help="heartbeats that may stay out")
    add("--deviations", type=float, default=default.margins.deviations, help="of the detector's margin")
    add("--least-margin-ms", type=_milliseconds, default=default.margins.least_ns)
    add("--most-margin-ms", type=_milliseconds, default=default.margins.most_ns)
    add("--stagger-ms", type=_milliseconds, default=default.stagger_ns, help="between turns of two slots")
    add("--spread-ms", type=_milliseconds, default=default.spread_ns, help="random part of a turn")
    add("--retry-ms", type=_milliseconds, default=default.retry_ns)
    add("--repeat-ms", type=_milliseconds, default=default.repeat_ns)
    add("--absent-ms", type=_milliseconds, default=default.absent_ns)
    add("--startup-ms", type=_milliseconds, default=default.startup_ns)
    add("--quarantine-ms", type=_milliseconds, default=default.quarantine_ns)
    add("--formation", choices=SHAPES, default=default.shape)
    add("--seed", type=int, default=0)
    add("--status-hz", type=float, default=100.0, help="beside each change at once")
    add("--pose-hz", type=float, default=20.0)
    add("--monitor-hz", type=float, default=0.0, help="/swarm/status, of all robots in one message; 0: none")
    add("--poses-hz", type=float, default=0.0, help="/poses of all robots, as motion capture gives; 0: none")
    add("--link-delay-ms", type=_milliseconds, default=0, help="of what each robot hears of the others")
    add("--link-jitter-ms", type=_milliseconds, default=0)
    add("--link-loss", type=float, default=0.0, help="probability, 0 to 1")
    add("--reliable", action="store_true", help="between robots; best effort otherwise")
    add("--misbehave", type=_misbehaviour, action="append", default=[], metavar="KIND:ROBOT")
    add("--log-truth", type=Path, metavar="DIRECTORY")
    add("--state-dir", type=Path, metavar="DIRECTORY", help="terms and votes; a temporary one otherwise")
    add("--forget", action="store_true", help="a robot that is started again has lost its memory")
    add("--meet-ms", type=_milliseconds, default=5_000 * MS, help="wait for all robots at most this long")
    add("--realtime", type=int, default=0, help="SCHED_RR with this priority; needs root; 0: do not")
    add("--restart-after-s", type=float, default=0.0, help="start a dead robot again; 0: on SIGUSR1 only")
    add("--control", action="store_true", help="service swarm/restart: start dead robots again")
    add("--network-namespace", action="store_true", help="one for each robot; needs root")
    add("--robot", type=int, default=0, help=argparse.SUPPRESS)
    add("--first", action="store_true", help=argparse.SUPPRESS)
    return one


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options; ends the process with status 2 and a message where they make no sense."""
    one = parser()
    told = one.parse_args(arguments)
    names = tuple(
        told.names.format(number) if "{" in told.names else name
        for number, name in enumerate(
            [""] * told.robots if "{" in told.names else told.names.split(","), start=1
        )
    )
    if not 3 <= len(names) <= MAX_ROBOTS:
        one.error(f"{len(names)} robots: a majority must survive the loss of one, so 3 to {MAX_ROBOTS}")
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) for name in names):
        one.error(f"names {', '.join(names)}: letters, digits and _, a letter first, no name twice")
    if told.heartbeat_ms < MS:
        one.error(f"--heartbeat-ms {told.heartbeat_ms / MS:g}: 1 or more")
    if min(told.repeat_ms, told.retry_ms, told.startup_ms) < MS:
        one.error("--repeat-ms, --retry-ms and --startup-ms: 1 or more")
    if not 0.0 <= told.link_loss < 1.0:
        one.error(f"--link-loss {told.link_loss:g}: from 0 to below 1")
    if told.misses < 0 or told.deviations < 0 or told.status_hz <= 0 or told.pose_hz <= 0:
        one.error("--misses and --deviations are 0 or more; --status-hz and --pose-hz above 0")
    if not 0 <= told.realtime <= 99:
        one.error(f"--realtime {told.realtime}: a priority from 1 to 99, or 0")
    wrong = [robot for robot, _ in told.misbehave if not 1 <= robot <= len(names)]
    if wrong:
        one.error(f"--misbehave of robot {wrong[0]}: there are robots 1 to {len(names)}")
    margins = Margins(told.misses, told.deviations, told.least_margin_ms, told.most_margin_ms)
    settings = Settings(
        told.heartbeat_ms,
        margins,
        told.stagger_ms,
        told.spread_ms,
        told.retry_ms,
        told.repeat_ms,
        told.absent_ms,
        told.startup_ms,
        told.quarantine_ms,
        told.formation,
    )
    return Options(
        names,
        told.robot,
        told.first,
        told.namespace.strip("/"),
        settings,
        told.seed,
        told.status_hz,
        told.pose_hz,
        told.poses_hz,
        told.monitor_hz,
        told.link_delay_ms,
        told.link_jitter_ms,
        told.link_loss,
        told.reliable,
        dict(told.misbehave),
        told.log_truth,
        told.state_dir,
        told.forget,
        told.meet_ms,
        told.realtime,
        told.restart_after_s,
        told.control,
        told.network_namespace,
    )
