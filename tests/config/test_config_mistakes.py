"""Every kind of mistake in a rig file: where it is shown, and what is said.

A case is edits of a good file; § stands before the place that the message has to name.
"""

from __future__ import annotations

import re

import pytest
from config_bench import BASE, edited

from harness.config import RigFileError, rig_from_text

Edit = tuple[str, str]

MISTAKES: dict[str, tuple[list[Edit], str, str]] = {
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
        "this key is missing; one of: paced, trials",
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
    "value in a list is a mapping": (
        [("{alternate: [0.2, -0.2]}", "[1.0, §{a: 1}]")],
        "devices.robot.ports.cmd.stimulus.values.twist.x[1]",
        "must be a number, text, true or false",
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

JARGON = re.compile(
    r"Input should|valid (string|dictionary|list|integer|number|boolean)|pydantic|union|discriminator|tag\b|"
    r"extra_|Field required|Value error|constrained|NoneType|\bstr\b|\bdict\b|function-"
)


@pytest.mark.parametrize("name", MISTAKES)
def test_is_shown_where_it_is(name: str) -> None:
    edits, path, message = MISTAKES[name]
    marked = edited(*edits)
    assert marked.count("§") == 1
    before = marked[: marked.index("§")]
    expected = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    with pytest.raises(RigFileError) as caught:
        rig_from_text(marked.replace("§", ""), "x.yaml")
    problems = caught.value.problems
    found = [p for p in problems if p.path == path and message in p.message]
    assert found, str(caught.value)
    assert (found[0].line, found[0].column) == expected, str(caught.value)
    assert str(found[0]).startswith(f"x.yaml:{expected[0]}:{expected[1]}: {path}: ")
    assert not JARGON.search(str(caught.value)), str(caught.value)
    assert caught.value.exit_status == 2


# A mistake may not raise a cloud of others; this one has a second side: the requirement on the old name.
TWO_SIDED = {"name of a scenario"}


@pytest.mark.parametrize("name", MISTAKES)
def test_is_the_only_one(name: str) -> None:
    with pytest.raises(RigFileError) as caught:
        rig_from_text(edited(*MISTAKES[name][0]).replace("§", ""), "x.yaml")
    expected = 2 if name in TWO_SIDED else 1
    assert len(caught.value.problems) == expected, str(caught.value)


def test_all_are_told_at_once_in_the_order_of_the_file() -> None:
    text = edited(
        ("simulated: true", "simulatd: true"),
        ("adapter: bench", "adapter: bnch"),
        ("rate_hz: 200", "rate_hz: -1"),
        ("scenario: command,", "scenario: comand,"),
        ("id: REST-RTT", "id: CMD-RTT"),
    )
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text, "x.yaml")
    assert [p.path for p in caught.value.problems] == [
        "rig.simulatd",
        "devices.robot.adapter",
        "scenarios.command.schedule.rate_hz",
        "requirements[0].scenario",
        "requirements[1].id",
    ]
    assert len(str(caught.value).splitlines()) == 5


def test_a_flood_is_cut_and_counted() -> None:
    extra = "".join(f"zz{i}: 1\n" for i in range(100))
    with pytest.raises(RigFileError) as caught:
        rig_from_text(BASE + extra, "x.yaml")
    assert len(caught.value.problems) == 100
    assert str(caught.value).splitlines()[-1] == "... and 60 more problems"


def test_an_adapter_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import adapters

    monkeypatch.setitem(
        adapters.BUILTIN, "bench", adapters.Entry("nowhere_at_all:D", "nowhere_at_all:Options")
    )
    with pytest.raises(
        RigFileError, match="the adapter 'bench' cannot be loaded: No module named 'nowhere_at_all'"
    ):
        rig_from_text(BASE, "x.yaml")


def test_the_adapter_of_the_tests_is_offered_to_nobody() -> None:
    from harness import adapters

    assert "recording" not in adapters.offered()
    assert adapters.entry("recording").device.startswith("harness.testing.")
    with pytest.raises(RigFileError) as caught:
        rig_from_text(edited(("adapter: bench", "adapter: zzz")), "x.yaml")
    assert "loopback" in str(caught.value)
    assert "recording" not in str(caught.value)
