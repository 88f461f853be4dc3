"""Recorded messages as stimuli: read before anything is started, made ready before anything moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.bags.window import Window, read_window
from harness.config.schema import Replay
from harness.errors import ConfigurationError, HarnessError, SafetyError
from harness.ports import ReplayStimulus, Stimulus

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.bench import Bench
    from harness.config import LoadedRig

WATCH_EVERY = 64
"""Messages that are made ready between two looks at the bench."""


@dataclass(frozen=True)
class Replayed:
    """Messages as their port has them ready, in order; ``offsets_ns``: when each is due after the first.

    The first ``warm_up`` of them do not count.
    """

    prepared: Sequence[Any]
    offsets_ns: npt.NDArray[np.int64]
    warm_up: int


def read_replays(loaded: LoadedRig) -> dict[str, Window]:
    """What the bags of a rig give, by scenario. Raises ConfigurationError."""
    found = {}
    for name, spec in loaded.rig.scenarios.items():
        schedule = spec.schedule
        if isinstance(schedule, Replay):
            found[name] = read_window(
                loaded.path.parent / schedule.bag,
                schedule.topic,
                speed=schedule.speed,
                from_s=schedule.from_s,
                to_s=schedule.to_s,
                warmup_s=schedule.warmup_s,
                samples=schedule.samples,
            )
    return found


def prepare_replays(bench: Bench, windows: dict[str, Window]) -> dict[str, Replayed]:
    """The same as the ports have them ready; ``windows`` is emptied, for it may be large. Raises
    ConfigurationError, and SafetyError for a recorded value beyond its limit, naming the message."""
    found = {}
    for name in list(windows):
        window = windows.pop(name)
        device, _, port = bench.rig.scenarios[name].stimulus.partition(".")
        where = f"scenarios.{name}: {device}.{port}"
        prepared = prepare_window(where, bench.devices[device].stimulus(port), window, bench.tick)
        found[name] = Replayed(prepared, window.offsets_ns, window.warm_up)
    return found


def prepare_window(
    where: str, stimulus: Stimulus, window: Window, watch: Callable[[], None] = lambda: None
) -> list[Any]:
    """The messages of a window as ``stimulus`` has them ready; ``where`` says whose they are in errors,
    ``watch`` is called now and then."""
    if not isinstance(stimulus, ReplayStimulus):
        raise ConfigurationError(
            f"{where} cannot send recorded messages", hint="replay on a topic of a device with adapter ros2"
        )
    prepared = []
    for number, message in enumerate(window.messages):
        if number % WATCH_EVERY == 0:
            watch()
        try:
            prepared.append(stimulus.prepare_recorded(window.type, message.data))
        except HarnessError as error:
            kind = SafetyError if isinstance(error, SafetyError) else ConfigurationError
            after_s = window.offsets_ns[number] * 1e-9
            raise kind(
                f"{where}: message {window.first + number} of {window.topic}, due {after_s:.3f} s after the"
                f" first: {error.message}",
                hint=error.hint,
            ) from error
    return prepared
