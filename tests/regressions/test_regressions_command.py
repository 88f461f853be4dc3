"""``harness regressions``: on folders of runs, with reruns that a double of the runner makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import history_data as data
import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.errors import ConfigurationError, OperationError
from harness.history import History
from harness.regressions.command import status
from harness.regressions.series import series_of
from harness.regressions.told import circumstances, commit_range, examine

NOISE = 0.03
SIM_RIG = "rig_configs/loopback.yaml"


def figures(seed: int, *levels: tuple[int, float]) -> list[float]:
    rng = np.random.default_rng(seed)
    return [level * float(np.exp(NOISE * rng.normal())) for n, level in levels for _ in range(n)]


def write(
    reports: Path, values: Sequence[float], rig: str = "loopback", begin: int = 0, **changes: Any
) -> None:
    """A run for each value, its commit another one every fifth run."""
    for number, value in enumerate(values, begin):
        commit = {"commit": f"{number // 5 + 1:x}".rjust(40, "a"), "branch": "main", "dirty": False}
        data.written(reports, number, "loopback", value, **{"provenance.git": commit, **changes})


def harness(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["regressions", *map(str, words)], standalone_mode=False)


def printed(*words: str | Path) -> str:
    done = harness(*words)
    assert done.exception is None, done.exception
    return done.output


def as_json(reports: Path, *words: str) -> dict[str, Any]:
    return json.loads(printed("loopback", "--reports", reports, "--json", *words))


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 runs at 5 ms, then 30 at 5.5 ms, on another kernel. To be read only."""
    reports = tmp_path_factory.mktemp("slower")
    values = figures(1, (60, 5.0), (30, 5.5))
    write(reports, values[:60])
    write(reports, values[60:], begin=60, **{"environment.host.kernel": "6.9.0"})
    return reports


def test_a_regression_is_told_with_level_size_runs_commits_and_what_else_changed(slower: Path) -> None:
    told = printed("loopback", "--reports", slower)
    lines = told.splitlines()
    assert lines[0] == "loopback  SIMULATED  90 runs"
    assert "CMD-RTT  p99 latency of command, 90 comparable runs" in told
    (row,) = [line for line in lines if line.rstrip().endswith("worse  aaaaaaaaa")]
    assert " 30 " in row and " %" in row
    assert "regression since 2026-02-03T00-00-00Z-003c" in told
    assert "kernel: 6.8.0-51-generic -> 6.9.0" in told
    assert "git log --oneline aaaaaaaaaaaa..aaaaaaaaaaaa" in told
    assert "confirmed" in told and "false alarms" in told.lower()


def test_json_says_the_same(slower: Path) -> None:
    (asked,) = as_json(slower)["requirements"]
    (change,) = asked["changes"]
    assert change["kind"] == "regression" and asked["regression_in_force"]
    assert change["earliest"] <= change["first"] <= change["latest"] < change["confirmed"]
    assert change["effect"]["low"] < 0.1 < change["effect"]["high"]
    assert change["circumstances"]["kernel"] == ["6.8.0-51-generic", "6.9.0"]
    assert change["runs_before"] + change["runs_after"] == asked["runs"] == 90
    assert asked["suspicion"] is None


def test_exit_status_of_ci(slower: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    arguments = ("loopback", "--reports", slower, "--fail-on-regression")
    assert harness(*arguments).return_value == 1
    assert harness("loopback", "--reports", slower).return_value == 0
    assert harness(*arguments, "--since", "2026-01-31").return_value == 1
    # It is known, and accepted: only what begins later fails.
    assert harness(*arguments, "--since", "2026-02-20").return_value == 0
    quiet = tmp_path_factory.mktemp("quiet")
    write(quiet, figures(2, (70, 5.0)))
    assert harness("loopback", "--reports", quiet, "--fail-on-regression").return_value == 0
    short = tmp_path_factory.mktemp("short")
    write(short, figures(2, (12, 5.0)))
    assert harness("loopback", "--reports", short, "--fail-on-regression").return_value == 3


def test_an_improvement_is_called_one_and_fails_nothing(tmp_path: Path) -> None:
    write(tmp_path, figures(3, (60, 5.0), (30, 4.4)))
    done = harness("loopback", "--reports", tmp_path, "--fail-on-regression")
    assert (
        "improvement since" in done.output
        and "better" in done.output
        and "regression since" not in done.output
    )
    assert done.return_value == 0


def test_of_a_lower_limit_the_smaller_figure_is_the_worse(tmp_path: Path) -> None:
    write(tmp_path, figures(3, (60, 5.0), (30, 4.4)), **{"requirements.0.limit_is": "lower"})
    done = harness("loopback", "--reports", tmp_path, "--fail-on-regression")
    assert "regression since" in done.output and done.return_value == 1


def test_a_regression_made_good_is_in_force_no_more(tmp_path: Path) -> None:
    write(tmp_path, figures(4, (60, 5.0), (40, 5.6), (40, 5.0)))
    done = harness("loopback", "--reports", tmp_path, "--fail-on-regression")
    assert "regression since" in done.output and "improvement since" in done.output
    assert done.return_value == 0


def test_too_short_a_history_says_how_many_runs_are_missing(tmp_path: Path) -> None:
    write(tmp_path, figures(5, (12, 5.0)))
    told = printed("loopback", "--reports", tmp_path)
    assert (
        "too few to look for changes, 12 comparable runs: 10 more are needed" in told
        and "48 more are needed" in told
    )


def test_runs_that_are_not_comparable_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, figures(6, (5, 9.0)), **{"environment.host.cpus": 4})
    write(tmp_path, figures(6, (3, 9.0)), begin=5, aborted=True)
    write(tmp_path, figures(6, (2, 9.0)), begin=8, **{"requirements.0.quantile": 0.5})
    write(tmp_path, figures(6, (2, 9.0)), begin=10, **{"requirements.0.verdict": "ERROR"})
    write(tmp_path, figures(6, (30, 5.0)), begin=12)
    with History.open(tmp_path) as history:
        (series,) = series_of(history.runs("loopback"))
    assert len(series.runs) == 30 and max(series.values) < 6
    left = dict(series.left_out)
    assert left["cut short"] == 3 and left["quantile: 0.5 against 0.99"] == 2
    assert sum(left.values()) == 12 and any(why.startswith("host class") for why in left)


def test_a_quantile_among_the_lost_is_worse_than_any(tmp_path: Path) -> None:
    write(tmp_path, figures(7, (40, 5.0)))
    write(tmp_path, [5.0] * 20, begin=40, **{"requirements.0.estimate": None})
    told = printed("loopback", "--reports", tmp_path)
    assert "among the lost" in told and "regression since" in told and "×" in told
    (change,) = as_json(tmp_path)["requirements"][0]["changes"]
    assert change["effect"]["after"] is None


def test_a_plot_of_each_kind(slower: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("plots")
    printed("loopback", "--reports", slower, "--plot", out / "a.svg")
    svg = (out / "a.svg").read_text()
    assert "regression +" in svg and "p99 latency in ms" in svg
    printed("loopback", "--reports", slower, "--plot", out / "a.png")
    assert (out / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigurationError, match=r"a\.gif"):
        raise harness("loopback", "--reports", slower, "--plot", out / "a.gif").exception  # type: ignore[misc]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("nosuch",), "no run of 'nosuch'"),
        (("loopback", "--requirement", "NONE"), "has a requirement 'NONE'"),
        (("loopback", "--since", "soon"), "--since"),
        (("loopback", "--reports", "not/there"), "no folder not/there"),
    ],
)
def test_what_is_wrong_is_named(words: tuple[str, ...], what: str, tmp_path: Path) -> None:
    write(tmp_path, figures(8, (3, 5.0)))
    given = () if "--reports" in words else ("--reports", str(tmp_path))
    error = harness(*words, *given).exception
    assert isinstance(error, ConfigurationError) and what in str(error) and error.hint


# -- confirmation -------------------------------------------------------------------------------------------


def suspected(reports: Path, seed: int = 9, level: float = 5.6, **changes: Any) -> int:
    """A history whose newest run has just raised a suspicion; how many runs it has."""
    values = figures(seed, (60, 5.0), (10, level))
    for n in range(61, 70):
        (found,) = examine(_one(values[:n]))
        if found.watched.suspicion is not None and found.watched.suspicion.first >= 58:
            write(reports, values[:n], **changes)
            return n
    raise AssertionError("no suspicion")


def _one(values: Sequence[float]) -> list[Any]:
    from harness.regressions.series import Series

    asked: Any = SimpleNamespace(limit_is="upper", id="X")
    return [Series(asked, (), np.array(values), ())]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, float], list[Any]]]:
    """A double of the runner whose robot is as slow as it is told."""
    import harness.runner

    asked: list[Any] = []

    def use(reports: Path, level: float, **changes: Any) -> list[Any]:
        rng = np.random.default_rng(99)

        def run_rig(loaded: Any, options: Any) -> Any:
            asked.append((loaded, options))
            number = len(list((reports / "loopback").iterdir()))
            commit = {"commit": "b" * 40, "branch": "main", "dirty": False}
            value = level * float(np.exp(NOISE * rng.normal()))
            folder = data.written(
                options.out, number, "loopback", value, **{"provenance.git": commit, **changes}
            )
            return SimpleNamespace(folder=SimpleNamespace(path=folder, name=folder.name), error=None)

        monkeypatch.setattr(harness.runner, "run_rig", run_rig)
        return asked

    yield use


def test_without_confirm_a_suspicion_says_what_to_do_and_is_no_verdict(tmp_path: Path) -> None:
    suspected(tmp_path)
    done = harness("loopback", "--reports", tmp_path, "--fail-on-regression")
    assert done.return_value == 3
    assert "SUSPICION of a regression since" in done.output
    assert f"harness regressions loopback --reports {tmp_path} --confirm 16" in done.output.replace("\n", "")


def test_reruns_confirm_a_regression_and_stop_as_soon_as_it_is(tmp_path: Path, bench: Any) -> None:
    before = suspected(tmp_path)
    asked = bench(tmp_path, 5.6)
    done = harness("loopback", "--reports", tmp_path, "--confirm", "16", "--fail-on-regression")
    assert done.exception is None, done.exception
    assert done.return_value == 1 and "regression since" in done.output
    assert "the reruns measured commit bbbbbbbbb, the newest run before them aaaaaaaaa" in done.output
    assert len(asked) == 8 and "rerun 8:" in done.output and "rerun 9:" not in done.output
    assert all(options.out == tmp_path for _, options in asked)
    assert (
        len(as_json(tmp_path)["requirements"]) == 1
        and before + 8 == as_json(tmp_path)["requirements"][0]["runs"]
    )


def test_reruns_at_the_old_level_let_it_drop(tmp_path: Path, bench: Any) -> None:
    suspected(tmp_path)
    asked = bench(tmp_path, 4.9)
    done = harness("loopback", "--reports", tmp_path, "--confirm", "16", "--fail-on-regression")
    assert done.exception is None, done.exception
    assert done.return_value == 0 and len(asked) == 4
    assert "regression since" not in done.output and "SUSPICION" not in done.output


def test_no_more_reruns_than_allowed_and_none_without_a_suspicion(tmp_path: Path, bench: Any) -> None:
    n = suspected(tmp_path)
    asked = bench(tmp_path, 5.6)
    left = as_json(tmp_path, "--confirm", "3")
    assert len(asked) == 3 == len(left["reruns"])
    waiting = left["requirements"][0]["suspicion"]
    assert (waiting["reruns_so_far"], waiting["reruns_to_next_look"], waiting["reruns_to_decision"]) == (
        3,
        1,
        13,
    )
    assert left["requirements"][0]["runs"] == n + 3
    quiet = tmp_path / "quiet"
    write(quiet, figures(2, (70, 5.0)))
    printed("loopback", "--reports", quiet, "--confirm", "16")
    assert len(asked) == 3


def test_reruns_repeat_the_overrides_of_the_newest_run(tmp_path: Path, bench: Any) -> None:
    suspected(tmp_path, **{"provenance.overrides": ["devices.robot.delay_ms=3"]})
    asked = bench(tmp_path, 5.6, **{"provenance.overrides": ["devices.robot.delay_ms=3"]})
    printed("loopback", "--reports", tmp_path, "--confirm", "1")
    assert asked[0][0].overrides == ("devices.robot.delay_ms=3",)


def test_a_rerun_on_other_hardware_is_refused(tmp_path: Path, bench: Any) -> None:
    suspected(tmp_path)
    bench(tmp_path, 5.6, **{"environment.host.cpus": 64})
    error = harness("loopback", "--reports", tmp_path, "--confirm", "16").exception
    assert isinstance(error, OperationError) and "host class" in str(error)


def test_an_aborted_rerun_ends_it(tmp_path: Path, bench: Any) -> None:
    suspected(tmp_path)
    asked = bench(tmp_path, 5.6, aborted=True)
    error = harness("loopback", "--reports", tmp_path, "--confirm", "16").exception
    assert isinstance(error, OperationError) and "rerun 1" in str(error) and len(asked) == 1


def test_a_real_rig_is_not_rerun_and_a_person_is_told_what_to_do(tmp_path: Path, bench: Any) -> None:
    suspected(tmp_path, simulated=False)
    asked = bench(tmp_path, 5.6)
    told = printed("loopback", "--reports", tmp_path).replace("\n", " ")
    assert "harness run loopback" in told and "--arm --operator YOU" in told and "4 times, up to 16" in told
    rig = tmp_path / "real.yaml"
    rig.write_text(Path(SIM_RIG).read_text().replace("simulated: true", "simulated: false"))
    (tmp_path / "loopback").rename(tmp_path / "real")
    error = harness(rig, "--reports", tmp_path, "--confirm", "16").exception
    assert isinstance(error, ConfigurationError) and not asked


# -- telling ------------------------------------------------------------------------------------------------


def test_the_interval_of_commits_ends_at_the_last_run_that_may_be_the_first(slower: Path) -> None:
    with History.open(slower) as history:
        (examined,) = examine(series_of(history.runs("loopback")))
    (change,) = examined.watched.changes
    runs = examined.series.runs
    good, bad = runs[change.earliest - 1].commit, runs[change.latest].commit
    expected = None if good == bad else f"{good[:12]}..{bad[:12]}"
    assert commit_range(runs, change) == expected
    assert "kernel" in circumstances(runs, change) and "commit" not in circumstances(runs, change)


def test_a_rig_without_a_run_that_ended_has_nothing_to_tell(tmp_path: Path) -> None:
    write(tmp_path, [5.0], aborted=True)
    done = harness("loopback", "--reports", tmp_path, "--fail-on-regression")
    assert done.exception is None and done.return_value == 3
    assert "no run of it has ended by itself" in done.output
    assert status([], None) == 3


def test_an_aborted_newest_run_is_neither_looked_at_nor_repeated(tmp_path: Path, bench: Any) -> None:
    n = suspected(tmp_path, **{"provenance.overrides": ["devices.robot.delay_ms=3"]})
    data.written(tmp_path, n, "loopback", 99.0, aborted=True)
    asked = bench(tmp_path, 5.6)
    printed("loopback", "--reports", tmp_path, "--confirm", "1")
    assert asked[0][0].overrides == ("devices.robot.delay_ms=3",)
