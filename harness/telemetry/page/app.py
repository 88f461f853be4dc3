"""The page as a web application: five addresses, all of them for reading."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.page import view
from harness.telemetry.page.chart import chart
from harness.telemetry.page.columns import Columns, Key

REPORT = "report.pdf"
SAFE = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def application(watch: BenchWatch, columns: Columns, reports: Path, hosts: list[str]) -> Starlette:
    """``hosts``: names in the Host header that are answered; with any other a page of somebody else could
    read this one through a name that it points here (DNS rebinding)."""

    def pdfs() -> set[Key]:
        known = {(name, run.run) for name, rig in list(watch.past.rigs.items()) for run in list(rig.ended)}
        return {(name, run) for name, run in known if (reports / name / run / REPORT).is_file()}

    def inner() -> str:
        return view.live(watch, list(columns.of), pdfs())

    def page(_: Request) -> Response:
        return HTMLResponse(view.SHELL.format(inner()), headers=SAFE)

    def live(_: Request) -> Response:
        return HTMLResponse(inner(), headers=SAFE)

    def script(_: Request) -> Response:
        return Response(view.SCRIPT, media_type="text/javascript", headers=SAFE)

    def style(_: Request) -> Response:
        return Response(view.STYLE, media_type="text/css", headers=SAFE)

    def picture(request: Request) -> Response:
        key = (request.path_params["rig"], request.path_params["scenario"])
        found = columns.of.get(key)
        if found is None:
            raise HTTPException(404)
        return Response(chart(f"{key[0]}: {key[1]}", *found), media_type="image/svg+xml", headers=SAFE)

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
        Route("/chart/{rig}/{scenario}.svg", picture),
        Route("/runs/{rig}/{run}/report.pdf", report),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])
