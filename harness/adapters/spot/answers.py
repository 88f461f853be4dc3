"""What comes back from a Spot: its answers to commands and questions, and the signals of its state."""

from __future__ import annotations

import math
from typing import Any

from harness.adapters.spot.options import AnswerOptions, SignalOptions
from harness.model import HOST_MONOTONIC, NO_KEY, ObservationFlag
from harness.ports import Sink


class SpotResponse:
    """What all response ports share: sinks, and the robot's clock for stamps."""

    def __init__(self, stamp_clock: str, received_clock: str, received_is: str) -> None:
        self.stamp_clock, self.received_clock, self.received_is = stamp_clock, received_clock, received_is
        self._sinks: tuple[Sink, ...] = ()

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every observation from now on."""
        self._sinks = (*self._sinks, sink)

    def deaf(self) -> None:
        """Forget the sinks; the device was closed."""
        self._sinks = ()

    def tell(
        self, key: int, stamp_ns: int, received_ns: int, seen_ns: int, value: float = math.nan, flags: int = 0
    ) -> None:
        """Hand one observation to every sink."""
        for sink in self._sinks:
            sink(key, stamp_ns=stamp_ns, received_ns=received_ns, seen_ns=seen_ns, value=value, flags=flags)


class AnswerResponse(SpotResponse):
    """Answers to one stimulus port."""

    def __init__(self, how: AnswerOptions, clock: str) -> None:
        self.how = how
        if how.event == "replied":
            super().__init__(clock, HOST_MONOTONIC, "instant the reply was taken from gRPC (CLOCK_MONOTONIC)")
        else:
            words = "the robot's receive stamp of the command, on the robot's clock"
            if how.event == "applied":
                words += ", as its state stream repeats it"
            super().__init__(clock, clock, words)

    def take(self, key: int, answer: Any, seen_ns: int, refused: bool) -> None:
        """The answer to the stimulus with that key is here."""
        header = answer.header
        had_ns = header.request_received_timestamp.ToNanoseconds()
        flags = ObservationFlag.REJECTED.value if refused else 0
        if self.how.event == "received":
            self.tell(key, had_ns, had_ns, seen_ns, flags=flags)
        else:
            self.tell(key, header.response_timestamp.ToNanoseconds(), seen_ns, seen_ns, flags=flags)

    def applied(self, user_key: int, had_ns: int, seen_ns: int) -> None:
        """The state stream shows that joint command for the first time."""
        self.tell(user_key - 1, had_ns, had_ns, seen_ns)


class SignalResponse(SpotResponse):
    """A number of the robot's state."""

    def __init__(self, how: SignalOptions, clock: str) -> None:
        self.how = how
        super().__init__(clock, HOST_MONOTONIC, "instant the state was taken from gRPC (CLOCK_MONOTONIC)")

    def take(self, value: float, stamp_ns: int, seen_ns: int) -> None:
        """One more value of it."""
        self.tell(NO_KEY, stamp_ns, seen_ns, seen_ns, value)
