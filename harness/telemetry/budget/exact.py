"""A timed function with the very parameters of the one that it times.

``def timed(*args, **kwargs)`` packs a tuple and a dictionary at every call and unpacks them again, which
costs as much as one of the two clock readings. As `dataclasses` does for ``__init__``, the wrapper is
therefore written out for the parameters that a function has, where they are plain ones.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import CO_VARARGS, CO_VARKEYWORDS
from time import perf_counter
from types import FunctionType
from typing import Any

from harness.telemetry.budget.cell import Cell

_SOURCE = """
def make(_hb_function, _hb_cell, _hb_clock):
    _hb_put, _hb_due = _hb_cell.put, _hb_cell.due

    def timed({parameters}):
        nonlocal _hb_due
        _hb_begun = _hb_clock()
        try:
            _hb_result = _hb_function({arguments})
        except BaseException as _hb_error:
            _hb_put(_hb_begun - _hb_clock())
            _hb_cell.failed(_hb_error)
            raise
        _hb_ended = _hb_clock()
        _hb_put(_hb_ended - _hb_begun)
        if _hb_ended > _hb_due:
            _hb_due = _hb_cell.drain(_hb_ended)
        return _hb_result

    def renew():
        nonlocal _hb_put, _hb_due
        _hb_put, _hb_due = _hb_cell.put, _hb_cell.due

    return timed, renew
"""


def exactly(function: Any, cell: Cell) -> tuple[Callable[..., Any], Callable[[], None]] | None:
    """The function timed, and what keeps it up to date; None where it has ``*args`` or ``**kwargs`` or is
    none of Python's own."""
    if not isinstance(function, FunctionType):
        return None
    code = function.__code__
    if code.co_flags & (CO_VARARGS | CO_VARKEYWORDS):
        return None
    positional = code.co_varnames[: code.co_argcount]
    named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if not all(name.isidentifier() and not name.startswith("_hb_") for name in (*positional, *named)):
        return None  # of a comprehension, or as if to spite this
    optional = len(positional) - len(function.__defaults__ or ())
    parameters = [name if number < optional else f"{name}=None" for number, name in enumerate(positional)]
    if code.co_posonlyargcount:
        parameters.insert(code.co_posonlyargcount, "/")
    if named:
        kept = function.__kwdefaults__ or {}
        parameters += ["*", *(f"{name}=None" if name in kept else name for name in named)]
    source = _SOURCE.format(
        parameters=", ".join(parameters),
        arguments=", ".join([*positional, *(f"{name}={name}" for name in named)]),
    )
    space: dict[str, Any] = {}
    exec(compile(source, "<performance budget>", "exec"), space)
    timed, renew = space["make"](function, cell, perf_counter)
    # What stood for the defaults is replaced by the function's own.
    timed.__defaults__, timed.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return timed, renew
