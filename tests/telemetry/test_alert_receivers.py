"""Alerts told to a real HTTP receiver and a real command."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import GaugeMetricFamily

from harness.errors import ConfigurationError, UnavailableError
from harness.telemetry.alerts import Alerts
from harness.telemetry.alerts import courier as module
from harness.telemetry.alerts.courier import Courier
from harness.telemetry.alerts.files import Receiver
from harness.telemetry.bench.command import serving
from harness.telemetry.budget import Budgets

SECRET = "s3cr3t"


class Inbox(ThreadingHTTPServer):
    """Keeps what is posted; answers ``statuses`` first, then 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.tokens: list[str | None] = []
        self.statuses: list[int] = []
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        inbox = self.server
        assert isinstance(inbox, Inbox)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        inbox.hold.wait(60)
        inbox.got.append(body)
        inbox.paths.append(self.path)
        inbox.tokens.append(self.headers["Authorization"])
        status = inbox.statuses.pop(0) if inbox.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Inbox()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("ALERT_URL", server.url)
    monkeypatch.setenv("ALERT_TOKEN", f"Bearer {SECRET}")
    yield server
    server.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


CHAT = Receiver(url_env="ALERT_URL", headers_env={"Authorization": "ALERT_TOKEN"})
NOTICE = {"alert": "slow", "state": "firing"}


@pytest.fixture
def chat(inbox: Inbox) -> Iterator[Courier]:
    courier = Courier("chat", CHAT, first_s=0.01)
    yield courier
    courier.close()


def test_a_webhook_gets_the_notice_and_the_token(inbox: Inbox, chat: Courier) -> None:
    chat.tell(NOTICE)
    until(lambda: inbox.tokens)
    assert (inbox.got, inbox.tokens, inbox.paths) == ([NOTICE], [f"Bearer {SECRET}"], [f"/{SECRET}"])


def test_what_may_be_different_later_is_tried_again_in_order(inbox: Inbox, chat: Courier) -> None:
    inbox.statuses = [500, 503, 429]
    chat.tell(NOTICE)
    chat.tell({"alert": "other", "state": "firing"})
    until(lambda: len(inbox.got) == 5)
    assert [each["alert"] for each in inbox.got] == ["slow"] * 4 + ["other"]


@pytest.mark.slow
@pytest.mark.parametrize(("status", "times"), [(404, 1), (302, 1), (500, module.ATTEMPTS)])
def test_what_is_refused_for_good_is_given_up_and_logged_without_secrets(
    inbox: Inbox, chat: Courier, status: int, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.statuses = [status] * times
    with caplog.at_level(logging.ERROR, "harness.alerts"):
        chat.tell(NOTICE)
        until(lambda: caplog.records)
    assert len(inbox.got) == times and set(inbox.paths) == {f"/{SECRET}"}
    assert f"HTTP status {status}" in caplog.text and SECRET not in caplog.text


def test_nobody_there_is_logged_without_the_url(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, inbox: Inbox
) -> None:
    inbox.server_close()  # its port answers no more
    courier = Courier("chat", CHAT, first_s=0.001)
    with caplog.at_level(logging.ERROR, "harness.alerts"):
        courier.tell(NOTICE)
        until(lambda: caplog.records)
        courier.close()
        courier.close()
    assert "URLError" in caplog.text and SECRET not in caplog.text


@pytest.mark.slow
def test_telling_waits_for_nobody_and_the_end_is_bounded(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    monkeypatch.setattr(module, "GRACE_S", 0.1)
    courier = Courier("chat", CHAT)
    inbox.hold.clear()
    with caplog.at_level(logging.ERROR, "harness.alerts"):
        for _ in range(10):
            courier.tell(NOTICE)
        courier.close()
    assert not inbox.got, "none of it waited for the receiver"
    assert 6 <= caplog.text.count("is dropped") <= 7 and "within 0.1 s of the end" in caplog.text


def test_variables_have_to_be_set_and_to_hold_what_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALERT_URL", raising=False)
    monkeypatch.setenv("ALERT_TOKEN", "x")
    with pytest.raises(ConfigurationError, match="ALERT_URL is not set"):
        Courier("chat", CHAT)
    for wrong in (f"ftp://host/{SECRET}", SECRET, f"http://[{SECRET}", f"http://a/\n{SECRET}"):
        monkeypatch.setenv("ALERT_URL", wrong)
        with pytest.raises(ConfigurationError, match="ALERT_URL holds") as caught:
            Courier("chat", CHAT)
        assert SECRET not in str(caught.value)


@pytest.mark.slow
def test_a_command_gets_the_notice_and_is_tried_again(tmp_path: Path) -> None:
    """It fails the first time."""
    out = tmp_path / "out"
    program = (
        "import sys, pathlib; out = pathlib.Path(sys.argv[1]); first = not out.exists();"
        "out.open('a').write(sys.stdin.read()); sys.exit(first)"
    )
    receiver = Receiver(command=[sys.executable, "-c", program, str(out)])
    courier = Courier("siren", receiver, first_s=0.01)
    courier.tell(NOTICE)
    until(lambda: out.exists() and out.read_text().count("\n") == 2)
    courier.close()
    assert [json.loads(line) for line in out.read_text().splitlines()] == [NOTICE, NOTICE]


@pytest.mark.slow
def test_a_command_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    courier = Courier("siren", Receiver(command=[sys.executable, "-c", "import time; time.sleep(600)"]))
    with caplog.at_level(logging.ERROR, "harness.alerts"):
        courier.tell(NOTICE)
        until(lambda: caplog.records)
    courier.close()
    assert "took more than 0.2 s" in caplog.text


def test_a_command_has_to_be_there() -> None:
    with pytest.raises(UnavailableError, match="no command /no/such"):
        Courier("siren", Receiver(command=["/no/such"]))


RULES = """receivers:
  chat: {url_env: ALERT_URL}
rules:
  slow:
    operation: check
    quantile: 0.5
    window_s: 0.5
    raise_above: 5
    clear_at: 4
    to: [chat, chat]
    text: look
"""


def test_a_program_tells_when_an_alert_fires_and_is_resolved_once_each(
    tmp_path: Path, inbox: Inbox, budgets: Budgets
) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(RULES)
    budgets.define("check", upper=5, unit="ms")
    with Alerts(budgets, file, every_s=0.02) as alerts:
        assert alerts.states() == {}
        until(lambda: (budgets.observe("check", 9.0), inbox.got)[1])
        assert alerts.states() == {("slow", ()): "firing"}
        until(lambda: (budgets.observe("check", 1.0), len(inbox.got) == 2)[1])
        until(lambda: (budgets.observe("check", 1.0), alerts.states() == {("slow", ()): "resolved"})[1])
    fired, resolved = inbox.got
    assert (fired["state"], resolved["state"]) == ("firing", "resolved")
    assert fired["id"] == resolved["id"] and fired["text"] == "look" and fired["limit"] == 5
    assert fired["value"] == pytest.approx(9, rel=0.012) and resolved["value"] <= 4
    assert fired["since"] <= fired["at"] <= resolved["at"]


@pytest.mark.slow
def test_harness_metrics_evaluates_rules_on_what_it_serves(tmp_path: Path, inbox: Inbox) -> None:
    """The share of overruns that a budget allows is a gauge that is always there."""
    file = tmp_path / "alerts.yaml"
    rule = "metric: harness_budget_allowed_ratio\n    labels: {operation: security.validation}"
    old = "operation: check\n    quantile: 0.5\n"
    file.write_text(RULES.replace(old, rule + "\n").replace("above: 5", "above: 0").replace("at: 4", "at: 0"))
    with serving(tmp_path, None, None, 0, "127.0.0.1", host=False, alerts=file):
        until(lambda: inbox.got)
    assert [each["labels"] for each in inbox.got] == [
        {"operation": "security.validation", "pillar": "security"}
    ]


class _Gauges:
    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("harness_rig_running", "", labels=("rig",))


def test_a_metric_that_nobody_has_is_refused_at_its_line(
    tmp_path: Path, inbox: Inbox, budgets: Budgets
) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(RULES.replace("operation: check", "metric: harness_rig_runing"))
    with pytest.raises(ConfigurationError, match=r"alerts.yaml:4: .*'harness_rig_running'"):
        Alerts(budgets, file, collectors=[_Gauges()])
