"""Evaluates the rules of a file, again and again, in a thread of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from math import isfinite
from pathlib import Path
from typing import Any

from harness.config.problems import suggest
from harness.errors import ConfigurationError
from harness.telemetry.alerts.courier import Courier
from harness.telemetry.alerts.files import load_alerts
from harness.telemetry.alerts.series import Labels, MetricWindow, OperationWindow, names_of
from harness.telemetry.alerts.state import Alert
from harness.telemetry.budget.registry import Budgets
from harness.telemetry.export.periodic import Periodic


class Alerts(Periodic):
    """The rules of ``file`` on what ``budgets`` observes and on the metrics of ``collectors``, every
    ``every_s`` seconds until it is closed; a context manager. Receivers are told when an alert begins to
    fire and when it is resolved, once each; telling waits for nobody.

    Raises AlertFileError for a mistake in the file, ConfigurationError for an environment variable that is
    not set or a metric that nobody has, UnavailableError for a command that is not there.
    """

    def __init__(
        self, budgets: Budgets, file: str | Path, every_s: float = 1.0, collectors: Sequence[Any] = ()
    ) -> None:
        self._budgets, self._collectors = budgets, collectors
        self._file = load_alerts(file)
        self._alerts: dict[tuple[str, Labels], Alert] = {}
        rules = self._file.rules.items()
        self._operations = {name: OperationWindow(rule) for name, rule in rules if rule.operation}
        self._metrics = {name: MetricWindow(rule) for name, rule in rules if rule.metric}
        self._refuse_unknown()
        self._couriers: dict[str, Courier] = {}
        try:
            for name, receiver in self._file.receivers.items():
                self._couriers[name] = Courier(name, receiver)
            self.look()
            super().__init__(self.look, every_s, "alerts")
        except BaseException:
            self._end()
            raise

    def _families(self) -> list[Any]:
        return [family for each in self._collectors for family in each.collect()] if self._metrics else []

    def _refuse_unknown(self) -> None:
        known = [name for family in self._families() for name in names_of(family)]
        for name in self._metrics:
            metric = self._file.rules[name].metric
            if metric not in known:
                raise ConfigurationError(
                    f"{self._file.places[name]}: rule {name!r}: there is no metric {metric!r} here; "
                    f"{suggest(str(metric), known)}",
                    hint="`harness metrics` has those of rigs; a program has operations",
                )

    def look(self) -> None:
        """Evaluate every rule at once."""
        now_s = time.monotonic()
        found = {each.limits.name: each for each in self._budgets.observed()} if self._operations else {}
        for name, window in self._operations.items():
            self._step(name, (), window.look(found.get(str(self._file.rules[name].operation)), now_s), now_s)
        families = self._families()
        for name, metric in self._metrics.items():
            values = metric.look(families, now_s)
            gone = [labels for rule, labels in self._alerts if rule == name and labels not in values]
            for labels in [*values, *gone]:
                self._step(name, labels, values.get(labels), now_s)

    def _step(self, name: str, labels: Labels, value: float | None, now_s: float) -> None:
        alert = self._alerts.setdefault((name, labels), Alert(self._file.rules[name]))
        if alert.step(value, now_s):
            notice = self._notice(name, labels, alert, now_s)
            for to in dict.fromkeys(alert.rule.to):
                self._couriers[to].tell(notice)
        if value is None and alert.state != "firing":
            # A series that is gone needs no memory.
            del self._alerts[name, labels]

    def _notice(self, name: str, labels: Labels, alert: Alert, now_s: float) -> dict[str, Any]:
        at_s = time.time()
        instance = repr((name, labels, alert.since_s)).encode()
        return {
            "id": hashlib.sha256(instance).hexdigest()[:16],
            "alert": name,
            "state": alert.state,
            "series": alert.rule.operation or alert.rule.metric,
            "labels": dict(labels),
            "value": alert.value if alert.value is None or isfinite(alert.value) else str(alert.value),
            "limit": alert.rule.limit,
            "clear_at": alert.rule.clear,
            "since": _written(at_s - (now_s - alert.since_s)),
            "at": _written(at_s),
            "text": alert.rule.text,
        }

    def states(self) -> dict[tuple[str, Labels], str]:
        """``quiet``, ``pending``, ``firing`` or ``resolved``, by rule and labels."""
        return {key: alert.state for key, alert in list(self._alerts.items())}

    def close(self) -> None:
        """Evaluate once more, and give receivers at most 5 s each to be told. Repeatable."""
        super().close()
        self._end()

    def _end(self) -> None:
        for courier in self._couriers.values():
            courier.close()


def _written(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="milliseconds")
