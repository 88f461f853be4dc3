"""What a panel and a dashboard are, before Grafana's own SDK makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One panel. ``kind``: ``series``, ``stat``, ``table``, ``bars``, ``heatmap``; ``queries``: pairs of
    a query and its legend; ``unit`` as Grafana names it; ``width`` of 24 columns."""

    title: str
    text: str
    kind: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    width: int = 12
    height: int = 8


@dataclass(frozen=True)
class Board:
    """One dashboard. ``variables``: by name, the metric whose label of that name they are the values of."""

    uid: str
    title: str
    text: str
    panels: tuple[Panel, ...]
    variables: tuple[tuple[str, str], ...] = ()
    since: str = "now-1h"
