"""Following a signal while the run goes on: is it at rest, has it left its band? Never the basis of a
verdict."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from harness.config.match import Match
from harness.live import Tracker
from harness.model import ObservationFlag

KEPT = 16_384
"""Newest values that are kept: four seconds at 4 kHz."""
FEWEST = 5
MAD_TO_SD = 1.4826
STRICTER = 1.5
"""By this the live band is wider than the one that judges: a doubtful onset waits for the timeout instead of
ending its trial early."""


class SignalTracker(Tracker):
    """A tracker for answers that are onsets: whatever the signal does beyond a band that was learnt before
    the stimulus answers the one that is outstanding.

    ``observed`` runs on the device's thread, everything else on the sender's.
    """

    def __init__(self, rule: Match) -> None:
        super().__init__(keyed=False)
        self._rule = rule
        self._kept: deque[tuple[int, float]] = deque(maxlen=KEPT)
        self._level = 0.0
        self._band = math.inf
        self._side = 0
        self._beyond = 0
        self._moved_ns = 0

    def sent(self, key: int, sent_ns: int) -> None:
        """A stimulus is about to be handed over."""
        self.moved(sent_ns)
        super().sent(key, sent_ns)

    def moved(self, at_ns: int) -> None:
        """Something is about to be sent that moves the signal: what was before says nothing about rest."""
        self._moved_ns = at_ns

    def observed(self, key: int, seen_ns: int, flags: int = 0, value: float = math.nan) -> None:
        """The response port gave a value of the signal."""
        self.last_seen_ns = seen_ns
        if flags & ObservationFlag.REJECTED or not math.isfinite(value):
            return
        self._kept.append((seen_ns, value))
        if not self.pending():
            return
        away = value - self._level
        if (abs(away) if self._side == 0 else self._side * away) <= self._band:
            self._beyond = 0
            return
        self._beyond += 1
        if self._beyond >= self._rule.hold_samples:
            super().observed(key, seen_ns, flags)

    def arm(self, now_ns: int, side: int = 0) -> None:
        """Learn level and noise of the window of ``rest_ms`` before ``now_ns``; the next onset has to go to
        that ``side`` (+1, -1, 0: either). Without values nothing is beyond the band, and the trial waits for
        its timeout."""
        values = self._since(now_ns - round(self._rule.rest_ms * 1e6))
        self._beyond, self._side, self._band = 0, side, math.inf
        if len(values) >= FEWEST:
            self._level = median(values)
            noise = MAD_TO_SD * median(abs(value - self._level) for value in values)
            self._band = STRICTER * self._rule.band(noise)

    def why_not_at_rest(self, now_ns: int, quiet_ns: int) -> str:
        """What keeps the signal from being at rest over the last ``quiet_ns``, in words; empty when it is.

        At rest: every value is within the band around their median, and the two halves of the window differ
        by no more than half of it. The noise is learnt from second differences, in which a ramp does not
        show: of white noise they have six times its variance.
        """
        kept = self._kept.copy()
        if not kept:
            return "no value of the signal was seen"
        values = [value for at, value in kept if at >= now_ns - quiet_ns]
        if max(kept[0][0], self._moved_ns) > now_ns - quiet_ns:
            return "it was moved, or not followed yet, in that time"
        if len(values) < FEWEST:
            return f"only {len(values)} values of the signal came in that time, {FEWEST} are needed"
        bends = [a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]
        noise = MAD_TO_SD * median(abs(each) for each in bends) / math.sqrt(6.0)
        band, level = self._rule.band(noise), median(values)
        if self._rule.too_wide(band):
            return f"its noise makes a band of {band:.4g}, more than at_most"
        farthest = max(abs(value - level) for value in values)
        if farthest > band:
            return f"a value was {farthest:.4g} from the median, the band is {band:.4g}"
        half = len(values) // 2
        drift = abs(median(values[:half]) - median(values[half:]))
        return f"it drifted by {drift:.4g}, the band is {band:.4g}" if drift > band / 2 else ""

    def _since(self, begin_ns: int) -> list[float]:
        # The copy is made in one step of the interpreter, so that the device's thread may append meanwhile.
        return [value for at, value in self._kept.copy() if at >= begin_ns]


class EdgeTracker(SignalTracker):
    """A tracker for answers that are edges: the level is high from a threshold on, else low."""

    def __init__(self, rule: Match) -> None:
        super().__init__(rule)
        self._wanted = {"rising": True, "falling": False}.get(rule.direction)
        self._high: bool | None = None
        self._changed_ns = 0

    def observed(self, key: int, seen_ns: int, flags: int = 0, value: float = math.nan) -> None:
        """The response port gave a value of the signal."""
        self.last_seen_ns = seen_ns
        if flags & ObservationFlag.REJECTED or not math.isfinite(value):
            return
        high = value >= self._rule.edge_threshold
        changed, self._high = self._high is not None and high != self._high, high
        if changed:
            self._changed_ns = seen_ns
        if changed and self._wanted in (None, high) and self.pending():
            Tracker.observed(self, key, seen_ns, flags)

    def arm(self, now_ns: int, side: int = 0) -> None:
        """Nothing is learnt before a stimulus: the level is what it was last."""

    def why_not_at_rest(self, now_ns: int, quiet_ns: int) -> str:
        """What keeps the level from being at rest over the last ``quiet_ns``, in words; empty when it is.

        At rest: it did not change, and is not what the next stimulus should make of it. A topic that is
        published only when it changes may be silent.
        """
        if self._moved_ns > now_ns - quiet_ns:
            return "it was moved in that time"
        if self._changed_ns > now_ns - quiet_ns:
            return "its level changed in that time"
        if self._high is not None and self._high is self._wanted:
            return f"it is {'high' if self._high else 'low'} already"
        return ""


def signal_tracker(rule: Match) -> SignalTracker:
    """The tracker for answers that a signal gives."""
    return EdgeTracker(rule) if rule.kind == "edge" else SignalTracker(rule)
