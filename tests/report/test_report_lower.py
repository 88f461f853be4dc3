"""Lower limits, declared looks and the least number of samples, as a report shows them."""

from __future__ import annotations

import numpy as np
import report_data as data

from harness.report.figures import Mark, beyond_words, describe
from harness.report.front import verdict_page
from harness.report.method import method
from harness.report.series import extract


def test_what_is_below_a_lower_limit_is_marked_not_what_is_above() -> None:
    series = extract(data.samples(600, lost=3, late=0), 0)
    middle = float(np.median(series.intent_ms))
    above, below = (Mark("R", 0.5, middle, None, None, None, limit_is=side) for side in ("upper", "lower"))
    over, under = above.beyond(series.intent_ms), below.beyond(series.intent_ms)
    assert over.sum() == (series.intent_ms > middle).sum()
    # A lost one is beyond either limit.
    assert (over & under).sum() == series.lost.sum() > 0
    assert under.sum() == (series.intent_ms < middle).sum() + series.lost.sum()
    assert f"{under.sum()} below the limit of" in describe(series, [below])
    assert f"{over.sum()} over the limit of" in describe(series, [above])
    assert [beyond_words(marks) for marks in ([above], [below], [above, below])] == [
        "over",
        "below",
        "over or below",
    ]


def test_the_sampling_plan_has_the_least_n_of_the_decision() -> None:
    table = data.samples(60)
    asked = [
        data.requirement(table, id="A", needed_n=908),
    ]
    for name, statistic in (("B", "mean"), ("C", "max")):
        other = {"id": name, "statistic": statistic, "quantile": None, "needed_n": None}
        asked.append(asked[0].model_copy(update=other))
    results = data.results({"command": data.scenario_result(table)}, asked)
    (plan,) = [block for block in method(results, {}) if block["kind"] == "table"]
    titles = [column["title"] for column in plan["columns"]]
    assert [row[titles.index("Least n")]["text"] for row in plan["rows"]] == ["908", "–", "never"]


def test_headroom_says_what_pass_bears() -> None:
    table = data.samples(3000)
    guarded = data.requirement(table, uncertainty=0.2, floor=0.3, pass_threshold=9.8)
    jitter = guarded.model_copy(update={"quantity": "jitter", "jitter": "pdv", "pass_threshold": 9.5})
    lower = guarded.model_copy(update={"limit_is": "lower", "pass_threshold": 10.5})
    page = verdict_page(data.results({}, [guarded, jitter, lower]), {})
    assert [each["headroom"] for each in page["requirements"]] == [
        "limit / (upper bound + U)",
        "limit / (upper bound + U + J)",
        "(lower bound − U − J) / limit",
    ]
