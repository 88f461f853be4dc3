"""Uncertainty, floor, clocks, trend, earlier runs, host preflight and tail, as a reader finds them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pypdf
import pytest
import report_data as data

from harness.analysis.tail import tail
from harness.model import Verdict
from harness.report import changes, host, method, remarks, uncertainty, validity
from harness.report.front import verdict_page
from harness.report.pdf import render_pdf
from harness.results import (
    Check,
    ClockResult,
    FloorResult,
    MonitorResult,
    Results,
    Trend,
    UncertaintyItem,
)

EARLIER = [
    {
        "run_id": f"2026-01-3{day}T10-00-00Z-aa0{day}",
        "started": f"2026-01-3{day}T10:00:00+00:00",
        "verdict": verdict,
        "same_rig_file": same,
    }
    for day, verdict, same in ((1, "FAIL", "yes"), (0, "none: the run did not come to its end", "no"))
]
DOCTOR = [
    {"name": "clock source", "severity": "ok", "value": "tsc", "why": "Hidden reason.", "remedy": ""},
    {
        "name": "CPU governor",
        "severity": "warning",
        "value": "powersave",
        "why": "Waking takes longer.",
        "remedy": "cpupower frequency-set -g performance",
    },
    {"name": "disk", "severity": "error", "value": "full", "why": "Nothing fits.", "remedy": ""},
]


def item(requirement: str, name: str, half: float | None, source: str = "measured") -> UncertaintyItem:
    return UncertaintyItem(
        requirement=requirement,
        name=name,
        half_width_ms=half,
        distribution="rectangular, hard limit",
        standard_ms=None if half is None else half / 3**0.5,
        share_ms=half,
        hard=True,
        source=source,
    )


def budget(*ids: str) -> list[UncertaintyItem]:
    return [
        entry
        for name in ids
        for entry in (
            item(name, "clock reading", 0.0123),
            item(name, "resolution", 0.001),
            item(name, "expanded uncertainty U", 0.01234, "root of the sum of squares"),
        )
    ]


def floor(seed: int = 3) -> FloorResult:
    drawn = np.random.default_rng(seed).gamma(3.0, 0.02, 800)
    before, after, both = (data.distribution(part) for part in (drawn[:400], drawn[400:], drawn))
    return FloorResult(
        scenario="command",
        what="ROS 2 echo of the harness's own",
        rate_hz=200,
        message_bytes=48,
        n=801,
        lost=1,
        before=before,
        after=after,
        together=both,
    )


def clock(**changes_: Any) -> ClockResult:
    fields: dict[str, Any] = {
        "name": "board",
        "usable": False,
        "exchanges": 120,
        "round_trip_min_ms": 0.41,
        "bound_ms": 0.21,
        "drift_ppm": (11.2, 14.8),
        "asymmetry": 0.3,
        "evidence": "scope picture 7",
        "problems": ["a step of 0.1 ms at 12 s"],
        "notes": [],
        "words": ["120 exchanges bound the offset", "a step of 0.1 ms at 12 s"],
    }
    return ClockResult(**{**fields, **changes_})


def trend(ok: bool, count: int = 40) -> Trend:
    medians: list[float | None] = [0.55 + 0.005 * place for place in range(count)]
    medians[3] = None
    words = "no trend: tau = +0.01" if ok else "the level rose during the run: tau = +0.9"
    return Trend(tested=True, ok=ok, tau=0.9, p=0.5 if ok else 1e-6, medians=medians, words=words)


def full(n: int = 3000) -> tuple[Results, np.ndarray[Any, Any], dict[str, Any]]:
    """A run with every part filled in."""
    table = data.samples(n)
    scenario = data.scenario_result(table).model_copy(update={"trend": trend(False)})
    figures = {"uncertainty": 0.0123, "floor": 0.31, "pass_threshold": 9.988, "fail_threshold": 10.32}
    requirement = data.requirement(
        table, alpha=0.025, sampling_plan="3000 stimuli, fixed before the start", **figures
    )
    results = data.results(
        {"command": scenario},
        [requirement, data.requirement(table, id="CMD-2", limit=20.0, sampling_plan="in stages of 1000")],
        uncertainty=budget("CMD-RTT", "CMD-2"),
        floors=[floor()],
        clocks=[clock()],
        earlier_runs=EARLIER,
        environment={"doctor": DOCTOR},
    )
    return results, table, data.run_record()


def text_of(blocks: Any) -> str:
    """Everything that a tree of blocks says."""
    if isinstance(blocks, dict):
        return " ".join(text_of(value) for key, value in blocks.items() if key not in ("kind", "tone"))
    if isinstance(blocks, list | tuple):
        return " ".join(map(text_of, blocks))
    return blocks.replace("\u202f", " ") if isinstance(blocks, str) else ""


def tables(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [block for block in blocks if block["kind"] == "table"]


def test_requirements_with_the_same_budget_share_a_table_that_ends_in_a_bold_sum() -> None:
    results = full(60)[0]
    first = tables(uncertainty.uncertainty(results))[0]
    assert first["columns"][0]["title"].startswith("CMD-RTT, CMD-2: contribution")
    assert [row[0]["tone"] for row in first["rows"]] == ["plain", "plain", "strong"]
    assert first["rows"][-1][0]["text"] == "expanded uncertainty U"


def test_different_budgets_have_tables_of_their_own_and_no_bound_is_said() -> None:
    items = [*budget("A"), item("B", "clock offset", None)]
    results = data.results({}, [], uncertainty=items)
    found = tables(uncertainty.uncertainty(results))
    assert [each["columns"][0]["title"][:1] for each in found] == ["A", "B"]
    assert found[1]["rows"][0][1]["text"] == "unbounded"


def test_the_thresholds_can_be_redone_from_u_and_j() -> None:
    said = text_of(uncertainty.uncertainty(full(60)[0]))
    assert "CMD-RTT: limit 10 ms, U = 0.01230 ms, J = 0.3100 ms: PASS is decided at 9.988 ms, FAIL at" in said
    assert "never subtracted" in said


def test_the_floor_shows_its_parts_and_how_each_j_was_taken() -> None:
    results = full(60)[0]
    said = {
        "CMD-RTT": "J = 0.31, the 0.999 quantile of 800 loopback samples, in ms",
        "CMD-2": "J: not measured",
    }
    told = [each.model_copy(update={"decision": [said[each.id]]}) for each in results.requirements]
    told.append(told[0].model_copy(update={"id": "LOSS", "quantity": "loss_rate"}))
    shown = tables(uncertainty.uncertainty(results.model_copy(update={"requirements": told})))
    assert [row[0]["text"] for row in shown[1]["rows"]] == ["before", "after", "together"]
    assert [row[1]["text"] for row in shown[1]["rows"]] == ["400", "400", "800"]
    together = results.floors[0].together
    titles = [column["title"] for column in shown[1]["columns"]]
    assert float(shown[1]["rows"][2][titles.index("p99.9")]["text"]) == pytest.approx(
        together.p99_9, rel=1e-3
    )
    assert "1 of 801 lost" in shown[1]["caption"].replace("\u202f", " ")
    rows = [[entry["text"].replace("\u202f", " ") for entry in row] for row in shown[2]["rows"]]
    assert rows[0] == ["CMD-RTT", "0.3100 ms", "the 0.999 quantile of 800 loopback samples"]
    assert rows[1][0] == "CMD-2" and rows[1][2].startswith("not measured")
    assert rows[2][:2] == ["LOSS", "–"] and "does not enter" in rows[2][2]


def test_a_stamp_as_arrival_says_that_its_floor_is_too_large() -> None:
    results = full(60)[0]
    assert "too large" not in text_of(uncertainty.uncertainty(results))
    stamped = results.scenarios["command"].model_copy(
        update={"arrival_is": "the device's own stamp, clock board"}
    )
    told = results.model_copy(update={"scenarios": {"command": stamped}})
    assert "too large rather than too small" in text_of(uncertainty.uncertainty(told))


def test_a_declared_asymmetry_is_assumed_and_a_problem_is_said_once() -> None:
    results = full(60)[0]
    unneeded = text_of(uncertainty.uncertainty(results))
    assert "No requirement needs this clock. a step" in unneeded and "undecided" not in unneeded
    taken = results.scenarios["command"].model_copy(
        update={"arrival_is": "its own stamp, clock board, converted"}
    )
    own = clock(name="_floor_command.board")
    told = results.model_copy(update={"scenarios": {"command": taken}, "clocks": [clock(), own]})
    said = text_of(uncertainty.uncertainty(told))
    assert "assumed, not observable from exchanges. Evidence: scope picture 7" in said
    assert said.count("a step of 0.1 ms at 12 s") == 1 and "_floor" not in said
    assert "Not usable: a step" in said
    assert "11.20 to 14.80 ppm" in said
    bare = uncertainty.uncertainty(data.results({}, [], clocks=[clock(bound_ms=None, asymmetry=None)]))
    assert "no bound" in text_of(bare)
    assert "observable" not in text_of(bare)


def test_what_was_not_evaluated_is_said() -> None:
    said = text_of(uncertainty.uncertainty(data.results({}, [])))
    assert "U = 0 is used" in said
    assert "J = 0 is used" in said


def test_a_trend_is_a_remark_and_no_trend_is_none() -> None:
    results = full(60)[0]
    assert remarks.remarks(results)[0].startswith("command: the level rose during the run")
    even = results.scenarios["command"].model_copy(update={"trend": trend(True)})
    calm = results.model_copy(update={"scenarios": {"command": even}, "earlier_runs": []})
    assert remarks.remarks(calm) == []
    assert verdict_page(results, {})["word"] == verdict_page(calm, {})["word"]


def test_earlier_runs_are_counted_and_listed() -> None:
    results = full(60)[0]
    line = remarks.remarks(results)[-1]
    assert line.startswith("Run 3 of this rig here (earlier ones with the same rig file: 1).")
    assert "would not be a valid test" in line
    (listed,) = tables(remarks.earlier_section(results))
    assert [row[3]["text"] for row in listed["rows"]] == ["FAIL", "none: the run did not come to its end"]
    many = results.model_copy(update={"earlier_runs": EARLIER[:1] * 20})
    assert remarks.remarks(many)[-1].startswith("At least run 21 ")
    assert remarks.earlier_section(data.results({}, [])) == []


def test_the_host_shows_the_worst_first_and_no_reason_for_what_is_well() -> None:
    blocks = host.host_preflight(full(60)[0])
    shown, well = tables(blocks)
    assert [row[1]["text"] for row in shown["rows"]] == ["disk", "CPU governor"]
    assert [entry["text"] for entry in well["rows"][0]] == ["clock source", "tsc", "", ""]
    said = text_of(blocks)
    assert "cpupower frequency-set -g performance" in said
    assert "tsc" in said
    assert "Hidden reason." not in said


@pytest.mark.parametrize("doctor", [None, [], "odd", ["odd"]])
def test_a_host_that_was_not_examined(doctor: Any) -> None:
    results = data.results({}, [], environment={"doctor": doctor})
    assert "not examined" in text_of(host.host_preflight(results))


def test_an_odd_entry_of_the_doctor_is_still_shown() -> None:
    results = data.results({}, [], environment={"doctor": [{"name": "new", "severity": "strange"}]})
    assert tables(host.host_preflight(results))[0]["rows"][0][0]["text"] == "info"


# -- what to change ----------------------------------------------------------------------------------------

BAD_MONITOR = MonitorResult(
    name="real-time factor",
    port="robot.rtf",
    statistic="min",
    value=None,
    at_least=0.99,
    at_most=None,
    unit="",
    n=0,
    min=None,
    max=None,
    ok=False,
)


def failed(name: str, consequence: str, remedy: str = "mend it") -> Check:
    return Check(name=name, ok=False, value="bad", bound="good", consequence=consequence, remedy=remedy)


def with_checks(*checks: Check, **more: Any) -> Results:
    table = data.samples(60)
    scenario = data.scenario_result(table).model_copy(update={"checks": list(checks)})
    requirement = data.requirement(table, checks=list(checks))
    return data.results({"command": scenario}, [requirement], findings=more.pop("findings", []), **more)


def test_an_aborted_run_names_what_broke_and_no_monitor() -> None:
    checks = (failed("real-time factor", "INCONCLUSIVE: x"), failed("messages lost", "ERROR: y"))
    results = with_checks(*checks, aborted=True, abort_reason="the robot died", monitors=[BAD_MONITOR])
    (line,) = changes.changes(results)
    assert line.startswith("messages lost: bad")


def test_a_monitor_out_of_bounds_is_named_once_with_its_remedy() -> None:
    check = failed("real-time factor", "INCONCLUSIVE: x", "find out why")
    lines = changes.changes(with_checks(check, monitors=[BAD_MONITOR]))
    assert lines == ["Monitor real-time factor out of bounds: no value. find out why"]


def test_a_check_and_the_finding_behind_it_are_one_line() -> None:
    check = Check(
        name="host load", ok=False, value="load is 3", bound="not", consequence="INCONCLUSIVE", remedy="wait"
    )
    finding = {"name": "host load", "severity": "warning", "message": "load is 3", "remedy": "wait"}
    (line,) = changes.changes(with_checks(check, monitors=[], findings=[finding]))
    assert line.startswith("host load: load is 3")


def test_a_reason_that_all_requirements_share_is_said_once() -> None:
    table = data.samples(60)
    both = [data.requirement(table, id=name, reasons=["cut short"]) for name in ("A", "B")]
    page = verdict_page(data.results({"command": data.scenario_result(table)}, both), {})
    assert page["reasons"] == [["A, B", "cut short"]]


# -- the document ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    out = tmp_path_factory.mktemp("full") / "report.pdf"
    render_pdf(*full()[:2], full()[2], out)
    found = [page.extract_text().replace("\u202f", " ") for page in pypdf.PdfReader(out).pages]
    return [re.sub(r"\s+", " ", page) for page in found]


@pytest.mark.slow
def test_the_document_has_every_part_in_its_place(pages: list[str]) -> None:
    whole = " ".join(pages)
    order = [
        "Run 3 of this rig here",
        "Bounds here are one-sided",
        "in stages of 1000",
        "Host preflight",
        "median of 40 blocks",
        "Stationarity: the level rose",
        "Uncertainty budget",
        "Floor of the harness",
        "Earlier runs of this rig in the same folder",
        "Rig file as used",
        "Appendix: the tail (informative)",
        "Informative only: no verdict rests on this",
        "Tail of “command”",
        "End of report",
    ]
    places = [whole.find(words) for words in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert "the level rose during the run" in pages[0]


@pytest.mark.slow
def test_the_arithmetic_of_several_requirements_is_all_there(pages: list[str]) -> None:
    whole = " ".join(pages)
    for name in ("CMD-RTT", "CMD-2"):
        assert f"Decision on {name}, step by step" in whole
    assert whole.count("PASS if P(Bin(3000, 0.01) ≤ K) ≤ 0.05") == 2
    assert "97.5 % each" in whole and " 2.5 % " in whole


def test_ports_and_clocks_of_the_harness_itself_are_not_among_those_of_the_rig() -> None:
    port = {"received_is": "loopback", "received_clock": "host.monotonic", "stamp_clock": None}
    record = data.run_record(
        ports={"robot.applied": port, "_floor_command.answer": port},
        clocks=[{"name": "robot.clock", "kind": "unknown"}, {"name": "_floor_command.clock"}],
    )
    said = text_of(method.environment(record, full(60)[0]))
    assert "robot.applied" in said
    assert "robot.clock" in said
    assert "_floor" not in said


def test_no_level_where_the_tail_is_so_heavy_that_it_says_nothing() -> None:
    drawn = np.random.default_rng(5).pareto(0.8, 20_000)
    found = tail(drawn)
    assert found.chosen is not None
    assert found.shape_interval is not None
    assert found.shape_interval[1] > 0.5
    assert found.levels == ()
    assert len(found.intervals) == len(found.fits)
    for fit, (low, high) in zip(found.fits, found.intervals, strict=True):
        # Never narrower than maximum likelihood allows.
        assert high - low >= 2 * 1.96 * (1 + fit.shape) / min(fit.clusters, 2000) ** 0.5 - 1e-9


def test_why_a_run_was_cut_short_is_said_once_and_no_headroom_with_an_error() -> None:
    table = data.samples(60)
    both = [
        data.requirement(
            table,
            id=name,
            verdict=Verdict.ERROR,
            headroom=6.0,
            reasons=["the run was cut short: Ctrl-C", "few"],
        )
        for name in ("A", "B")
    ]
    scenario = data.scenario_result(table).model_copy(update={"schedule": {"kind": "paced", "samples": 3000}})
    results = data.results({"command": scenario}, both, aborted=True, abort_reason="Ctrl-C")
    page = verdict_page(results, {})
    assert page["reasons"] == [["A, B", "few"]]
    assert all(entry["figures"][-1] == ["headroom", "–"] for entry in page["requirements"])
    assert "3000" in text_of(method.method(results, data.run_record()))


def test_a_floor_with_lost_answers_is_unbounded_not_unmeasured() -> None:
    table = data.samples(60)
    lines = [
        text_of(
            uncertainty.uncertainty(
                data.results({}, [data.requirement(table, uncertainty=0.1)], floors=floors)
            )
        )
        for floors in ([floor()], [])
    ]
    assert "J = unbounded, as loopback answers were lost" in lines[0]
    assert "J = not measured" in lines[1]


def test_what_the_reasons_tell_already_is_not_told_again_with_its_remedy() -> None:
    check = Check(
        name="floor",
        ok=False,
        value="2.8 ms",
        bound="at most 2 ms",
        consequence="INCONCLUSIVE",
        remedy="free it",
    )
    told = with_checks(check, monitors=[])
    lines = changes.changes(told)
    assert lines == ["floor: 2.8 ms, wanted at most 2 ms. INCONCLUSIVE. free it"]
    requirement = told.requirements[0].model_copy(update={"reasons": ["floor: 2.8 ms; at most 2 ms"]})
    assert changes.changes(told.model_copy(update={"requirements": [requirement]})) == ["floor: free it"]


def test_a_check_of_all_of_many_requirements_does_not_name_each() -> None:
    table = data.samples(60)
    check = Check(name="raw data", ok=True, value="as recorded", bound="unchanged")
    scenario = data.scenario_result(table).model_copy(update={"checks": [check]})
    many = [data.requirement(table, id=name, checks=[check]) for name in ("AA-1", "BB-1", "CC-1")]
    said = text_of(validity.validity(data.results({"command": scenario}, many), []))
    assert "command, all requirements raw data" in said
    assert "command, AA-1, BB-1 raw data" in text_of(
        validity.validity(data.results({"command": scenario}, many[:2]), [])
    )


def test_the_rules_of_many_requirements_leave_room_for_the_signatures() -> None:
    table = data.samples(60)
    many = [data.requirement(table, id=name) for name in ("A", "B", "C", "D")]
    scenario = data.scenario_result(table)
    (rule,) = verdict_page(data.results({"command": scenario}, many), {})["rules"]
    assert "section 1, Method" in rule["thresholds"]
    bare = [each.model_copy(update={"decision": []}) for each in many]
    assert len(verdict_page(data.results({"command": scenario}, bare), {})["rules"]) == 4
