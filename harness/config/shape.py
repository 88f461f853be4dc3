"""What may stand at a place of the rig file, read off the models' annotations."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from harness.config.problems import DataPath


def alternatives(annotation: Any) -> list[Any]:
    """The types that a value may have, without ``Annotated``, unions and None."""
    return [kind for kind, _ in _tagged(annotation)]


def _tagged(annotation: Any, tag: str | None = None) -> list[tuple[Any, str | None]]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *notes = get_args(annotation)
        return _tagged(inner, next((note.tag for note in notes if isinstance(note, Tag)), tag))
    if origin in (Union, types.UnionType):
        return [found for member in get_args(annotation) for found in _tagged(member, tag)]
    return [] if annotation is type(None) else [(annotation, tag)]


def is_model(kind: Any) -> bool:
    """Whether ``kind`` is a section with fixed keys."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def keys_of(kinds: list[Any]) -> list[str]:
    """The keys that sections among ``kinds`` know, in their order."""
    names = [field.alias or name for k in kinds if is_model(k) for name, field in k.model_fields.items()]
    return list(dict.fromkeys(names))


def child(kinds: list[Any], key: str | int) -> list[Any]:
    """What may stand under ``key`` of a value that is one of ``kinds``."""
    found: list[Any] = []
    for kind in kinds:
        if is_model(kind):
            for name, field in kind.model_fields.items():
                if key in (name, field.alias):
                    found += alternatives(field.annotation)
        elif get_origin(kind) is dict and isinstance(key, str):
            found += alternatives(get_args(kind)[1])
        elif get_origin(kind) in (list, tuple) and isinstance(key, int):
            members = get_args(kind)
            found += alternatives(members[key] if key < len(members) else members[0])
    return list(dict.fromkeys(found))


def described(kinds: list[Any], key: str) -> str:
    """The description of that key, empty if there is none."""
    for kind in kinds:
        if is_model(kind):
            for name, field in kind.model_fields.items():
                if key in (name, field.alias):
                    return field.description or ""
    return ""


def choose(kinds: list[Any], label: str) -> list[Any]:
    """Those of ``kinds`` that a union calls ``label``: a class name or the value of a distinguishing key."""
    return [
        kind for kind in kinds if is_model(kind) and (kind.__name__ == label or _has_literal(kind, label))
    ]


def _has_literal(model: type[BaseModel], label: str) -> bool:
    return any(
        get_origin(kind) is Literal and label in get_args(kind)
        for field in model.model_fields.values()
        for kind in alternatives(field.annotation)
    )


def fitting(kinds: list[Any], data: Any) -> list[Any]:
    """Those of ``kinds`` that ``data`` was probably meant to be: sections that share most keys with it."""
    if not isinstance(data, dict):
        return [kind for kind in kinds if not is_model(kind)]
    models = [kind for kind in kinds if is_model(kind)]
    literal = [
        kind
        for kind in models
        if any(isinstance(data.get(n), str) and _has_literal(kind, data[n]) for n in ("kind", "adapter"))
    ]
    models = literal or models
    shared = {kind: len(set(keys_of([kind])) & data.keys()) for kind in models}
    most = max(shared.values(), default=0)
    return [kind for kind in kinds if shared.get(kind, most if get_origin(kind) is dict else -1) == most]


def at(root: list[Any], data: Any, path: DataPath) -> list[Any]:
    """What may stand at ``path`` below ``root``, given the data that is there."""
    kinds = root
    for key in path:
        kinds = child(fitting(kinds, data), key)
        if isinstance(data, dict) and isinstance(key, str):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            data = None
    return kinds
