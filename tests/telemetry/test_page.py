"""The live page over HTTP: what it shows, and what it does not give away."""

from __future__ import annotations

import http.client
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.errors import UnavailableError
from harness.model import Verdict
from harness.ros.tracker import Figures
from harness.telemetry.bench.columns import Line, Shown
from harness.telemetry.bench.live import Counted, LiveRun, Watched
from harness.telemetry.bench.past import Ended, Requirement, Rig
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.buckets import Buckets
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.rigs import FromRun
from harness.telemetry.budget.words import figure
from harness.telemetry.page import budgets, view
from harness.telemetry.page.chart import chart
from harness.telemetry.page.columns import Drawn
from harness.telemetry.page.command import page_server
from harness.telemetry.page.trend import BOTTOM, HEIGHT, TOP, WIDTH, picture, trends

Answer = tuple[int, dict[str, str], bytes]


LIMIT = Line("CMD", "p99", 0.005, "upper")


def asked(
    verdict: str = "PASS", estimate: float | None = 0.004, *, limit: float = 0.01, **more: Any
) -> Requirement:
    given = {"id": "CMD", "scenario": "command", "what": "p99 latency", "unit": "s", **more}
    bound = None if estimate is None else estimate * 1.1
    return Requirement(
        verdict=verdict, reason="because", limit_is="upper", limit=limit, estimate=estimate, bound=bound,
        headroom=None, **given,
    )  # fmt: skip


def kept(where: str, monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn from now on."""
    figures: list[Figure] = []

    def drawn(**given: Any) -> Figure:
        figures.append(Figure(**given))
        return figures[-1]

    monkeypatch.setattr(where, drawn)
    return figures


def ended(run: str, *requirements: Requirement, verdict: str = "PASS") -> Ended:
    times = {("command", "0.5"): 0.002, ("command", "0.99"): 0.004}
    return Ended(run, verdict, True, 1.7e9, requirements, times, {}, {}, {}, {})


def get(port: int, path: str, host: str | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A bench with one run whose report is there, beside a file that is nobody's business."""
    reports = tmp_path_factory.mktemp("bench") / "reports"
    (reports / "arm" / "one").mkdir(parents=True)
    (reports / "arm" / "one" / "report.pdf").write_bytes(b"%PDF-1.7 one")
    (reports / "arm" / "other").mkdir()
    (reports / "arm" / "other" / "report.pdf").write_bytes(b"%PDF-1.7 not listed")
    (reports / "report.pdf").write_bytes(b"secret")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.telemetry.bench.past.Past.look", _one_run)
        with page_server(reports, None, None, 0, "127.0.0.1") as (server, listening):
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            deadline = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield int(listening.getsockname()[1])
            server.should_exit = True
            thread.join()


def _one_run(past: object) -> None:
    run = ended("one", asked())
    rig = Rig(newest=run)
    rig.ended.append(run)
    past.rigs = {"arm": rig}  # type: ignore[attr-defined]


def test_the_page_has_its_parts_and_asks_nobody_else(page: int) -> None:
    status, headers, body = get(page, "/")
    text = body.decode()
    assert status == 200 and "default-src 'self'" in headers["content-security-policy"]
    for said in ("<h2>Rigs</h2>", "2 ms", "4 ms", "<h2>Budgets by pillar</h2>", "/runs/arm/one/report.pdf"):
        assert said in text
    assert "http://" not in text and "https://" not in text
    assert get(page, "/live")[2].decode() in text
    assert b'fetch("/live"' in get(page, "/page.js")[2] and get(page, "/page.css")[0] == 200


def test_only_reports_of_listed_runs_are_given(page: int) -> None:
    status, headers, body = get(page, "/runs/arm/one/report.pdf")
    assert (status, headers["content-type"], body) == (200, "application/pdf", b"%PDF-1.7 one")
    for path in (
        "arm/other",
        "arm/..",
        "../arm/one",
        "..%2farm/one",
        "arm/%2e%2e",
        "arm/one/../other",
        "%2e/..",
    ):
        assert get(page, f"/runs/{path}/report.pdf")[0] == 404, path
    assert get(page, "/chart/arm/none.svg")[0] == 404


@pytest.mark.slow
def test_a_trend_is_given_of_what_there_is(page: int) -> None:
    assert 'href="/trend/arm/0.svg' in get(page, "/live")[2].decode()
    status, headers, body = get(page, "/trend/arm/0.svg?any")
    assert (status, headers["content-type"]) == (200, "image/svg+xml") and body.startswith(b"<?xml")
    assert get(page, "/trend/arm/0.svg")[2] == body
    for path in ("arm/1", "none/0", "arm/-1", "arm/x"):
        assert get(page, f"/trend/{path}.svg")[0] == 404, path


def test_another_host_name_is_refused(page: int) -> None:
    for path in ("/", "/live", "/runs/arm/one/report.pdf"):
        assert get(page, path, "evil.example")[0] == 400
    assert get(page, "/", f"localhost:{page}")[0] == 200


def test_a_port_that_is_taken_is_said(page: int, tmp_path: Path) -> None:
    with (
        pytest.raises(UnavailableError, match=f"127.0.0.1:{page}"),
        page_server(tmp_path, None, None, page, "127.0.0.1"),
    ):
        pass


def test_names_are_escaped(tmp_path: Path) -> None:
    bad = '<img src=x onerror="1">'
    with BenchWatch(Budgets(reports=None), tmp_path) as watch:
        run = ended(bad, asked("FAIL", id=bad, scenario=bad, what=bad), verdict="FAIL")
        rig = Rig(newest=run)
        rig.ended.append(run)
        watch.past.rigs[bad] = rig
        drawn = {(bad, bad): Drawn(bad, (LIMIT,), Shown(1.0, [Buckets()], 0))}
        text = view.live(watch, drawn, {(bad, bad)})
    assert "<img src=x" not in text and "&lt;img src=x" in text and 'onerror="' not in text


def test_a_run_that_goes_on_shows_its_running_percentiles(tmp_path: Path) -> None:
    limit = Watched("command", "CMD", 0.01, 0.99, 0.95, 0.1)
    with BenchWatch(Budgets(reports=None), tmp_path) as watch:
        watch.past.rigs["arm"] = Rig()
        run = watch.live["arm"] = LiveRun(tmp_path, Counted(from_intent=True))
        assert "<td>starting</td>" in view.live(watch, {}, set())
        run.life.heartbeat_s = 1.7e9
        silent = view.live(watch, {}, set())
        assert "silent since 2023-11-14 22:13:20 UTC" in silent and "harness recover" in silent
        run.life.heartbeat_s = time.time()
        run.life.figures["command"] = Figures("command", 40, 100, 2, 0, 1.5, 7.25, 0.1)
        run.life.verdicts[limit] = Verdict.FAIL
        text = view.live(watch, {}, set())
        run.life.figures["command"] = Figures("command", 40, 100, 2, 0, 1.5, math.inf, 0.1)
        assert ">unanswered<" in view.live(watch, {}, set())
        watch.live.clear()
        watch.past.rigs.clear()
    for said in ("40 of 100, 2 lost", "<td>running</td>", "1.5 ms", "7.25 ms", 'CMD <span class="FAIL">FAIL'):
        assert said in text


@pytest.mark.slow
def test_a_chart_is_drawn_of_any_values() -> None:
    column = Buckets()
    column.add(np.array([0.0, 1e-6, 0.004, 30.0]))
    lines = [LIMIT, Line("a$b: <command>", "mean", 0.005, "upper"), Line("LOW", "p50", 0.001, "lower")]
    for limits in (lines, lines[:1]):
        for columns in ([column, Buckets(), column], []):
            drawn = chart(limits, Shown(0.5, columns, sum(each.total for each in columns)))
            assert drawn.startswith(b"<?xml") and b"<command>" not in drawn


def test_every_limit_is_drawn_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(
        "harness.telemetry.page.chart.Figure", lambda **given: figures.append(Figure(**given)) or figures[-1]
    )
    column = Buckets()
    column.add(np.array([0.002, 0.004]))
    lines = [
        Line("A", "p99", 0.01, "upper"),
        Line("B", "p50", 0.003, "upper"),
        Line("C", "mean", 0.01, "upper"),
    ]
    chart(lines, Shown(2.0, [column, column], 4))
    left, right = figures[0].axes[:2]
    said = [each.get_text() for each in right.texts]
    assert said == ["B: p50 ≤ 3 ms", "A: p99 ≤ , C: mean ≤ 10 ms"]
    for panel in (left, right):
        dashed = [each.get_ydata()[0] for each in panel.lines if each.get_linestyle() == "--"]
        assert sorted(dashed) == [3.0, 10.0, 10.0]
    assert right.get_xlim() == (0.0, 4.0)


# --- trends


def test_a_trend_has_a_point_for_each_run_in_order_and_its_own_limit() -> None:
    loss = asked("PASS", 3.0, id="LOSS", unit="%", what="loss rate", limit=5.0)
    runs = [
        ended("2026-01-02", asked("FAIL", 0.02, limit=0.01)),
        ended("2026-01-01", asked("PASS", 0.004, limit=0.02)),
        ended("2026-01-03", asked("ERROR", None), loss),
        ended("2026-01-04", asked("FAIL", None, unanswered=True)),
    ]
    first, second = trends(runs)
    assert (first.requirement, first.unit, second.requirement, second.unit) == ("CMD", "ms", "LOSS", "%")
    assert [(each.run, each.verdict, each.limit) for each in first.points] == [
        ("2026-01-01", "PASS", 20.0),
        ("2026-01-02", "FAIL", 10.0),
        ("2026-01-03", "ERROR", 10.0),
        ("2026-01-04", "FAIL", 10.0),
    ]
    places = first.places()
    assert [across for across, _ in places] == sorted(across for across, _ in places)
    good, bad, none, unanswered = (down for _, down in places)
    # From the top: nothing answered, beyond the limit, within it, nothing measured.
    assert unanswered < bad < good < none
    assert unanswered == pytest.approx(HEIGHT * (1 - TOP)) and none == pytest.approx(HEIGHT * (1 - BOTTOM))
    assert all(0 < across < WIDTH for across, _ in places)


@pytest.mark.parametrize("values", [(0.004, 0.005), (0.0001, 0.005), (0.0, 0.0)])
def test_places_are_where_the_marks_are_drawn(
    values: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(
        "harness.telemetry.page.trend.Figure", lambda **given: figures.append(Figure(**given)) or figures[-1]
    )
    (trend,) = trends([ended(f"2026-01-0{at}", asked("PASS", value)) for at, value in enumerate(values, 1)])
    picture(trend)
    (panel,) = figures[0].axes
    for index, (point, (across, down)) in enumerate(zip(trend.points, trend.places(), strict=True)):
        x, y = panel.transData.transform((index, trend.height(point))) / figures[0].dpi * 100
        assert (across, down) == pytest.approx((x, HEIGHT - y), abs=0.5)


def test_a_mark_links_to_its_report_where_there_is_one(tmp_path: Path) -> None:
    runs = [ended("2026-01-01", asked()), ended("2026-01-02", asked("FAIL", 0.02), verdict="FAIL")]
    with BenchWatch(Budgets(reports=None), tmp_path) as watch:
        watch.past.rigs["arm"] = Rig(newest=runs[-1])
        watch.past.rigs["arm"].ended.extend(runs)
        text = view.live(watch, {}, {("arm", "2026-01-01")})
        watch.past.rigs.clear()
    assert text.count('<a href="/runs/arm/2026-01-01/report.pdf"') == 2  # the mark, and the table
    assert "/runs/arm/2026-01-02/report.pdf" not in text
    assert "2026-01-01: 4 ms, PASS; report" in text and "2026-01-02: 20 ms, FAIL; no report" in text
    assert "<small>because</small>" in text


# --- budgets


def test_budgets_have_their_figures_by_pillar(tmp_path: Path) -> None:
    book = Budgets(reports=None)
    book.define("robotics.step", upper=10, unit="ms", quantile=0.5, pillar="robotics")
    book.define("compression.ratio", lower=0.4, upper=0.6, unit="1", quantile=0.5, pillar="compression")
    book.define("space.silent", upper=1, pillar="space")
    for at in range(300):
        book.observe("robotics.step", 2.0 + at % 7 * 0.01)
        book.observe("compression.ratio", 0.7 + at % 7 * 0.001)
        book.observe("loose", at)
    text = budgets.table(book.results())
    (step,) = [row for row in text.split("<tr>") if "robotics.step" in row]
    line = book.results()["robotics.step"]
    (judged,) = line.judged
    for said in (
        "PASS",
        f"{figure(judged.estimate)} ms",
        f"{figure(judged.bound)} ms",
        "≤ 10 ms",
        "p50",
        ">300<",
    ):
        assert said in step, said
    assert f"{figure(judged.headroom)} ×" in step
    ratio = [row for row in text.split("<tr>") if "compression.ratio" in row]
    assert len(ratio) == 2 and "≤ 0.6<" in ratio[0] and "FAIL" in ratio[0] and "×" not in ratio[0]
    assert "≥ 0.4<" in ratio[1] and "PASS" in ratio[1] and "×" in ratio[1]
    order = [text.index(said) for said in ("Robotics HAL", "Compression", "Space Ops", "No pillar")]
    assert order == sorted(order)
    assert "Nothing observed of 1 budget: space.silent" in text and "no limit" in text
    assert budgets.table(None) == "<p>None yet.</p>"


def test_a_budget_that_a_rig_decides_says_which(tmp_path: Path) -> None:
    limits = Limits("robotics.rtt", upper=10, pillar="robotics", rig=("command_round_trip", "latency"))
    run = FromRun(
        "robotics.rtt", "arm<", "one", True, "CMD", Verdict.PASS, "CMD: PASS", 3000, 1.0, 1.2, 2.5, "x", 0.99
    )
    lost = replace(run, verdict=Verdict.FAIL, estimate=None, bound=None)
    book = Budgets(reports=None)
    book._cell(limits)
    text = budgets.table(replace(book.results(), runs=[run, lost]))
    for said in ("1.2 ms", "2.5 ms", "≤ 10 ms", "p99", "3000", "4 ×", "arm&lt;, simulated", "CMD: PASS"):
        assert said in text, said
    assert ">unanswered<" in text and text.count("×") == 1
    assert "Nothing observed" not in text


# --- its end


@pytest.mark.slow
def test_ctrl_c_ends_the_command_in_order(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "dashboard", "--reports", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[0]
            port = int(address.rstrip("/").rpartition(":")[2])
            assert get(port, "/")[0] == 200
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "", "")
    with pytest.raises(OSError):
        get(port, "/")
