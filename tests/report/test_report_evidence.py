"""Uncertainty, floor, clocks, trend, earlier runs, host preflight and tail, as a reader finds them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pypdf
import pytest
import report_data as data
from evidence_data import EARLIER, budget, clock, floor, full, item, tables, text_of, trend

from harness.analysis.tail import tail
from harness.model import Verdict
from harness.report import changes, host, method, remarks, uncertainty, validity
from harness.report.front import verdict_page
from harness.report.pdf import render_pdf
from harness.results import (
    Check,
    MonitorResult,
    Results,
)


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
        "CMD-RTT": "J = 0.31 ms, the 0.999 quantile of 800 loopback samples",
        "CMD-2": "J: not measured",
    }
    told = [each.model_copy(update={"decision": [said[each.id]]}) for each in results.requirements]
    told.append(told[0].model_copy(update={"id": "LOSS", "quantity": "loss_rate"}))
    shown = tables(uncertainty.uncertainty(results.model_copy(update={"requirements": told})))
    assert [row[0]["text"] for row in shown[1]["rows"]] == ["before", "after", "together"]
    assert [row[1]["text"] for row in shown[1]["rows"]] == ["400", "400", "800"]
    together = results.floors[0].together
    titles = [column["title"] for column in shown[1]["columns"]]
    last = [entry["text"] for entry in shown[1]["rows"][2]]
    assert float(last[titles.index("p99")]) == pytest.approx(together.p99, rel=1e-3)
    assert last[titles.index("p99.9")] == "max", "of 800 values p99.9 is the largest"
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
    page = verdict_page(data.results({"command": scenario}, many), {})
    ((_, rule),) = page["rules"]
    assert "section 1, Method" in rule and page["figures"] == []
    bare = [each.model_copy(update={"decision": []}) for each in many]
    page = verdict_page(data.results({"command": scenario}, bare), {})
    assert len(page["figures"]) == 4
    ((ids, rule),) = page["rules"]
    assert ids == "A, B, C, D", "the same rule is told once"
    assert "K =" not in rule and "n =" not in rule, "nothing that was measured stands in the rule"
