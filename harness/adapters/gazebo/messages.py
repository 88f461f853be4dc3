"""Message classes of ``gz.msgs`` by name: each lies in a module named after its file."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from functools import lru_cache
from typing import Any

from harness.adapters.gazebo import vendor
from harness.config.problems import suggest
from harness.errors import ConfigurationError

PACKAGE = "gz.msgs"
_NAME = re.compile(r"(?:gz\.msgs\.)?([A-Za-z_][A-Za-z0-9_]*)")


def type_name(name: str) -> str:
    """``gz.msgs.Name``. Raises ConfigurationError for what is no name of a type."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigurationError(
            f"{name!r} is not a message type of Gazebo", hint="write gz.msgs.Name, e.g. gz.msgs.Twist"
        )
    return f"{PACKAGE}.{found[1]}"


@lru_cache(maxsize=256)
def message_class(name: str) -> Any:
    """Class of ``gz.msgs.Name`` (or ``Name``).

    Raises ConfigurationError for a name that is none, UnavailableError without Gazebo's bindings.
    """
    short = type_name(name).rpartition(".")[2]
    flat = _flat(short)
    modules = _modules()
    for module in [one for one in modules if _flat(one) == flat] or difflib.get_close_matches(
        flat, modules, 3, 0.5
    ):
        found = getattr(_module(module), short, None)
        if _is_message(found):
            return found
    # A few types share a file with another one.
    known = _known()
    if short in known:
        return known[short]
    raise ConfigurationError(f"there is no message type {name!r}", hint=suggest(short, sorted(known)))


def _flat(name: str) -> str:
    return name.replace("_", "").lower()


@lru_cache(maxsize=1)
def _modules() -> list[str]:
    """Names of the files of messages, without ``_pb2``."""
    package = importlib.import_module(vendor.load().messages)
    return [
        one.name.removesuffix("_pb2")
        for one in pkgutil.iter_modules(package.__path__)
        if one.name.endswith("_pb2")
    ]


def _module(name: str) -> Any:
    return importlib.import_module(f"{vendor.load().messages}.{name}_pb2")


@lru_cache(maxsize=1)
def _known() -> dict[str, Any]:
    found = {}
    for name in _modules():
        try:
            module = _module(name)
        except Exception:  # one file that this protobuf cannot read is no reason to know none of the others
            continue
        found.update({key: one for key, one in vars(module).items() if _is_message(one)})
    return found


def _is_message(one: Any) -> bool:
    descriptor = getattr(one, "DESCRIPTOR", None)
    return isinstance(one, type) and getattr(descriptor, "full_name", "").startswith(f"{PACKAGE}.")
