"""``harness alerts check``."""

from __future__ import annotations

from pathlib import Path

import click

from harness.telemetry.alerts.files import Rule, load_alerts


def check(path: Path) -> None:
    """Print what each rule of the file does. Raises AlertFileError for a mistake in it."""
    found = load_alerts(path)
    for name, rule in found.rules.items():
        click.echo(f"{found.places[name]}: {name}: {_words(rule)}, to {', '.join(rule.to)}")


def _words(rule: Rule) -> str:
    what = "last value" if rule.quantile is None else f"quantile {rule.quantile:g} over {rule.window_s:g} s"
    labels = "".join(f" {key}={value}" for key, value in rule.labels.items())
    side = ("above", "at most") if rule.sign > 0 else ("below", "at least")
    lasts = f" for {rule.for_s:g} s" if rule.for_s else ""
    return (
        f"{what} of {rule.operation or rule.metric}{labels} {side[0]} {rule.limit:g}{lasts}, "
        f"over when {side[1]} {rule.clear:g}"
    )
