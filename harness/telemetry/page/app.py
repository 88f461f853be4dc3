"""The page as a web application: all of its addresses are for reading."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.page import static, view
from harness.telemetry.page.chart import chart
from harness.telemetry.page.columns import Columns, Key
from harness.telemetry.page.trend import picture as drawn_trend
from harness.telemetry.page.trend import trends

REPORT = "report.pdf"
SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Pictures:
    """The newest drawing of each picture: one that has not changed is not drawn again."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, ...], tuple[str, bytes]] = {}
        self._lock = threading.Lock()

    def of(self, key: tuple[str, ...], version: str, draw: Callable[[], bytes]) -> bytes:
        """The picture of that name in that version. One at a time: drawing is work for a processor that
        has to measure, too."""
        with self._lock:
            found = self._drawn.get(key)
            if found is None or found[0] != version:
                found = self._drawn[key] = (version, draw())
            return found[1]


def _svg(drawn: bytes) -> Response:
    return Response(drawn, media_type="image/svg+xml", headers=SAFE)


def application(watch: BenchWatch, columns: Columns, reports: Path, hosts: list[str]) -> Starlette:
    """``hosts``: names in the Host header that are answered; with any other a page of somebody else could
    read this one through a name that it points here (DNS rebinding)."""

    def pdfs() -> set[Key]:
        known = {(name, run.run) for name, rig in list(watch.past.rigs.items()) for run in list(rig.ended)}
        return {(name, run) for name, run in known if (reports / name / run / REPORT).is_file()}

    pictures = Pictures()

    def inner() -> str:
        return view.live(watch, dict(columns.of), pdfs())

    def page(_: Request) -> Response:
        return HTMLResponse(static.SHELL.format(inner()), headers=SAFE)

    def live(_: Request) -> Response:
        return HTMLResponse(inner(), headers=SAFE)

    def script(_: Request) -> Response:
        return Response(static.SCRIPT, media_type="text/javascript", headers=SAFE)

    def style(_: Request) -> Response:
        return Response(static.STYLE, media_type="text/css", headers=SAFE)

    def latencies(request: Request) -> Response:
        key = (request.path_params["rig"], request.path_params["scenario"])
        found = columns.of.get(key)
        if found is None:
            raise HTTPException(404)
        return _svg(pictures.of(("chart", *key), found.version, lambda: chart(found.lines, found.shown)))

    def trend(request: Request) -> Response:
        name, number = request.path_params["rig"], request.path_params["number"]
        rig = watch.past.rigs.get(name)
        found = [] if rig is None else trends(list(rig.ended))
        if not number < len(found):
            raise HTTPException(404)
        drawn = found[number]
        key = ("trend", name, str(number))
        return _svg(pictures.of(key, drawn.version, lambda: drawn_trend(drawn)))

    def report(request: Request) -> Response:
        # Only what is listed: a path is never made of what was asked for.
        key = (request.path_params["rig"], request.path_params["run"])
        if key not in pdfs():
            raise HTTPException(404)
        return FileResponse(reports / key[0] / key[1] / REPORT, media_type="application/pdf", headers=SAFE)

    routes = [
        Route("/", page),
        Route("/live", live),
        Route("/page.js", script),
        Route("/page.css", style),
        Route("/chart/{rig}/{scenario}.svg", latencies),
        Route("/trend/{rig}/{number:int}.svg", trend),
        Route("/runs/{rig}/{run}/report.pdf", report),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])
