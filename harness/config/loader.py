"""A rig file on disk -> the validated model, with every mistake in it told at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness import adapters
from harness.config import crossref, hooks, namespaces, overrides, reader, replays, robots, schema, shape
from harness.config.devices import options_model, read_device
from harness.config.explain import Refusal, explain
from harness.config.problems import DataPath, Position, RigFileError

_STEPS = ("setup", "reset", "teardown")


@dataclass(frozen=True)
class LoadedRig:
    """A validated rig file.

    ``text`` is what the file said and ``sha256`` the hash of its bytes, both before ``overrides`` applied;
    the devices of ``rig`` are instances of their adapters' options.
    """

    path: Path
    text: str
    sha256: str
    overrides: tuple[str, ...]
    rig: schema.RigFile

    def resolved(self) -> dict[str, Any]:
        """The validated model as JSON-able data, defaults written out; :func:`rig_from_resolved` reads it."""
        return self.rig.model_dump(mode="json", by_alias=True)


def load_rig(path: Path, overrides: Sequence[str] = (), namespace: str = "") -> LoadedRig:
    """Read, change by ``overrides`` (``key=value``) and validate a rig file; put it into a ROS ``namespace``.

    Raises RigFileError with every mistake of the file, ConfigurationError when it cannot be read at all.
    """
    path = Path(path)
    text, raw = reader.read_text(path)
    rig = rig_from_text(text, str(path), overrides)
    if namespace.strip("/"):
        overrides = (*overrides, *namespaces.overrides(rig, namespace))
        rig = rig_from_text(text, str(path), overrides)
    return LoadedRig(path, text, hashlib.sha256(raw).hexdigest(), tuple(overrides), rig)


def rig_from_text(text: str, source: str, changes: Sequence[str] = ()) -> schema.RigFile:
    """Validate the text of a rig file; ``source`` stands for the file in messages."""
    document = reader.parse(text, source)
    if document.data is None:
        raise RigFileError(
            [document.problem((), "the file is empty; a rig file has at least rig, devices, ...")]
        )
    if not isinstance(document.data, dict):
        raise RigFileError([document.problem((), "a rig file is a mapping with the keys rig, devices, ...")])
    overrides.apply(document, changes, _shapes)
    return _validate(document, Path(source).parent)


def rig_from_resolved(resolved: Any) -> schema.RigFile:
    """The model again from :meth:`LoadedRig.resolved`, e.g. out of ``run.json``. Raises RigFileError."""
    nowhere = Position("resolved rig")
    document = reader.Document("resolved rig", resolved, values={(): nowhere})
    if not isinstance(resolved, dict):
        raise RigFileError([document.problem((), "must be a mapping with the keys rig, devices, ...")])
    return _validate(document)


def _shapes(data: Any, path: DataPath) -> list[Any]:
    if len(path) >= 2 and path[0] == "devices":
        device = _get(data, "devices", path[1])
        adapter = _get(device, "adapter")
        if not isinstance(adapter, str) or adapter not in adapters.table():
            return []
        try:
            return shape.at([options_model(adapter)], device, path[2:])
        except (ImportError, AttributeError):
            return []
    return shape.at([schema.RigFile], data, path)


def _get(data: Any, *path: str | int) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _validate(document: reader.Document, folder: Path | None = None) -> schema.RigFile:
    """``folder`` is where the file lies; None for a rig that was read before: its evidence is judged where
    bags are missing and the adapter's SDK may be another one."""
    data = document.data
    refusals: list[Refusal] = [*robots.expand(document)]
    if folder is not None:
        refusals += replays.fill(data, folder)
    devices: dict[str, schema.DeviceBase | None] = {}
    raw = _get(data, "devices")
    for name, options in raw.items() if isinstance(raw, dict) else ():
        devices[name], found = read_device(name, options)
        refusals += found
    whole = {**data, "devices": devices if isinstance(raw, dict) else raw} if "devices" in data else data
    rig: schema.RigFile | None = None
    try:
        rig = schema.RigFile.model_validate(whole)
    except ValidationError as error:
        refusals += explain(schema.RigFile, data, error.errors(include_url=False))
    parts = _parts(data, devices)
    if folder is not None:
        parts.key_kinds = hooks.key_kinds(parts)
        refusals += hooks.problems(parts)
    said = {refusal.path for refusal in refusals}
    # A misspelt field is misspelt; that no limit covers it either is no second mistake.
    refusals += (refusal for refusal in crossref.check(parts) if refusal.path not in said)
    if refusals or rig is None:
        raise RigFileError([document.problem(r.path, r.message, r.of_key) for r in refusals])
    return rig


def _parts(data: dict[str, Any], devices: dict[str, schema.DeviceBase | None]) -> crossref.Parts:
    simulated = _get(data, "rig", "simulated")
    return crossref.Parts(
        simulated=simulated if isinstance(simulated, bool) else None,
        processes=_named(data, "processes", schema.Process),
        devices=devices,
        steps={section: _listed(data, section, schema.Step) for section in _STEPS},
        scenarios=_named(data, "scenarios", schema.Scenario),
        together=[group for group in _listed(data, "together", list[str]) if group],
        monitors=_listed(data, "monitors", schema.Monitor),
        requirements=_listed(data, "requirements", schema.Requirement),
        record=_try(schema.Record, data.get("record", {})),
    )


def _named(data: dict[str, Any], section: str, kind: Any) -> dict[str, Any]:
    given = data.get(section)
    return {name: _try(kind, item) for name, item in given.items()} if isinstance(given, dict) else {}


def _listed(data: dict[str, Any], section: str, kind: Any) -> list[Any]:
    given = data.get(section)
    return [_try(kind, item) for item in given] if isinstance(given, list) else []


def _try(kind: Any, item: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(item)
    except ValidationError:
        return None
