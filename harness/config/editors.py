"""The JSON Schema of a rig file, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Annotated, Any, Union

from pydantic import Field, create_model

from harness import adapters
from harness.config.devices import options_model
from harness.config.schema import DeviceBase, Name, RigFile

NAME_PATTERN = "^[A-Za-z][A-Za-z0-9_]*$"
TEMPLATE_PATTERN = r"^[A-Za-z0-9_]*\{robot\}[A-Za-z0-9_]*$"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def rig_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a rig file; devices are told apart by ``adapter``.

    An adapter whose options cannot be imported is named in ``$comment`` and left out.
    """
    models: list[type[DeviceBase]] = []
    broken: list[str] = []
    for name in sorted(adapters.table()):
        try:
            models.append(options_model(name))
        except (ImportError, AttributeError):
            broken.append(name)
    device: Any = Any
    if len(models) == 1:
        device = models[0]
    elif models:
        device = Annotated[Union[tuple(models)], Field(discriminator="adapter")]  # noqa: UP007
    whole = create_model(
        "Rig", __base__=RigFile, devices=(dict[Name, device], Field(min_length=1, description="by name"))
    )
    made = whole.model_json_schema(by_alias=True)
    _close(made)
    made = {"$schema": DIALECT, **made, "title": "Rig file of harness"}
    made["description"] = "A test bench: the item under test, the devices around it and what is measured."
    if broken:
        made["$comment"] = f"not importable here, left out: {', '.join(broken)}"
    return made


def _with_templates(patterns: dict[str, Any]) -> None:
    """A name may be made of each robot's, see :mod:`harness.config.robots`."""
    if len(patterns) == 1 and (inner := patterns.get(NAME_PATTERN)) is not None:
        patterns[TEMPLATE_PATTERN] = inner


def _close(node: Any) -> None:
    """Names that do not fit their pattern are mistakes, as they are when the file is loaded."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node.setdefault("additionalProperties", False)
        for key, inner in node.items():
            if key == "ports" and isinstance(inner, dict):
                _with_templates(inner.get("patternProperties", {}))
            _close(inner)
    elif isinstance(node, list):
        for inner in node:
            _close(inner)
