"""The digest as one page: Markdown, or a PDF set like the reports."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from statistics import median

from harness import __version__
from harness.atomic import replacing, to_json, write_text
from harness.errors import ConfigurationError
from harness.history.digest import Digest, Used, counted, item
from harness.history.shifts import Shift
from harness.history.terminal import value_words
from harness.report.blocks import Block, bullets, figure, heading, pairs, paragraph
from harness.report.pages import markdown
from harness.wording import amount, measured_name, sign

MOST = 4
"""As many entries a list may have: one page has to do."""
MOST_DRAWN = 8
RULE = (
    "Worse, better: estimates of the period's runs against those of up to 60 comparable runs before it, "
    "Mann-Whitney test, 5 % over all lines together; with fewer than 4 runs on a side the newest run against "
    "the one before, where their intervals do not touch: repeat it before you believe it. Since when: "
    "harness regressions RIG. Near: the bound "
    "that was shown has used up 80 % of the limit or more."
)


def title(digest: Digest) -> str:
    """What heads the page."""
    return f"Latency review, {digest.start:%Y-%m-%d} to {digest.end:%Y-%m-%d}"


def as_markdown(digest: Digest) -> str:
    """The page as Markdown, without its picture."""
    return markdown(title(digest), list(blocks(digest, None)))


def write(digest: Digest, out: Path) -> None:
    """Write the page, as its name ends: ``.md`` or ``.pdf``.

    Raises ConfigurationError for another ending, OperationError when the PDF cannot be set, RecordingError
    when the file cannot be written.
    """
    kind = out.suffix.lower()
    if kind == ".md":
        write_text(out, as_markdown(digest))
        return
    if kind != ".pdf":
        raise ConfigurationError(
            f"--out {out}: {out.suffix or 'no ending'} is no kind of page that can be written",
            hint="name a file that ends in .md or .pdf",
        )
    from harness.report.pdf import set_document

    with tempfile.TemporaryDirectory(prefix="harness-digest-") as name:
        root = Path(name)
        document = {
            "title": title(digest),
            "date": [digest.end.year, digest.end.month, digest.end.day],
            "header": {
                "version": __version__,
                "left": "Latency review",
                "right": f"{len(digest.runs)} runs",
                "kind": "REVIEW",
                "what": title(digest),
                "verdict": "",
                "dense": True,
                "note": "Results relate only to the items tested, and to the time of their runs.",
            },
            "blocks": list(blocks(digest, root)),
        }
        (root / "results.json").write_text(to_json(as_dict(digest), indent=1), encoding="utf-8")
        pdf = set_document(document, root, digest.end.replace(microsecond=0), "page.typ")
    with replacing(out, len(pdf)) as partial:
        partial.write_bytes(pdf)


def blocks(digest: Digest, root: Path | None) -> Iterator[Block]:
    """The page; with ``root`` its picture is written there."""
    verdicts = ", ".join(f"{count} {name}" for name, count in counted(digest.runs).items())
    items = {run.rig for run in digest.runs}
    real = sum(not run.simulated for run in digest.runs)
    yield pairs(
        [
            (
                "runs",
                f"{len(digest.runs)} of {_count(len(items), 'rig')}{': ' if verdicts else ''}{verdicts}"
                + (f"; {real} of real items, {len(digest.runs) - real} simulated" if digest.runs else ""),
            ),
            (
                "looked at",
                f"{len(digest.used)} limits, {len(digest.shifts)} requirements with runs in the period",
            ),
        ]
    )
    drawn = digest.used[:MOST_DRAWN]
    if root is not None and drawn:
        from harness.history.digest_figure import limits_used

        (root / "used.svg").write_text(limits_used(drawn, digest), encoding="utf-8")
        more = f" The fullest {len(drawn)} of {len(digest.used)}." if len(digest.used) > len(drawn) else ""
        yield figure(
            "used.svg",
            "; ".join(f"{each.name}: {100 * each.share:.0f} % of its limit" for each in drawn),
            "Share of the limit used up by the bound of the newest run; grey line: estimates of comparable "
            f"runs before the period.{more}",
        )
    yield from _section("Worse", [_moved(each) for each in digest.worse], "Nothing is shown to be worse.")
    yield from _section("Better", [_moved(each) for each in digest.better], "Nothing is shown to be better.")
    yield from _section(
        "Near or over its limit", [_near(each) for each in digest.near],
        "Nothing that was measured has used up 80 % of its limit.",
    )  # fmt: skip
    yield from _section(
        "Not measured", list(_unmeasured(digest)), "Everything was measured in the period.", 6
    )
    yield heading("How this is decided")
    yield paragraph(RULE, "muted")


def _section(name: str, entries: Sequence[str], none: str, most: int = MOST) -> Iterator[Block]:
    yield heading(name)
    if not entries:
        yield paragraph(none)
        return
    more = [f"and {len(entries) - most} more"] if len(entries) > most else []
    yield bullets([*entries[:most], *more])


def _moved(shift: Shift) -> str:
    asked = shift.asked
    words = f"{shift.rig} {shift.id} ({item(shift.newest)}): {measured_name(asked)} "
    words += _middle(shift, shift.now)
    if shift.before:
        how = "" if shift.change is None else f"{100 * abs(shift.change):.1f} % "
        side = {True: "worse", False: "better", None: "as before"}[shift.worse]
        words += (
            f", was {_middle(shift, shift.before)} ({how}{side}; "
            f"medians of {len(shift.now)} and {len(shift.before)} runs"
            + (f", p = {shift.p:.2g})" if shift.p is not None else ", too few to test)")
        )
    words += f"; limit {sign(asked)} {amount(asked.limit, asked.unit)}"
    words += f"; {_verdicts(shift)}"
    if shift.changed:
        shown = ", ".join(shift.changed[:4])
        words += f"; changed since: {shown}{' ...' if len(shift.changed) > 4 else ''}"
    return words


def _middle(shift: Shift, values: Sequence[float]) -> str:
    middle = median(values)
    return value_words(shift.asked, middle) if isfinite(middle) else "among the lost"


def _verdicts(shift: Shift) -> str:
    now = shift.asked.verdict.value
    if shift.was is None or shift.was.value == now:
        return now
    return f"{now}, was {shift.was.value}"


def _near(used: Used) -> str:
    when = "" if used.at is None else f", {used.at:%Y-%m-%d %H:%M}"
    return f"{used.name} ({used.what}): {100 * used.share:.0f} % of its limit, {used.verdict}{when}"


def _unmeasured(digest: Digest) -> Iterator[str]:
    if digest.without:
        yield f"{_count(len(digest.without), 'rig')} without any run: {_some(digest.without)}"
    if digest.stale:
        told = [f"{run.rig} ({run.started:%Y-%m-%d})" for run in digest.stale]
        yield f"{_count(len(told), 'rig')} not in this period, last run: {_some(told)}"
    if alone := [f"{each.rig} {each.id}" for each in digest.shifts if not each.before]:
        yield f"{_count(len(alone), 'requirement')} without a comparable run before: {_some(alone)}"
    if digest.unobserved:
        told = [each.name for each in digest.unobserved]
        yield f"{_count(len(told), 'budget')} of which nothing was ever observed: {_some(told)}"
    if digest.broken:
        told = [f"{each.path.parent.name}/{each.path.name}" for each in digest.broken]
        yield f"{_count(len(told), 'run folder')} that cannot be read: {_some(told)}"
    if digest.unreadable:
        yield f"{_count(len(digest.unreadable), 'rig file')} that cannot be read: {_some(digest.unreadable)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def as_dict(digest: Digest) -> dict[str, object]:
    """For machines; attached to the PDF."""
    return {
        "schema": 1,
        "start": digest.start,
        "end": digest.end,
        "runs": [run.run_id for run in digest.runs],
        **{
            name: [
                {
                    "rig": each.rig, "requirement": each.id, "change": each.change, "p": each.p,
                    "before": each.before, "now": each.now, "verdict": each.asked.verdict,
                    "was": each.was, "changed": each.changed,
                }
                for each in found
            ]
            for name, found in (("worse", digest.worse), ("better", digest.better))
        },
        "used": digest.used,
        "without_run": digest.without,
        "not_in_period": [run.rig for run in digest.stale],
        "budgets_unobserved": [each.name for each in digest.unobserved],
        "broken": digest.broken,
    }  # fmt: skip
