"""The part of a bag that is sent again: which messages, when they are due, how many count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.bags.reading import Bag, BagError
from harness.bags.spool import Message

MAX_BYTES = 512 << 20
"""All messages of a window are in memory before the first is sent."""


@dataclass(frozen=True)
class Window:
    """Recorded messages, in order. ``first`` is the number of the first one among those of its topic.

    ``offsets_ns``: when each is due after the first, shape (messages,), recorded times divided by the speed.
    The first ``warm_up`` of them do not count.
    """

    topic: str
    type: str
    first: int
    messages: tuple[Message, ...]
    offsets_ns: npt.NDArray[np.int64]
    warm_up: int

    @property
    def samples(self) -> int:
        """Messages that count."""
        return len(self.messages) - self.warm_up

    @property
    def rate_hz(self) -> float:
        """How many are due per second, on average."""
        return (len(self.messages) - 1) * 1e9 / float(self.offsets_ns[-1])


def read_window(
    path: Path,
    topic: str,
    *,
    speed: float = 1.0,
    from_s: float = 0.0,
    to_s: float | None = None,
    warmup_s: float = 0.0,
    samples: int | None = None,
) -> Window:
    """The messages of ``topic`` logged from ``from_s`` to ``to_s`` after the bag began (both included).

    Those due within the first ``warmup_s`` of the replay are its warm-up; of the others the first ``samples``
    are taken, all by default. Raises BagError.
    """
    bag = Bag(path)
    about = bag.topic(topic)
    begin = bag.start_ns + round(from_s * 1e9)
    end = None if to_s is None else bag.start_ns + round(to_s * 1e9)
    taken: list[Message] = []
    first = size = 0
    for number, message in enumerate(bag.messages(topic)):
        if message.logged_ns < begin:
            continue
        if end is not None and message.logged_ns > end:
            break
        first = first if taken else number
        taken.append(message)
        size += len(message.data)
        if size > MAX_BYTES:
            raise BagError(
                "to_s",
                f"the messages of {about.name} in this window are more than {MAX_BYTES >> 20} MB",
                hint="take a shorter one: from_s, to_s",
            )
    where = f"{about.name} in {path}"
    if len(taken) < 2:
        raise BagError(
            "from_s" if from_s or to_s is not None else "topic",
            f"{where} has {len(taken)} message(s) from {from_s:g} s"
            + (" on" if to_s is None else f" to {to_s:g} s")
            + ", counted from when the bag began; a replay needs two at least",
        )
    logged = np.array([message.logged_ns for message in taken], np.int64)
    offsets = np.rint((logged - logged[0]) / speed).astype(np.int64)
    warm_up = int(np.count_nonzero(offsets < warmup_s * 1e9))
    left = len(taken) - warm_up
    if not left or (samples is not None and samples > left):
        raise BagError(
            "samples" if left else "warmup_s",
            f"{where} has {left} messages in this window after the warm-up"
            + (f", fewer than samples = {samples}" if left else ""),
            hint="take a longer window, or fewer samples" if left else "take a longer window",
        )
    count = warm_up + (left if samples is None else samples)
    if not offsets[count - 1]:
        raise BagError("topic", f"all messages of {where} were logged at the same instant")
    return Window(about.name, about.type, first, tuple(taken[:count]), offsets[:count], warm_up)


def read_message(path: Path, topic: str, number: int) -> tuple[str, bytes]:
    """Type and bytes of one message: the ``number``-th of its topic, counted from 0, -1 the last. Raises
    BagError."""
    bag = Bag(path)
    about = bag.topic(topic)
    found = list(bag.messages(topic)) if number < 0 else []
    count = len(found)
    if number < 0:
        if -number <= count:
            return about.type, found[number].data
    else:
        for count, message in enumerate(bag.messages(topic), start=1):
            if count == number + 1:
                return about.type, message.data
    raise BagError(
        "message", f"{about.name} in {path} has {count} message(s), so there is no number {number}"
    )
