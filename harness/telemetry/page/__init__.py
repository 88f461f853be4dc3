"""A local live page without Grafana: `harness dashboard`; docs/dashboards.md."""
