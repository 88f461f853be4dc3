"""The live page over HTTP: what it shows, and what it does not give away."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UnavailableError
from harness.model import Verdict
from harness.ros.tracker import Figures
from harness.telemetry.bench.live import Counted, LiveRun, Watched
from harness.telemetry.bench.past import Ended, Rig
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.buckets import Buckets
from harness.telemetry.page import view
from harness.telemetry.page.chart import chart
from harness.telemetry.page.columns import COLUMNS, Columns
from harness.telemetry.page.command import page_server

Answer = tuple[int, dict[str, str], bytes]


def ended(run: str) -> Ended:
    return Ended(
        run, "PASS", True, 1.7e9, (), {("command", "0.5"): 0.002, ("command", "0.99"): 0.004}, {}, {}, {}
    )


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
    rig = Rig(newest=ended("one"))
    rig.ended.append(ended("one"))
    past.rigs = {"arm": rig}  # type: ignore[attr-defined]


def test_the_page_has_its_parts_and_asks_nobody_else(page: int) -> None:
    status, headers, body = get(page, "/")
    text = body.decode()
    assert status == 200 and "default-src 'self'" in headers["content-security-policy"]
    for said in ("<h2>Rigs</h2>", "2 ms", "4 ms", "<h2>Budgets by pillar</h2>", "/runs/arm/one/report.pdf"):
        assert said in text
    assert "http://" not in text and "https://" not in text
    assert get(page, "/live")[2].decode() in text
    assert b'fetch("/live")' in get(page, "/page.js")[2] and get(page, "/page.css")[0] == 200


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
        rig = Rig(newest=ended(bad))
        rig.ended.append(ended(bad))
        watch.past.rigs[bad] = rig
        text = view.live(watch, [(bad, bad)], {(bad, bad)})
    assert "<img src=x" not in text and "&lt;img src=x" in text and 'onerror="' not in text


def test_a_run_that_goes_on_shows_its_running_percentiles(tmp_path: Path) -> None:
    asked = Watched("command", "CMD", 0.01, 0.99, 0.95, 0.1)
    with BenchWatch(Budgets(reports=None), tmp_path) as watch:
        watch.past.rigs["arm"] = Rig()
        run = watch.live["arm"] = LiveRun(tmp_path, Counted(from_intent=True))
        assert "<td>starting</td>" in view.live(watch, [], set())
        run.life.heartbeat_s = 1.7e9
        assert "last sign of life 2023-11-14 22:13:20 UTC" in view.live(watch, [], set())
        run.life.figures["command"] = Figures("command", 40, 100, 2, 0, 1.5, 7.25, 0.1)
        run.life.verdicts[asked] = Verdict.FAIL
        text = view.live(watch, [], set())
        watch.live.clear()
        watch.past.rigs.clear()
    for said in ("40 of 100, 2 lost", "1.5 ms", "7.25 ms", 'by now: <span class="FAIL">FAIL'):
        assert said in text


@pytest.mark.slow
def test_a_chart_is_drawn_of_any_values() -> None:
    column = Buckets()
    column.add(np.array([0.0, 1e-6, 0.004, 30.0]))
    for columns in ([column], [column, Buckets(), column], [Buckets()]):
        drawn = chart("a$b: <command>", 0.005, columns)
        assert drawn.startswith(b"<?xml") and b"<command>" not in drawn


def test_a_run_that_goes_on_adds_a_column_for_what_came(tmp_path: Path) -> None:
    asked = Watched("command", "CMD", 0.01, 0.99, 0.95, 0.1)
    with BenchWatch(Budgets(reports=None), tmp_path) as watch, Columns(watch, tmp_path, 1e6) as columns:
        counted = watch.ever["arm"] = Counted(from_intent=True)
        counted.expect([asked])
        book = counted._books[asked]
        for _ in range(COLUMNS + 5):
            book.observe("latency", 0.002)
            columns._follow("arm")
            columns._follow("arm")
        limit_s, found = columns.of["arm", "command"]
    assert limit_s == 0.01 and [each.total for each in found] == [1] * COLUMNS
