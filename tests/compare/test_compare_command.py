"""`harness compare` on run folders: refusals, exit statuses, pages, security, simulation to reality."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from compare_bench import HOST, edited, run_folder

from harness.cli_compare import compare as command
from harness.compare.gates import parse
from harness.compare.runs import choose
from harness.errors import ConfigurationError, HarnessError, RecordingError
from harness.telemetry.budget.registry import Budgets

RNG = np.random.default_rng
N = 800


def latencies(seed: int, factor: float = 1.0, n: int = N) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(RNG(seed).lognormal(1.0, 0.1, n) * factor)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("reports")
    slow_sender = np.where(np.arange(N) % 3 == 0, 1.2, 0.01)
    return {
        "a": run_folder(out, latencies(1), number=1),
        "same": run_folder(out, latencies(2), number=2),
        "slower": run_folder(out, latencies(3, 1.2), number=3),
        "lossy": run_folder(out, np.where(RNG(4).random(N) < 0.05, np.inf, latencies(4)), number=4),
        "harness_late": run_folder(out, latencies(5), number=5, late_ms=slow_sender),
        "rate": run_folder(out / "x", latencies(6), number=6, rate_hz=250),
        "host": run_folder(out / "x", latencies(7), number=7, host={**HOST, "cpu_model": "another CPU"}),
        "real": run_folder(out / "x", latencies(8), number=8, rig="robot", simulated=False),
        "short": run_folder(out / "x", latencies(9, n=150), number=9),
    }


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments], standalone_mode=False)


def status(result: Result) -> int:
    if isinstance(result.exception, HarnessError):
        return result.exception.exit_status
    assert result.exception is None, result.exception
    assert isinstance(result.return_value, int)
    return result.return_value


@pytest.mark.parametrize(
    ("b", "gates", "expected"),
    [
        ("slower", {"p50:5%": 1, "p99:5%": 1, "command:p50:0.1ms": 1, "p50:50%": 0, "p50:20%": 3}, 1),
        ("same", {"p50:5%": 0, "p99:30%": 0, "p50:5ms": 0}, 0),
        ("lossy", {"p99:5%": 1, "p50:5%": 0}, 1),
        ("short", {"p99:20%": 3, "p50:10%": 0}, 3),
    ],
)
def test_the_exit_status_is_what_the_intervals_say(
    runs: dict[str, Path], b: str, gates: dict[str, int], expected: int
) -> None:
    result = call(runs["a"], runs[b], *(x for gate in gates for x in ("--fail-on", gate)))
    assert status(result) == expected
    words = {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE"}
    said = re.findall(r"^(PASS|FAIL|INCONCLUSIVE)  p", result.output, re.MULTILINE)
    assert said == [words[each] for each in gates.values()]


def test_without_an_agreement_nothing_fails(runs: dict[str, Path]) -> None:
    result = call(runs["a"], runs["slower"])
    assert status(result) == 0
    assert "worse" in result.output
    assert "One run against one" in " ".join(result.output.split())


def test_what_the_harness_was_late_itself_fails_nobody(runs: dict[str, Path]) -> None:
    result = call(runs["a"], runs["harness_late"], "--fail-on", "p90:5%", "--json")
    assert status(result) == 3
    decided = json.loads(result.output)["fail_on"][0]
    assert decided["from_intent"]["low"] > 0.05
    assert decided["from_sent"]["high"] < 0.05


@pytest.mark.parametrize(
    ("b", "reason", "hint"),
    [
        ("rate", "paced at 500 Hz against paced at 250 Hz", "measure again|another scenario"),
        ("host", "bench CPU, 4 CPUs, x86_64 against another CPU", "--despite host"),
        ("real", "simulated: simulated against real", "--sim-to-real"),
    ],
)
def test_what_is_not_comparable_is_refused_with_the_reason(
    runs: dict[str, Path], b: str, reason: str, hint: str
) -> None:
    result = call(runs["a"], runs[b])
    assert status(result) == 2
    assert reason in str(result.exception)
    assert re.search(hint, str(result.exception))


def test_another_host_may_be_forced_and_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert status(call(runs["a"], runs["host"], "--despite", "host", "--out", page)) == 0
    assert "--despite host: bench CPU, 4 CPUs, x86" in page.read_text(encoding="utf-8").replace("\\", "")
    assert status(call(runs["a"], runs["rate"], "--despite", "host")) == 2
    assert choose([runs["a"], runs["same"]], despite=["host"]).forced == []


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("p99", "cannot be read"),
        ("99:5%", "cannot be read"),
        ("p99:5", "unit ''"),
        ("p99:5parsec", "unit 'parsec'"),
        ("p100:5%", "no quantile p100"),
        ("p0:5%", "no quantile p0"),
        ("p99:-5%", "cannot be read"),
        ("other:p99:5%", "no scenario 'other'"),
    ],
)
def test_an_agreement_that_cannot_be_read_is_told(gate: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)) as raised:
        parse(gate, ["command"])
    assert raised.value.exit_status == 2
    assert raised.value.hint


def test_mistakes_of_the_command_line_are_told(runs: dict[str, Path], tmp_path: Path) -> None:
    a, same = runs["a"], runs["same"]
    for arguments, says in (
        ([a], "1 runs are named"),
        ([a, same, runs["slower"]], "3 runs are named"),
        ([tmp_path, same], "is no run folder"),
        ([a, same, "--out", "page.docx"], "the ending says"),
        ([a, same, "--scenario", "nothing"], "scenario nothing"),
        ([a, same, "--observe-into", tmp_path], "--sim-to-real"),
        ([a, same, "--sim-to-real"], "simulated against simulated"),
        ([a, "--baseline", tmp_path], "neither a run folder nor a folder of other runs"),
    ):
        result = call(*arguments)
        assert status(result) == 2, arguments
        assert says in str(result.exception)


def test_a_run_without_results_or_samples_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    broken = run_folder(tmp_path, latencies(1), number=1)
    (broken / "samples.parquet").unlink()
    with pytest.raises(RecordingError, match="harness report"):
        _raise(call(runs["a"], broken))
    (broken / "results.json").unlink()
    with pytest.raises(RecordingError, match="harness report"):
        _raise(call(runs["a"], broken))


def _raise(result: Result) -> None:
    if result.exception:
        raise result.exception


def test_a_baseline_is_a_folder_of_runs_without_what_is_not_comparable(tmp_path: Path) -> None:
    noise = RNG(20).normal(0, 0.01, 8)
    every = [
        run_folder(tmp_path, latencies(number, np.exp(noise[number]), 300), number=number)
        for number in range(7)
    ]
    slow = run_folder(tmp_path, latencies(30, 1.15, 300), number=30)
    other = run_folder(tmp_path, latencies(31, n=300), number=31, rate_hz=250)
    result = call(slow, "--baseline", tmp_path / "loopback", "--fail-on", "p50:6%", "--json")
    assert status(result) == 1
    found = json.loads(result.output)
    assert {each["run_id"] for each in found["a"]} == {each.name for each in every}
    assert [Path(each["run"]) for each in found["left_out"]] == [other]
    assert "250 Hz" in found["left_out"][0]["reason"]
    three = [argument for each in every[:3] for argument in ("--baseline", str(each))]
    assert status(call(every[5], every[6], *three)) == 0
    assert status(call(every[5], "--baseline", other)) == 2


def test_the_pages_have_the_figures_and_stand_alone(runs: dict[str, Path], tmp_path: Path) -> None:
    pages = [tmp_path / "new" / f"page.{ending}" for ending in ("md", "html", "pdf", "json")]
    result = call(
        runs["a"], runs["lossy"], "--fail-on", "p99:5%", *(x for each in pages for x in ("--out", each))
    )
    assert status(result) == 1
    markdown, html = (each.read_text(encoding="utf-8") for each in pages[:2])
    for picture in re.findall(r"\]\(([^)]+\.svg)\)", markdown):
        assert (pages[0].parent / picture).read_text(encoding="utf-8").startswith("<?xml")
    assert markdown.count(".svg)") == 2
    assert html.count("data:image/svg+xml;base64,") == 2
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "SIMULATED" in html
    text = subprocess.run(["pdftotext", "-layout", pages[2], "-"], capture_output=True, text=True, check=True)
    figures = json.loads(pages[3].read_text(encoding="utf-8"))
    median = figures["scenarios"]["command"]["quantiles"][0]
    for page in (markdown, html, text.stdout):
        assert f"{median['a_ms']:.3f}" in page
        assert "FAIL" in page
        assert "lost" in page
        assert runs["lossy"].name in page.replace("\\", "")
    assert figures["scenarios"]["command"]["quantiles"][-1]["b_ms"] is None
    assert figures["verdict"] == "FAIL"


def test_the_same_runs_give_the_same_bytes(runs: dict[str, Path], tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        call(runs["a"], runs["short"], "--out", tmp_path / f"{name}.pdf", "--out", tmp_path / f"{name}.json")
        made.append([(tmp_path / f"{name}.{ending}").read_bytes() for ending in ("pdf", "json")])
    assert made[0] == made[1]


def test_what_changed_beside_the_latency_is_named(runs: dict[str, Path], tmp_path: Path) -> None:
    other = edited(
        run_folder(tmp_path, latencies(40), number=40),
        environment={**json.loads((runs["a"] / "results.json").read_text())["environment"]},
    )
    file = other / "results.json"
    results = json.loads(file.read_text(encoding="utf-8"))
    results["environment"]["host"] = {**HOST, "kernel": "6.99-rt"}
    file.write_text(json.dumps(results), encoding="utf-8")
    found = json.loads(call(runs["a"], other, "--json").output)
    assert found["changed"]["kernel"] == {"a": "", "b": "6.99-rt"}


SECURITY = """
pillar: security
budgets:
  security.check: {text: one check, unit: ms, upper: 5}
"""


def observed(tmp_path: Path, seconds: float, times: int = 400) -> tuple[Path, Path]:
    budgets, folder = tmp_path / "budgets.yaml", tmp_path / "observed"
    budgets.write_text(SECURITY, encoding="utf-8")
    folder.mkdir()
    book = Budgets(gather=folder, reports=None)
    book.load(budgets)
    for value in RNG(1).uniform(0.5, 1.0, times) * seconds:
        book.observe("security.check", float(value), "s")
    book.flush()
    return budgets, folder


@pytest.mark.parametrize(
    ("seconds", "times", "expected", "says"),
    [
        (0.001, 400, 0, "B is accepted: all 1 security budgets hold"),
        (0.020, 400, 1, "not accepted: security budgets are broken (security.check)"),
        (0.001, 20, 3, "not accepted yet: not shown to be kept are security.check"),
    ],
)
def test_a_faster_run_is_accepted_only_while_security_holds(
    runs: dict[str, Path], tmp_path: Path, seconds: float, times: int, expected: int, says: str
) -> None:
    budgets, folder = observed(tmp_path, seconds, times)
    page = tmp_path / "page.md"
    result = call(
        runs["slower"],
        runs["a"],
        "--security",
        folder,
        "--budgets",
        budgets,
        "--fail-on",
        "p50:5%",
        "--out",
        page,
    )
    assert status(result) == expected
    assert says in " ".join(result.output.split())
    assert says in page.read_text(encoding="utf-8").replace("\\", "")


def test_a_slower_run_is_no_optimisation_although_security_holds(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    budgets, folder = observed(tmp_path, 0.001)
    result = call(runs["short"], runs["slower"], "--security", folder, "--budgets", budgets)
    assert "B is no optimisation" in " ".join(result.output.split())


def test_budgets_that_nobody_observed_are_not_shown_to_hold(runs: dict[str, Path], tmp_path: Path) -> None:
    result = call(runs["a"], runs["short"], "--security", tmp_path)
    assert status(result) == 3
    assert "security.validation" in result.output


def test_a_simulation_is_held_against_reality(runs: dict[str, Path], tmp_path: Path) -> None:
    # Both rigs are simulated; one of the folders says that it is real.
    folder = tmp_path / "observed"
    one = call(runs["a"], runs["real"], "--sim-to-real", "--json", "--observe-into", folder)
    found = json.loads(one.output)
    assert [each["simulated"] for each in (*found["a"], *found["b"])] == [False, True]
    assert found["item"] == "real and simulated"
    good = found["scenarios"]["command"]["sim_to_real"]
    assert good["accuracy"]["estimate"] > 0.9
    assert good["signals"] is None
    other = json.loads(call(runs["real"], runs["slower"], "--sim-to-real", "--json").output)
    bad = other["scenarios"]["command"]
    assert bad["sim_to_real"]["accuracy"]["high"] < 0.1
    assert bad["wasserstein_ms"]["low"] > 0.3
    assert bad["kolmogorov"]["low"] > 0.4
    book = Budgets(gather=folder, reports=None)
    book.load()
    line = book.results()["simulation.sim_to_real_accuracy"]
    assert line.n == 1
    assert line.mean == pytest.approx(100 * good["accuracy"]["estimate"])
