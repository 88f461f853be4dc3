"""Budgets in YAML files, with every mistake told at its line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from harness.config import reader
from harness.config.explain import explain
from harness.config.find import search_path
from harness.config.problems import Problem, RigFileError
from harness.config.strict import Strict
from harness.errors import ConfigurationError
from harness.telemetry.budget.limits import PILLARS, SECONDS_PER, Limits

ENDINGS = (".yaml", ".yml")
Share = Annotated[float, Field(gt=0, lt=1)]


class FromRig(Strict):
    """Which requirements of rigs a budget is decided by."""

    kind: Literal["command_round_trip", "sensor_to_action", "swarm_reorganization", "throughput"] = Field(
        description="of the scenario"
    )
    quantity: Literal["latency", "jitter", "loss_rate", "ratio", "rate_hz"] = Field(
        description="of the requirement"
    )


class Entry(Strict):
    """One budget of a file."""

    text: str = Field(description="what the operation is, in a sentence")
    measured: str = Field(default="", description="how it is measured: from where to where, by what")
    origin: str = Field(default="", description="where the limit comes from, or that it is assumed")
    unit: str = Field(
        min_length=1, description=f"of the limits: one of {', '.join(SECONDS_PER)}, %, 1, or any other"
    )
    upper: float | None = Field(default=None, description="at most so much")
    lower: float | None = Field(default=None, description="at least so much")
    quantile: Share = Field(
        default=0.99, description="share of observations that has to be within the limits"
    )
    confidence: Share = Field(default=0.95, description="with which that has to be shown")
    longest_disturbance: float = Field(
        default=1.0,
        ge=1,
        description="in observations: a run shorter than the rarest disturbance shows nothing",
    )
    rig: FromRig | None = Field(default=None, description="runs of rigs decide it, by themselves")


class BudgetFile(Strict):
    """A file of budgets, all of one pillar."""

    pillar: str = Field(min_length=1, description=f"one of {', '.join(PILLARS)}, or one of your own")
    budgets: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][\w.-]*$")], Entry] = Field(
        min_length=1, description="by name, as code and reports know them"
    )


class BudgetFileError(RigFileError):
    """A file of budgets that cannot be used; ``problems`` lists every mistake found."""


def load_budgets(path: str | Path | None = None) -> list[Limits]:
    """The budgets of a file, or of all files of a folder in order of their names; None: the catalogue.

    Raises BudgetFileError with every mistake of a file, ConfigurationError where there is no file or two
    files have one name.
    """
    if path is None:
        found = search_path("budgets")
        if not found:
            raise ConfigurationError(
                "there is no folder budgets/", hint="give load() the path of a file or folder"
            )
        path = found[0]
    path = Path(path)
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no such file or folder of budgets")
    files = sorted(each for each in path.iterdir() if each.suffix in ENDINGS) if path.is_dir() else [path]
    if not files:
        raise ConfigurationError(f"{path}: no file of budgets in it", hint="their names end in .yaml")
    budgets: dict[str, Limits] = {}
    for file in files:
        for limits in read_file(file):
            if limits.name in budgets:
                raise ConfigurationError(
                    f"{limits.source}: budget {limits.name!r} is in {budgets[limits.name].source}, too",
                    hint="state each budget once",
                )
            budgets[limits.name] = limits
    return list(budgets.values())


def read_file(path: Path) -> list[Limits]:
    """The budgets of one file. Raises BudgetFileError."""
    text, _ = reader.read_text(path)
    try:
        document = reader.parse(text, str(path))
    except RigFileError as error:
        raise BudgetFileError(error.problems) from error
    if not isinstance(document.data, dict):
        problem = document.problem((), "a file of budgets is a mapping with the keys pillar and budgets")
        raise BudgetFileError([problem])
    try:
        file = BudgetFile.model_validate(document.data)
    except ValidationError as error:
        refusals = explain(BudgetFile, document.data, error.errors(include_url=False))
        raise BudgetFileError([document.problem(r.path, r.message, r.of_key) for r in refusals]) from error
    return _limits(file, document)


def _limits(file: BudgetFile, document: reader.Document) -> list[Limits]:
    found: list[Limits] = []
    problems: list[Problem] = []
    for name, entry in file.budgets.items():
        at: tuple[str | int, ...] = ("budgets", name)
        if entry.upper is None and entry.lower is None:
            problems.append(document.problem(at, "needs a limit: upper, lower, or both", True))
            continue
        position = document.position(at, True)
        values: dict[str, Any] = entry.model_dump(exclude={"rig"})
        if entry.rig is not None:
            values["rig"] = (entry.rig.kind, entry.rig.quantity)
        try:
            limits = Limits(
                name=name, pillar=file.pillar, source=f"{position.source}:{position.line}", **values
            )
        except ConfigurationError as error:
            said = error.message.split(": ", 2)[-1] + (f"; {error.hint}" if error.hint else "")
            problems.append(document.problem(at, said, True))
            continue
        found.append(limits)
    if problems:
        raise BudgetFileError(problems)
    return found
