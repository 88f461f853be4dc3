"""A whole module, package or class measured by one call."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from types import FunctionType, ModuleType
from typing import Any

from harness.errors import ConfigurationError, UnavailableError
from harness.telemetry.budget.wrap import is_measured

Wrap = Callable[[str, Any], Any]


def instrument(
    target: ModuleType | type | str, wrap: Wrap, include: Sequence[str], exclude: Sequence[str]
) -> list[str]:
    """Replace every function that ``target`` defines by ``wrap(name, function)``; the names, ascending.

    A package is taken with all its modules, which are imported. Functions that are defined elsewhere and only
    imported there are left alone, and so are names with two underscores (``__init__`` and the like, which
    must be asked for by a pattern that names them), properties, and what is not written in Python. Where a
    module of the package has imported a function of another one, its name there leads to the measured one,
    too.

    Raises UnavailableError for a module that cannot be imported, ConfigurationError where nothing fits.
    """
    done: dict[Any, Any] = {}
    names: list[str] = []
    modules: list[ModuleType] = []
    if isinstance(target, type):
        names += _members(target, f"{target.__module__}.{target.__qualname__}", wrap, include, exclude, done)
        whole = f"{target.__module__}.{target.__qualname__}"
    else:
        module = _imported(target) if isinstance(target, str) else target
        whole = module.__name__
        modules = [module, *_below(module)]
        for each in modules:
            names += _members(each, each.__name__, wrap, include, exclude, done)
    if not names:
        raise ConfigurationError(
            f"{whole} has no function that fits include={list(include)}, exclude={list(exclude)} and is not "
            "measured already",
            hint="patterns are of whole names, such as 'package.module.Class.method' or '*.read_*'",
        )
    for each in modules:
        for name, value in list(vars(each).items()):
            if isinstance(value, FunctionType) and value in done:
                setattr(each, name, done[value])
    return sorted(names)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"{name!r} cannot be imported, so nothing of it is measured: {error}",
            hint="give the module itself, or its name as it is imported",
        ) from error


def _below(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}."):
        if not found.name.endswith(".__main__"):
            yield _imported(found.name)


def _members(
    owner: ModuleType | type,
    prefix: str,
    wrap: Wrap,
    include: Sequence[str],
    exclude: Sequence[str],
    done: dict[Any, Any],
) -> Iterator[str]:
    for name, value in list(vars(owner).items()):
        whole = f"{prefix}.{name}"
        if isinstance(value, type):
            if value.__module__ == _module(owner) and value.__qualname__ == _below_name(owner, name):
                yield from _members(value, whole, wrap, include, exclude, done)
            continue
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not isinstance(function, FunctionType) or not _defined_in(owner, function):
            continue
        if is_measured(function) or not _fits(name, whole, include, exclude):
            continue
        replaced = wrap(whole, value)
        setattr(owner, name, replaced)
        done[function] = replaced
        yield whole


def _module(owner: ModuleType | type) -> str:
    return owner.__module__ if isinstance(owner, type) else owner.__name__


def _below_name(owner: ModuleType | type, name: str) -> str:
    return f"{owner.__qualname__}.{name}" if isinstance(owner, type) else name


def _defined_in(owner: ModuleType | type, function: FunctionType) -> bool:
    # A decorated function is its module's own, whatever module the decorator lives in.
    inner = inspect.unwrap(function)
    return function.__module__ == _module(owner) or inner.__module__ == _module(owner)


def _fits(name: str, whole: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    def matches(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(whole, pattern) or fnmatchcase(name, pattern) for pattern in patterns)

    if name.startswith("__") and name.endswith("__"):
        include = [pattern for pattern in include if "__" in pattern]
    return matches(include) and not matches(exclude)
