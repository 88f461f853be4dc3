"""Panels and dashboards by Grafana's own SDK (https://github.com/grafana/grafana-foundation-sdk)."""

from __future__ import annotations

from typing import Any

from harness.telemetry.dashboards.panels import Board, Panel
from harness.telemetry.export.extra import library

SOURCE = "harness-prometheus"
_MODULES = {
    "series": "timeseries",
    "stat": "stat",
    "table": "table",
    "bars": "bargauge",
    "heatmap": "heatmap",
}
_INSTANT = ("stat", "table", "bars")


def _sdk(name: str) -> Any:
    return library(f"grafana_foundation_sdk.{name}")


def dashboard_json(board: Board) -> str:
    """The dashboard as Grafana imports it. Raises UnavailableError without the extra ``telemetry``."""
    builders = _sdk("builders.dashboard")
    made = (
        builders.Dashboard(board.title).uid(board.uid).description(board.text).tags(["harness"])
        .time(board.since, "now").refresh("10s").timezone("browser").readonly()
    )  # fmt: skip
    for name, metric in board.variables:
        made = made.with_variable(
            builders.QueryVariable(name)
            .label(name)
            .datasource(_source())
            .query(f"label_values({metric}, {name})")
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    for panel in board.panels:
        made = made.with_panel(_panel(panel))
    return str(_sdk("cog.encoder").JSONEncoder(sort_keys=True, indent=2).encode(made.build())) + "\n"


def _source() -> Any:
    return _sdk("models.dashboard").DataSourceRef(type_val="prometheus", uid=SOURCE)


def _panel(panel: Panel) -> Any:
    made = (
        _sdk(f"builders.{_MODULES[panel.kind]}").Panel().title(panel.title).description(panel.text)
        .unit(panel.unit).datasource(_source()).span(panel.width).height(panel.height)
    )  # fmt: skip
    for number, (query, legend) in enumerate(panel.queries):
        target = (
            _sdk("builders.prometheus").Dataquery().expr(query).legend_format(legend).ref_id(chr(65 + number))
        )
        target = target.instant() if panel.kind in _INSTANT else target.range()
        if panel.kind in ("heatmap", "table"):
            target = target.format(_sdk("models.prometheus").PromQueryFormat(panel.kind))
        made = made.with_target(target)
    return made
