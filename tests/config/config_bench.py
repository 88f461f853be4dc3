"""A small adapter for tests of the rig file reader: options only, nothing behind them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.config.measuring import Background
from harness.config.schema import DeviceBase, Match, Name, Strict, Value


class Quality(Strict):
    depth: int = Field(default=1, ge=1)
    reliable: bool = True


class StimulusOptions(Strict):
    topic: str
    key: Literal["stamp", "sequence"] | None = None
    values: dict[str, Value] = Field(default={})
    background: Background | None = None


class ResponseOptions(Strict):
    topic: str
    match: Match | None = None
    quality: Literal["deep", "shallow"] | Quality = "deep"


class FaultOptions(Strict):
    kind: Literal["kill", "hang"]


class Port(Strict):
    stimulus: StimulusOptions | None = None
    response: ResponseOptions | None = None
    fault: FaultOptions | None = None


class Options(DeviceBase):
    adapter: Literal["bench"]
    domain: int | Literal["auto"] | None = None
    ports: dict[Name, Port] = Field(default={})


BASE = """\
rig:
  name: bench-rig
  simulated: true
  item: {serial: "0042"}
processes:
  robot: {command: [python, -m, robot], ready: {publishes: /odom}}
devices:
  robot:
    adapter: bench
    limits: {twist.x: 0.5, data: 1.0}
    stop: {port: cmd, values: {twist.x: 0.0}}
    ports:
      cmd: {stimulus: {topic: /cmd, key: stamp, values: {twist.x: {alternate: [0.2, -0.2]}}}}
      counted: {stimulus: {topic: /cmd2, key: sequence}}
      applied: {response: {topic: /applied, match: {kind: stamp, path: header.stamp}}}
      first: {response: {topic: /first, match: {kind: order}}}
      odom: {response: {topic: /odom}}
      crash: {fault: {kind: kill}}
setup:
  - {send: robot.cmd, values: {twist.x: 0.1}}
  - {wait_for: robot.odom, at_least: 0.0, at_most: 1.0}
  - {call: [echo, hello]}
  - {ask: Clear the area}
  - {sleep_s: 0.5}
scenarios:
  command:
    kind: command_round_trip
    stimulus: robot.cmd
    response: robot.applied
    timeout_ms: 100
    schedule: {kind: paced, rate_hz: 200, samples: 3000}
  rest:
    kind: command_round_trip
    stimulus: robot.cmd
    response: robot.first
    timeout_ms: 500
    schedule: {kind: trials, samples: 100, dwell_ms: [10, 50]}
monitors:
  - {port: robot.odom, name: real-time factor, at_least: 0.99}
requirements:
  - {id: CMD-RTT, scenario: command, quantile: 0.99, limit: 10}
  - {id: REST-RTT, scenario: rest, quantile: 0.5, limit: 0.1, unit: s}
"""


def edited(*edits: tuple[str, str]) -> str:
    """BASE with each (old, new) replaced once; ``old`` has to be there."""
    text = BASE
    for old, new in edits:
        assert text.count(old) >= 1, f"{old!r} is not in the base file"
        text = text.replace(old, new, 1)
    return text
