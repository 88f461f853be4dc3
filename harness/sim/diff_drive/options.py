"""The command line of the simulated robot."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MISBEHAVIOURS = """\
misbehaviours (--misbehave, may be repeated; for tests of the harness):
  delay:MS        every answer goes out MS late
  jitter:MS       every answer goes out late by a random time up to MS; their order is kept
  twice           every answer goes out twice
  reorder         answers go out in pairs, the second one first
  drop:N          every N-th command is not answered; the wheels follow it all the same
  silent          no command is answered; the wheels follow all the same
  slow-loop:MS    the robot looks for commands only every MS
  latest          of the commands found in one look, only the newest is answered
  die-after:N     the process ends at once, status 70, without clean-up, when N commands have been answered
  stall:MS@N      the whole process stands still for MS when the N-th command arrives
  never-appear    the process runs, but never becomes a ROS 2 node
"""


@dataclass(frozen=True)
class Misbehaviour:
    """What the robot does wrong; nothing, by default. Times in ms, counts in commands, 0: not at all."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    twice: bool = False
    reorder: bool = False
    drop: int = 0
    silent: bool = False
    slow_loop_ms: float = 0.0
    latest: bool = False
    die_after: int = 0
    stall_ms: float = 0.0
    stall_at: int = 0
    never_appear: bool = False


@dataclass(frozen=True)
class Options:
    """All that the command line says."""

    rate_hz: int = 1000
    odom_hz: float = 50.0
    imu_hz: float = 100.0
    seed: int = 0
    noise: float = 1.0
    namespace: str = ""
    plain_twist: bool = False
    motion_pin: str | None = None
    log_truth: Path | None = None
    misbehaviour: Misbehaviour = Misbehaviour()


_FLAGS = ("twice", "reorder", "silent", "latest", "never_appear")


def parse_misbehaviour(words: Sequence[str]) -> Misbehaviour:
    """``["delay:5", "twice"]`` as a :class:`Misbehaviour`. Raises ValueError that names the word."""
    chosen: dict[str, float | int | bool] = {}
    for word in words:
        name, _, argument = word.partition(":")
        key = name.replace("-", "_")
        if key in _FLAGS and not argument:
            chosen[key] = True
        elif key in ("delay", "jitter", "slow_loop"):
            chosen[f"{key}_ms"] = _positive(word, argument)
        elif key in ("drop", "die_after"):
            chosen[key] = _count(word, argument)
        elif key == "stall":
            milliseconds, _, at = argument.partition("@")
            chosen["stall_ms"] = _positive(word, milliseconds)
            chosen["stall_at"] = _count(word, at)
        else:
            raise ValueError(f"misbehaviour {word!r} is not known")
    return Misbehaviour(**chosen)  # type: ignore[arg-type]


def _positive(word: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 60_000.0:
        raise ValueError(f"misbehaviour {word!r}: needs milliseconds, more than 0 and at most 60000")
    return value


def _count(word: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"misbehaviour {word!r}: needs a number of commands, 1 or more")
    return int(text)


def _physics_rate(text: str) -> int:
    rate = int(text)
    if not 200 <= rate <= 10_000:
        raise argparse.ArgumentTypeError(f"{rate} Hz: must be from 200 to 10000")
    return rate


def _topic_rate(text: str) -> float:
    rate = float(text)
    if not 1.0 <= rate <= 10_000.0:
        raise argparse.ArgumentTypeError(f"{text} Hz: must be from 1 to the physics rate")
    return rate


def _noise(text: str) -> float:
    noise = float(text)
    if not 0.0 <= noise <= 1000.0:
        raise argparse.ArgumentTypeError(f"{text}: must be from 0 to 1000")
    return noise


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line (``sys.argv`` if None). Ends the process with status 2 for a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.sim.diff_drive",
        description="A simulated differential-drive robot on ROS 2; physics in step with the wall clock.",
        epilog=MISBEHAVIOURS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Options()
    parser.add_argument(
        "--rate-hz", type=_physics_rate, default=default.rate_hz, help="physics steps per second"
    )
    parser.add_argument("--odom-hz", type=_topic_rate, default=default.odom_hz, help="rate of odom")
    parser.add_argument("--imu-hz", type=_topic_rate, default=default.imu_hz, help="rate of imu")
    parser.add_argument("--seed", type=int, default=default.seed, help="of the sensor noise and of jitter")
    parser.add_argument(
        "--noise", type=_noise, default=default.noise, help="factor on the sensor noise, 0: none"
    )
    parser.add_argument("--namespace", default=default.namespace, help="ROS 2 namespace of node and topics")
    parser.add_argument(
        "--plain-twist",
        action="store_true",
        help="take geometry_msgs/Twist on cmd_vel and repeat no command, as most bases do",
    )
    parser.add_argument(
        "--motion-pin",
        metavar="PIN",
        help="an input of the simulated bench board of this rig, which it drives high while its wheels turn",
    )
    parser.add_argument(
        "--log-truth", type=Path, metavar="FILE", help="what became of each command, as JSON lines"
    )
    parser.add_argument("--misbehave", action="append", default=[], metavar="HOW", help="see below")
    given = parser.parse_args(arguments)
    if max(given.odom_hz, given.imu_hz) > given.rate_hz:
        parser.error(f"--odom-hz and --imu-hz must not exceed --rate-hz ({given.rate_hz})")
    try:
        misbehaviour = parse_misbehaviour(given.misbehave)
    except ValueError as error:
        parser.error(str(error))
    return Options(
        rate_hz=given.rate_hz,
        odom_hz=given.odom_hz,
        imu_hz=given.imu_hz,
        seed=given.seed,
        noise=given.noise,
        namespace=given.namespace,
        plain_twist=given.plain_twist,
        motion_pin=given.motion_pin,
        log_truth=given.log_truth,
        misbehaviour=misbehaviour,
    )
