"""Alerts without Prometheus: rules with hysteresis to a webhook or a command; docs/alerts.md."""

from harness.telemetry.alerts.files import AlertFileError, load_alerts
from harness.telemetry.alerts.watch import Alerts

__all__ = ["AlertFileError", "Alerts", "load_alerts"]
