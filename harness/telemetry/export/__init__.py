"""What budgets observe, for others: a Prometheus endpoint, OpenTelemetry, and a file of JSON lines.

All of it reads copies in a thread of its own: the code that is measured never waits for an export. The first
two need the extra ``telemetry``.
"""

from harness.telemetry.export.jsonlines import JsonLines
from harness.telemetry.export.otlp import Otlp
from harness.telemetry.export.prometheus import PrometheusEndpoint
from harness.telemetry.export.traces import export_run

__all__ = ["JsonLines", "Otlp", "PrometheusEndpoint", "export_run"]
