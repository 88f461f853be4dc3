"""Mistakes of adapters, references and what has to fit: edits (§ marks the place), where, and the words."""

from __future__ import annotations

from config_bench import BASE

Edit = tuple[str, str]

PARTS: dict[str, tuple[list[Edit], str, str]] = {
    # devices
    "unknown adapter": (
        [("adapter: bench", "adapter: §bnch")],
        "devices.robot.adapter",
        "did you mean 'bench'?",
    ),
    "adapter is a number": (
        [("adapter: bench", "adapter: §7")],
        "devices.robot.adapter",
        "unknown adapter 7",
    ),
    "no adapter": (
        [("  robot:\n    adapter: bench\n", "  §robot:\n")],
        "devices.robot.adapter",
        "missing; one of: bench,",
    ),
    "device is text": (
        [
            ("processes:", "devices: {robot: §bench}\nprocesses:"),
            (BASE[BASE.index("devices:") : BASE.index("setup:")], ""),
        ],
        "devices.robot",
        "must be a mapping with at least",
    ),
    "no devices": (
        [(BASE[BASE.index("devices:") : BASE.index("setup:")], "devices: §{}\n")],
        "devices",
        "at least an entry",
    ),
    "misspelt port direction": (
        [("odom: {response:", "odom: {§respons:")],
        "devices.robot.ports.odom.respons",
        "did you mean 'response'?",
    ),
    "port of two directions": (
        [("odom: {response: {topic: /odom}}", "odom: {response: {topic: /odom}, §fault: {kind: hang}}")],
        "devices.robot.ports.odom.fault",
        "a port is one of stimulus, response and fault, not response and fault",
    ),
    "port of no direction": (
        [("odom: {response: {topic: /odom}}", "§odom: {}")],
        "devices.robot.ports.odom",
        "needs one of the keys stimulus, response, fault",
    ),
    "stop on an unknown port": (
        [("stop: {port: cmd,", "stop: {port: §cdm,")],
        "devices.robot.stop.port",
        "robot has no port 'cdm'; did you mean 'cmd'?",
    ),
    "stop on a response": (
        [("stop: {port: cmd,", "stop: {port: §odom,")],
        "devices.robot.stop.port",
        "'odom' is not a stimulus; stimulus ports: cmd, counted",
    ),
    # references
    "scenario on an unknown device": (
        [("stimulus: robot.cmd\n", "stimulus: §robt.cmd\n")],
        "scenarios.command.stimulus",
        "there is no device 'robt'; did you mean 'robot'?",
    ),
    "scenario on an unknown port": (
        [("response: robot.applied", "response: §robot.aplied")],
        "scenarios.command.response",
        "robot has no port 'aplied'; did you mean 'applied'?",
    ),
    "stimulus is a response": (
        [("stimulus: robot.cmd\n", "stimulus: §robot.odom\n")],
        "scenarios.command.stimulus",
        "robot.odom is a response, not a stimulus; stimulus ports: cmd, counted",
    ),
    "response is a fault": (
        [("response: robot.applied", "response: §robot.crash")],
        "scenarios.command.response",
        "robot.crash is a fault, not a response",
    ),
    "response without match": (
        [
            ("response: robot.applied", "response: robot.odom"),
            ("odom: {response: {topic", "odom: {§response: {topic"),
        ],
        "devices.robot.ports.odom.response.match",
        "needed by the scenario command",
    ),
    "order with a paced schedule": (
        [("response: robot.applied", "response: robot.first"), ("{kind: paced", "{kind: §paced")],
        "scenarios.command.schedule.kind",
        "must be trials: robot.first matches by order",
    ),
    "key of another kind": (
        [
            (
                "stimulus: robot.cmd\n    response: robot.applied",
                "stimulus: robot.counted\n    response: §robot.applied",
            )
        ],
        "scenarios.command.response",
        "robot.applied matches by stamp, but robot.counted carries a sequence as its key",
    ),
    "no key": (
        [("key: stamp, ", ""), ("response: robot.applied", "response: §robot.applied")],
        "scenarios.command.response",
        "robot.cmd carries no key",
    ),
    "periodic without the robot's period": (
        [("samples: 3000}", "samples: 3000, §periodic: true}")],
        "scenarios.command.schedule.periodic",
        "needs robot_period_ms",
    ),
    "dwell from more to less": (
        [("dwell_ms: [10, 50]", "dwell_ms: §[50, 10]")],
        "scenarios.rest.schedule.dwell_ms",
        "from 50 to 10",
    ),
    "requirement on an unknown scenario": (
        [("scenario: command,", "scenario: §comand,")],
        "requirements[0].scenario",
        "there is no scenario 'comand'; did you mean 'command'?",
    ),
    "requirement id twice": (
        [("id: REST-RTT", "id: §CMD-RTT")],
        "requirements[1].id",
        "'CMD-RTT' is already the id of requirements[0]",
    ),
    "limit at the timeout": (
        [("limit: 10}", "limit: §100}")],
        "requirements[0].limit",
        "100 ms is not below the timeout of scenario command, 100 ms",
    ),
    "limit beyond the timeout, other unit": (
        [("limit: 0.1, unit: s", "limit: §0.6, unit: s")],
        "requirements[1].limit",
        "0.6 s is not below the timeout of scenario rest, 500 ms",
    ),
    "step on an unknown port": (
        [("send: robot.cmd,", "send: §robot.cmdd,")],
        "setup[0].send",
        "robot has no port 'cmdd'; did you mean 'cmd'?",
    ),
    "wait on a stimulus": (
        [("wait_for: robot.odom", "wait_for: §robot.cmd")],
        "setup[1].wait_for",
        "robot.cmd is a stimulus, not a response",
    ),
    "wait for an empty range": (
        [("at_least: 0.0, at_most: 1.0", "at_least: §2.0, at_most: 1.0")],
        "setup[1].at_least",
        "2 is more than at_most, 1",
    ),
    "step in tear-down": (
        [("scenarios:", "teardown:\n  - {send: §robot.odom}\nscenarios:")],
        "teardown[0].send",
        "robot.odom is a response, not a stimulus",
    ),
    "monitor on a stimulus": (
        [("{port: robot.odom, name", "{port: §robot.cmd, name")],
        "monitors[0].port",
        "robot.cmd is a stimulus, not a response",
    ),
    "monitor without bounds": (
        [
            (
                "  - {port: robot.odom, name: real-time factor, at_least: 0.99}",
                "  - §{port: robot.odom, name: rtf}",
            )
        ],
        "monitors[0].at_least",
        "needs at_least, at_most or both",
    ),
    "ready with several devices": (
        [("ready: {publishes", "ready: {§publishes"), ("devices:", "devices:\n  other: {adapter: bench}")],
        "processes.robot.ready.publishes",
        "needs `device` beside it, since the rig has several devices: other, robot",
    ),
    "ready asks an unknown device": (
        [("publishes: /odom}", "publishes: /odom, device: §robt}")],
        "processes.robot.ready.device",
        "did you mean 'robot'?",
    ),
    # safety
    "real without stop": (
        [
            ("simulated: true", "simulated: false"),
            ("  robot:\n    adapter", "  §robot:\n    adapter"),
            ("    stop: {port: cmd, values: {twist.x: 0.0}}\n", ""),
        ],
        "devices.robot.stop",
        "a real device with stimulus ports (cmd, counted) needs `stop`",
    ),
    "real without limits": (
        [
            ("simulated: true", "simulated: false"),
            ("  robot:\n    adapter", "  §robot:\n    adapter"),
            ("    limits: {twist.x: 0.5, data: 1.0}\n", ""),
        ],
        "devices.robot.limits",
        "needs `limits`",
    ),
    "real with a field that no limit covers": (
        [
            ("simulated: true", "simulated: false"),
            ("limits: {twist.x", "limits: {twist.y"),
            ("twist.x: {alt", "§twist.x: {alt"),
            ("stop: {port: cmd, values: {twist.x: 0.0}}", "stop: {port: cmd}"),
            ("values: {twist.x: 0.1}", "values: {}"),
        ],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "no limit covers this field; did you mean 'twist.y'? (in `limits`)",
    ),
    "stop beyond its limit": (
        [("stop: {port: cmd, values: {twist.x: 0.0}}", "stop: {port: cmd, values: {twist.x: §-0.6}}")],
        "devices.robot.stop.values.twist.x",
        "twist.x = -0.6 exceeds its limit of 0.5",
    ),
    "stop without a limit": (
        [("stop: {port: cmd, values: {twist.x: 0.0}}", "stop: {port: cmd, values: {§twist.z: 0.0}}")],
        "devices.robot.stop.values.twist.z",
        "no limit covers this field",
    ),
    "one of several values beyond its limit": (
        [("{alternate: [0.2, -0.2]}", "§{alternate: [0.2, -0.7]}")],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "twist.x = -0.7 exceeds its limit of 0.5",
    ),
    "an element beyond its limit": (
        [("twist.x: {alternate: [0.2, -0.2]}", "data: §[0.2, 1.5]")],
        "devices.robot.ports.cmd.stimulus.values.data",
        "data[1] = 1.5 exceeds its limit of 1",
    ),
    "a limited field that is text": (
        [("{alternate: [0.2, -0.2]}", "§quick")],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "twist.x = 'quick' is not a number, but has a limit of 0.5",
    ),
    "step beyond its limit": (
        [("values: {twist.x: 0.1}", "values: {twist.x: §0.51}")],
        "setup[0].values.twist.x",
        "twist.x = 0.51 exceeds its limit of 0.5",
    ),
    "a mean of trials that may end early": (
        [("scenario: rest, quantile: 0.5", "scenario: rest, statistic: §mean")],
        "requirements[1].statistic",
        "needs a number of trials that is fixed",
    ),
    "alternate beside sequence": (
        [(", values: {twist.x: {alt", ", §values: {y: {sequence: [1, 2]}, twist.x: {alt")],
        "devices.robot.ports.cmd.stimulus.values",
        "`alternate` and `sequence` are mixed",
    ),
}
