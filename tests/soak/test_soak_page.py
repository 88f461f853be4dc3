"""The live page in a real browser while a rig runs. Needs Chromium, its driver, and selenium: ``make soak``
installs them. ``HARNESS_SCREENSHOTS=DIR`` keeps the pictures, to be looked at.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import matplotlib.image
import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome")
RIG = "two-limits"
WIDE, NARROW = (1200, 900), (500, 900)

pytestmark = pytest.mark.soak


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.2)
    return found


class Browser:
    """A headless Chromium whose requests and complaints are kept."""

    def __init__(self, driver: Any, pictures: Path) -> None:
        self.driver, self._pictures = driver, pictures
        self.asked: list[str] = []

    def do(self, script: str, *given: object) -> Any:
        return self.driver.execute_script(script, *given)

    def text(self, part: str) -> str:
        return str(self.do("return document.querySelector(arguments[0])?.innerText ?? ''", part))

    def row(self, rig: str) -> str:
        """What the table of rigs says of one."""
        return str(
            self.do(
                "return [...document.querySelectorAll('#rigs tr')].map(row => row.innerText)"
                ".find(text => text.startsWith(arguments[0])) ?? ''",
                rig,
            )
        )

    def charts(self) -> list[str]:
        """Addresses of the pictures of latencies that are drawn."""
        drawn = "return [...document.images].filter(i => i.complete && i.naturalWidth > 0).map(i => i.src)"
        return [str(each) for each in self.do(drawn)]

    def requests(self) -> list[str]:
        """Every address that was asked for, whether an answer came or not."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])
        return self.asked

    def complaints(self) -> list[str]:
        return [each["message"] for each in self.driver.get_log("browser")]

    def picture(self, name: str, size: tuple[int, int]) -> np.ndarray[Any, Any]:
        """The whole page at that width."""
        self.driver.set_window_size(*size)
        # What is far below is only asked for once it comes near.
        self.do("for (const each of document.images) each.loading = 'eager'")
        until(
            lambda: self.do("return [...document.images].every(i => i.complete && i.naturalWidth > 0)"),
            "all pictures are drawn",
        )
        # Asked for again, so that what is in a drawing has come, too.
        self.do(
            "return Promise.all([...document.querySelectorAll('svg image')].map("
            "each => { const it = new Image(); it.src = each.getAttribute('href'); return it.decode(); }))"
        )
        height = int(self.do("return document.documentElement.scrollHeight"))
        self.driver.set_window_size(size[0], min(height + 150, 12000))
        file = self._pictures / f"{name}.png"
        assert self.driver.save_screenshot(str(file))
        return np.asarray(matplotlib.image.imread(file))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver_path = shutil.which("chromedriver")
    if found is None or driver_path is None:
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: scripts/setup.sh soak")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    # Any name but this host's leads nowhere, so that what the page shows needs no network.
    for each in (
        "--headless", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):  # fmt: skip
        options.add_argument(each)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    pictures = Path(os.environ.get("HARNESS_SCREENSHOTS", tmp_path))
    pictures.mkdir(parents=True, exist_ok=True)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    try:
        yield Browser(driver, pictures)
    finally:
        driver.quit()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[tuple[str, Path, subprocess.Popen[str]]]:
    """The page's address, a rig file, and the process that serves the page."""
    rig = yaml.safe_load((ROOT / "rig_configs" / "loopback.yaml").read_text(encoding="utf-8"))
    rig["rig"]["name"] = RIG
    rig["host"] = {"max_load_per_cpu": 1000}
    rig["devices"]["robot"]["drop_every"] = 300
    rig["scenarios"]["command"]["schedule"]["samples"] = 12000
    common = {"scenario": "command", "confidence": 0.95}
    rig["requirements"] += [
        {"id": "LOOP-P50", "quantity": "latency", "quantile": 0.5, "limit": 5, "unit": "ms", **common},
        {"id": "LOOP-LOSS", "quantity": "loss_rate", "limit": 1, "unit": "%", **common},
    ]
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump(rig), encoding="utf-8")
    command = [sys.executable, "-m", "harness", "dashboard", "--port", "0"]
    command += ["--reports", str(tmp_path / "reports")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0], file, process
        finally:
            process.terminate()


def start_run(rig: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "harness", "run", str(rig), "--quiet", "--anyway"]
    command += ["--out", str(rig.parent / "reports"), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.timeout(900)
def test_the_page_follows_a_run_in_a_real_browser(
    browser: Browser, bench: tuple[str, Path, subprocess.Popen[str]]
) -> None:
    address, rig, server = bench
    browser.driver.set_window_size(*WIDE)
    browser.driver.get(address)
    assert "No run under the folder of reports yet" in browser.text("#rigs")
    browser.picture("none", WIDE)

    with start_run(rig, "--samples", "500") as run:
        assert run.wait(PATIENCE_S) in (0, 1, 3)
    until(lambda: "ended" in browser.row(RIG), "the first run has ended on the page")
    first = until(browser.charts, "its chart is drawn")
    # What somebody is about to click must not vanish under the pointer: what has not changed stays.
    browser.do(f"document.getElementById('rig-{RIG}').dataset.same = 'yes'")
    time.sleep(5)
    assert browser.do(f"return document.getElementById('rig-{RIG}').dataset.same") == "yes"

    with start_run(rig) as run:
        until(lambda: "running" in browser.row(RIG), "the second run is followed")
        rows: list[str] = []
        charts: list[str] = []
        pictured = False
        while run.poll() is None:
            if "running" in (row := browser.row(RIG)) and row not in rows:
                rows.append(row)
            charts += [each for each in browser.charts() if each not in [*first, *charts]]
            if not pictured and len(charts) >= 2:
                browser.picture("running", WIDE)
                browser.driver.set_window_size(*WIDE)
                pictured = True
            time.sleep(0.3)
        assert run.returncode in (0, 1, 3)
    assert len(rows) >= 3, f"running figures did not change: {rows}"
    assert len(charts) >= 2, f"the chart was not drawn anew: {charts}"

    def all_there() -> bool:
        return "ended" in browser.row(RIG) and browser.text("#runs").count("PDF") == 2

    until(all_there, "both runs have ended on the page, with their reports")
    newest = max(each.name for each in (rig.parent / "reports" / RIG).iterdir())
    assert f"the newest run, {newest}" in browser.text(f"#rig-{RIG}")
    until(
        lambda: [each for each in browser.charts() if newest in each], "the chart of the whole run is drawn"
    )
    marks = browser.do(
        "return [...document.querySelectorAll('svg.trend')].map(each => each.querySelectorAll('a').length)"
    )
    assert marks == [2, 2, 2]
    drawn = "return performance.getEntriesByType('resource').map(e => [e.name, e.responseStatus])"
    statuses = dict(browser.do(drawn))
    assert any("/trend/" in name for name in statuses) and set(statuses.values()) == {200}, statuses
    mark = browser.do("return document.querySelector('svg.trend a').getAttribute('href')")
    kind = "return fetch(arguments[0]).then(answer => answer.headers.get('content-type'))"
    assert browser.do(kind, mark) == "application/pdf"

    broken = yaml.safe_load(rig.read_text(encoding="utf-8"))
    broken["processes"] = {"robot": {"command": ["sh", "-c", "sleep 1; exit 7"]}}
    rig.write_text(yaml.safe_dump(broken), encoding="utf-8")
    with start_run(rig) as run:
        assert run.wait(PATIENCE_S) == 4
    until(lambda: "ERROR" in browser.row(RIG), "a run in ERROR is shown as one")
    assert "exit status 7" in browser.row(RIG)

    wide = browser.picture("ended", WIDE)
    narrow = browser.picture("narrow", NARROW)
    assert len(np.unique(wide[..., :3].reshape(-1, 3), axis=0)) > 100
    # Tables and charts scroll within the page; the page itself does not.
    assert narrow.shape[1] <= NARROW[0]
    assert browser.do("return document.documentElement.scrollWidth <= window.innerWidth")

    # What is of the browser itself, or stands in the page, is no request to anybody.
    asked = [urlsplit(each) for each in browser.requests()]
    asked = [each for each in asked if each.scheme not in ("chrome", "data", "about")]
    assert {(each.scheme, each.netloc) for each in asked} == {("http", urlsplit(address).netloc)}
    assert browser.complaints() == []

    server.terminate()
    server.wait(PATIENCE_S)
    until(lambda: browser.do("return !document.getElementById('lost').hidden"), "that nobody answers is said")
    assert "ERROR" in browser.row(RIG)  # what there was stays
