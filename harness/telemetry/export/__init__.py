"""What budgets observe, for others: a Prometheus endpoint, OpenTelemetry, and a file of JSON lines.

All of it reads copies in a thread of its own: the code that is measured never waits for an export. The first
two need the extra ``telemetry``. A run of a rig is sent by ``runs.py``.
"""

from harness.telemetry.export.jsonlines import JsonLines
from harness.telemetry.export.logs import OtlpLogs
from harness.telemetry.export.otlp import Otlp
from harness.telemetry.export.prometheus import PrometheusEndpoint

__all__ = ["JsonLines", "Otlp", "OtlpLogs", "PrometheusEndpoint"]
