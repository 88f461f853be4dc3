"""Alerting rules in a YAML file, with every mistake told at its line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from harness.config import reader
from harness.config.explain import explain
from harness.config.problems import Problem, RigFileError, suggest
from harness.config.strict import Strict

RuleName = Annotated[str, Field(pattern=r"^[A-Za-z][\w.-]*$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Receiver(Strict):
    """Whom alerts are told: a webhook or a command."""

    url_env: Variable | None = Field(default=None, description="environment variable with the URL")
    headers_env: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], Variable] = Field(
        default_factory=dict, description="HTTP headers, each by the environment variable that holds it"
    )
    command: list[str] | None = Field(
        default=None, min_length=1, description="program and arguments, without a shell; JSON on its input"
    )


class Rule(Strict):
    """When an alert is raised, and when it is over."""

    operation: str | None = Field(default=None, min_length=1, description="a name of the budget library")
    metric: str | None = Field(default=None, min_length=1, description="a metric of docs/dashboards.md")
    labels: dict[str, str] = Field(
        default_factory=dict, description="of the metric; each set of labels that fits is an alert"
    )
    quantile: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="over the window; without it, the last value of a metric"
    )
    window_s: Annotated[float, Field(gt=0, le=86_400)] = Field(default=60.0, description="how far back")
    at_least: int = Field(default=1, ge=1, description="values in the window; with fewer there is no data")
    raise_above: float | None = Field(default=None, description="raised by a value above it")
    raise_below: float | None = Field(default=None, description="raised by a value below it")
    clear_at: float | None = Field(
        default=None, description="over at this value or a better one; by default the limit"
    )
    for_s: Seconds = Field(default=0.0, description="how long it has to last before it fires")
    without_data: Literal["keep", "resolve"] = Field(
        default="keep", description="what becomes of an alert that fires when there is no data"
    )
    to: list[str] = Field(min_length=1, description="receivers")
    text: str = Field(default="", description="what to do, in a sentence")

    @property
    def sign(self) -> int:
        """1 where large values are bad, -1 where small ones are."""
        return 1 if self.raise_above is not None else -1

    @property
    def limit(self) -> float:
        """The limit that raises it."""
        limit = self.raise_above if self.raise_above is not None else self.raise_below
        assert limit is not None
        return limit

    @property
    def clear(self) -> float:
        """The value at which it is over."""
        return self.limit if self.clear_at is None else self.clear_at


class AlertFile(Strict):
    """A file of alerting rules."""

    receivers: dict[RuleName, Receiver] = Field(min_length=1, description="by name")
    rules: dict[RuleName, Rule] = Field(min_length=1, description="by name")


class AlertFileError(RigFileError):
    """A file of alerting rules that cannot be used; ``problems`` lists every mistake found."""


@dataclass(frozen=True)
class AlertRules:
    """What a file says, and where (``FILE:LINE``) each rule stands."""

    receivers: dict[str, Receiver]
    rules: dict[str, Rule]
    places: dict[str, str]


def load_alerts(path: str | Path) -> AlertRules:
    """The rules of a file. Environment variables are not looked at.

    Raises AlertFileError with every mistake, ConfigurationError where there is no such file.
    """
    text, _ = reader.read_text(Path(path))
    try:
        document = reader.parse(text, str(path))
    except RigFileError as error:
        raise AlertFileError(error.problems) from error
    if not isinstance(document.data, dict):
        problem = document.problem((), "a file of alerts is a mapping with the keys receivers and rules")
        raise AlertFileError([problem])
    try:
        file = AlertFile.model_validate(document.data)
    except ValidationError as error:
        refusals = explain(AlertFile, document.data, error.errors(include_url=False))
        raise AlertFileError([document.problem(r.path, r.message, r.of_key) for r in refusals]) from error
    problems = _problems(file, document)
    if problems:
        raise AlertFileError(problems)
    positions = {name: document.position(("rules", name), True) for name in file.rules}
    places = {name: f"{each.source}:{each.line}" for name, each in positions.items()}
    return AlertRules(file.receivers, file.rules, places)


def _problems(file: AlertFile, document: reader.Document) -> list[Problem]:
    found: list[Problem] = []
    for name, receiver in file.receivers.items():
        if (receiver.url_env is None) == (receiver.command is None):
            found.append(document.problem(("receivers", name), "needs one of url_env and command", True))
        elif receiver.command is not None and receiver.headers_env:
            at = ("receivers", name, "headers_env")
            found.append(document.problem(at, "a command has no HTTP headers", True))
    for name, rule in file.rules.items():
        for path, message in _mistakes(rule):
            found.append(document.problem(("rules", name, *path), message, True))
        for index, to in enumerate(rule.to):
            if to not in file.receivers:
                said = f"there is no receiver {to!r}; {suggest(to, file.receivers)}"
                found.append(document.problem(("rules", name, "to", index), said))
    return found


def _mistakes(rule: Rule) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    if (rule.operation is None) == (rule.metric is None):
        found.append(((), "needs one of operation and metric"))
    elif rule.operation is not None:
        if rule.quantile is None:
            found.append(((), "needs a quantile: single values of an operation are not kept"))
        if rule.labels:
            found.append((("labels",), "an operation has no labels"))
    if (rule.raise_above is None) == (rule.raise_below is None):
        found.append(((), "needs one of raise_above and raise_below"))
    elif rule.sign * rule.clear > rule.sign * rule.limit:
        side = "above" if rule.sign > 0 else "below"
        said = f"{rule.clear:g} is {side} the limit {rule.limit:g} that raises the alert"
        found.append((("clear_at",), f"{said}; it would be over while it is raised"))
    return found
