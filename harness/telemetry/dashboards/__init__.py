"""Grafana dashboards and what Prometheus, Grafana and a collector are provisioned with, as code.

``python -m harness.telemetry.dashboards`` writes the folder ``dashboards/``; it needs the extra
``telemetry``.
"""
