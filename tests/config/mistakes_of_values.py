"""Mistakes of sections, keys and values: edits of the base file (§ marks the place), where, and the words."""

from __future__ import annotations

Edit = tuple[str, str]

VALUES: dict[str, tuple[list[Edit], str, str]] = {
    # sections, keys and plain values
    "unknown key": (
        [("quantile: 0.99", "§quantil: 0.99")],
        "requirements[0].quantil",
        "unknown key; did you mean 'quantile'?",
    ),
    "unknown section": ([("setup:", "§stup:")], "stup", "unknown key; did you mean 'setup'?"),
    "unlike any key": (
        [("limit: 10", "limit: 10, §zzz: 1")],
        "requirements[0].zzz",
        "valid here: id, text, scenario",
    ),
    "missing key": (
        [("rig:", "§rig:"), ("  simulated: true\n", "")],
        "rig.simulated",
        "this key is missing (true:",
    ),
    "missing key, misspelt": (
        [("simulated: true", "§simulatd: true")],
        "rig.simulatd",
        "unknown key; did you mean 'simulated'?",
    ),
    "adapter, misspelt key": (
        [("adapter: bench", "§adaptor: bench")],
        "devices.robot.adaptor",
        "unknown key; did you mean 'adapter'?",
    ),
    "missing key in a list": (
        [("{id: CMD-RTT, scenario: command,", "§{scenario: command,")],
        "requirements[0].id",
        "this key is missing",
    ),
    "section empty": (
        [('rig:\n  name: bench-rig\n  simulated: true\n  item: {serial: "0042"}\n', "rig:§\n")],
        "rig",
        "must be a mapping, not nothing",
    ),
    "section a list": (
        [("processes:\n  robot: {", "processes:\n  §- {")],
        "processes",
        "must be a mapping, not a list",
    ),
    "list a mapping": (
        [("  - {port: robot.odom", "  §one: {port: robot.odom")],
        "monitors",
        "must be a list, not a mapping",
    ),
    "text for a number": (
        [("rate_hz: 200", "rate_hz: §fast")],
        "scenarios.command.schedule.rate_hz",
        "must be a number, not the text 'fast'",
    ),
    "unit beside the limit": (
        [("limit: 10", "limit: §10 ms")],
        "requirements[0].limit",
        "must be a number, not the text '10 ms'; write 10, and its unit as `unit: \"ms\"` beside it",
    ),
    "a share of more than 1": (
        [("quantile: 0.99, limit: 10", "quantity: ratio, within_ms: 10, limit: §98")],
        "requirements[0].limit",
        'a share of 98 is not below 1; for 98 % write `unit: "%"` beside it',
    ),
    "fixed with stages": (
        [("samples: 100, dwell", "samples: 100, stages: [50, 100], stopping: §fixed, dwell")],
        "scenarios.rest.schedule.stopping",
        "leave one of the two out",
    ),
    "unit beside the number": (
        [("timeout_ms: 100", "timeout_ms: §100 ms")],
        "scenarios.command.timeout_ms",
        "must be a number, not the text '100 ms'",
    ),
    "number for text": (
        [('serial: "0042"', "serial: §42")],
        "rig.item.serial",
        'must be text, not 42; write it in quotes: "42"',
    ),
    "fraction for a whole number": (
        [("samples: 3000", "samples: §2.5")],
        "scenarios.command.schedule.samples",
        "must be a whole number, not 2.5",
    ),
    "not true or false": (
        [("simulated: true", "simulated: §perhaps")],
        "rig.simulated",
        "must be true or false",
    ),
    "no is not false": (
        [("simulated: true", "simulated: §no")],
        "rig.simulated",
        "must be true or false, not the text 'no'",
    ),
    "true is not 1": (
        [("samples: 3000", "samples: §true")],
        "scenarios.command.schedule.samples",
        "must be a whole number, not true",
    ),
    "number in quotes": (
        [("limit: 10}", "limit: §'10'}")],
        "requirements[0].limit",
        "must be a number, not the text '10'",
    ),
    "instants of dwell in quotes": (
        [("dwell_ms: [10, 50]", "dwell_ms: [§'ten', 50]")],
        "scenarios.rest.schedule.dwell_ms[0]",
        "must be a number, not the text 'ten'",
    ),
    "too small": (
        [("rate_hz: 200", "rate_hz: §0")],
        "scenarios.command.schedule.rate_hz",
        "must be greater than 0, not 0",
    ),
    "too large": (
        [("quantile: 0.99", "quantile: §99")],
        "requirements[0].quantile",
        "must be less than 1, not 99",
    ),
    "too many samples": (
        [("samples: 3000", "samples: §100000000000")],
        "scenarios.command.schedule.samples",
        "must be at most",
    ),
    "not finite": (
        [("rate_hz: 200", "rate_hz: §.inf")],
        "scenarios.command.schedule.rate_hz",
        "finite number, not .inf",
    ),
    "not finite, as text": (
        [("rate_hz: 200", "rate_hz: §inf")],
        "scenarios.command.schedule.rate_hz",
        "must be a number, not the text 'inf'",
    ),
    "unknown choice": ([("unit: s}", "unit: §sec}")], "requirements[1].unit", "valid here: us, ms, s"),
    "misspelt choice": (
        [("{kind: stamp, path", "{kind: §stmp, path")],
        "devices.robot.ports.applied.response.match.kind",
        "did you mean 'stamp'?",
    ),
    "rig name": ([("name: bench-rig", "name: §bench rig")], "rig.name", "letters, digits and hyphens"),
    "name of a scenario": (
        [("  rest:", "  §at rest:")],
        "scenarios.at rest",
        "letters, digits and underscores",
    ),
    "not a port": (
        [("stimulus: robot.cmd\n", "stimulus: §cmd\n")],
        "scenarios.command.stimulus",
        "'cmd' must be a port, written device.port",
    ),
    "empty list": (
        [("command: [python, -m, robot]", "command: §[]")],
        "processes.robot.command",
        "at least an entry",
    ),
    "three instants of dwell": (
        [("dwell_ms: [10, 50]", "dwell_ms: §[10, 50, 60]")],
        "scenarios.rest.schedule.dwell_ms",
        "more than 2 entries",
    ),
    # unions: the member is chosen by its key
    "unknown schedule": (
        [("{kind: paced", "{kind: §pacd")],
        "scenarios.command.schedule.kind",
        "'pacd' is not known; did you mean 'paced'?",
    ),
    "schedule without a kind": (
        [("schedule: {kind: paced, ", "§schedule: {")],
        "scenarios.command.schedule.kind",
        "this key is missing; one of: paced, replay, trials",
    ),
    "key of the other schedule": (
        [("{kind: trials, samples: 100", "{kind: trials, §rate_hz: 3, samples: 100")],
        "scenarios.rest.schedule.rate_hz",
        "unknown key; valid here: kind, samples, stopping",
    ),
    "unknown step": ([("{ask: Clear", "§{aks: Clear")], "setup[3]", "did you mean 'ask'?"),
    "step is text": ([("{sleep_s: 0.5}", "§pause")], "setup[4]", "a step is a mapping"),
    "key of another step": (
        [("{sleep_s: 0.5}", "{sleep_s: 0.5, §values: {}}")],
        "setup[4].values",
        "unknown key; valid here: sleep_s, timeout_s",
    ),
    "misspelt alternate": (
        [("{alternate: [0.2, -0.2]}", "§{alternat: [0.2, -0.2]}")],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "did you mean 'alternate'?",
    ),
    "alternate of one": (
        [("alternate: [0.2, -0.2]", "alternate: §[0.2]")],
        "devices.robot.ports.cmd.stimulus.values.twist.x.alternate",
        "at least 2 entries",
    ),
    "value is nothing": (
        [("{alternate: [0.2, -0.2]}", "§~")],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "must be a number, text, true or false",
    ),
    "value in a list is nothing": (
        [("{alternate: [0.2, -0.2]}", "[0.1, §~]")],
        "devices.robot.ports.cmd.stimulus.values.twist.x[1]",
        "must be a number, text, true or false",
    ),
    "value within a part is nothing": (
        [("{alternate: [0.2, -0.2]}", "[§{a: {b: [0.1, ~]}}]")],
        "devices.robot.ports.cmd.stimulus.values.twist.x[0]",
        "a.b[1]: must be a number, text, true or false",
    ),
    "relative within a part to nothing": (
        [("{alternate: [0.2, -0.2]}", "[§{a: {relative_to: robot}}]")],
        "devices.robot.ports.cmd.stimulus.values.twist.x[0]",
        "a.relative_to: String should match pattern",
    ),
    "part beyond a limit": (
        [("{alternate: [0.2, -0.2]}", "§[{a: [0.1, -0.7]}]")],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "twist.x[0].a[1] = -0.7 exceeds its limit of 0.5",
    ),
    "relative to a port that is not there": (
        [("{alternate: [0.2, -0.2]}", "§{relative_to: robot.odm}")],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "robot has no port 'odm'; did you mean 'odom'?",
    ),
    "relative to a stimulus": (
        [("{alternate: [0.2, -0.2]}", "§{alternate: [{relative_to: robot.cmd}, 0.1]}")],
        "devices.robot.ports.cmd.stimulus.values.twist.x",
        "robot.cmd is a stimulus, not a response",
    ),
    "relative with a misspelt offset": (
        [("{alternate: [0.2, -0.2]}", "{relative_to: robot.odom, §ofset: 0.1}")],
        "devices.robot.ports.cmd.stimulus.values.twist.x.ofset",
        "did you mean 'offset'?",
    ),
    "relative in a stop": (
        [("values: {twist.x: 0.0}", "values: §{twist.x: {relative_to: robot.odom}}")],
        "devices.robot.stop.values",
        "a stop counts from nothing",
    ),
    "choice or section: choice misspelt": (
        [("topic: /odom}", "topic: /odom, quality: §shalow}")],
        "devices.robot.ports.odom.response.quality",
        "did you mean 'shallow'?",
    ),
    "choice or section: key misspelt": (
        [("topic: /odom}", "topic: /odom, quality: {§dept: 3}}")],
        "devices.robot.ports.odom.response.quality.dept",
        "did you mean 'depth'?",
    ),
    "choice or section: neither": (
        [("topic: /odom}", "topic: /odom, quality: §7}")],
        "devices.robot.ports.odom.response.quality",
        "must be one of 'deep' or 'shallow' or a mapping, not 7",
    ),
    "number or word": (
        [("adapter: bench", "adapter: bench\n    domain: §atuo")],
        "devices.robot.domain",
        "did you mean 'auto'?",
    ),
}
