"""A timed function with the very parameters of the one that it times.

``def timed(*args, **kwargs)`` packs a tuple and a dictionary at every call and unpacks them again, which
costs as much as one of the two clock readings. As `dataclasses` does for ``__init__``, the wrapper is
therefore written out for the parameters that a function has, where they are plain ones.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import CO_VARARGS, CO_VARKEYWORDS
from threading import get_ident
from time import perf_counter
from types import FunctionType
from typing import Any

from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.nesting import Parts, current_lane, new_lane

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

_NESTED = """
def make(_hb_function, _hb_cell, _hb_clock, _hb_lane_here, _hb_thread, _hb_new_lane, _hb_exceeded):
    _hb_put, _hb_due, _hb_limit = _hb_cell.put, _hb_cell.due, _hb_cell.alarm

    def nested({parameters}):
        nonlocal _hb_due
        _hb_lane = _hb_lane_here()
        if _hb_lane is None or _hb_lane[1] != _hb_thread():
            _hb_lane = _hb_new_lane()
        _hb_around = _hb_lane[0]
        _hb_lane[0] = _hb_parts = {{}}
        _hb_begun = _hb_clock()
        try:
            _hb_result = _hb_function({arguments})
        except BaseException as _hb_error:
            _hb_took = _hb_clock() - _hb_begun
            _hb_lane[0] = _hb_around
            if _hb_around is not None:
                _hb_around[_hb_cell] = _hb_around.get(_hb_cell, 0.0) + _hb_took
            _hb_put(-_hb_took)
            _hb_cell.failed(_hb_error)
            if _hb_took > _hb_limit and _hb_parts:
                _hb_cell.attribute(_hb_took, _hb_parts)
            raise
        _hb_ended = _hb_clock()
        _hb_lane[0] = _hb_around
        _hb_took = _hb_ended - _hb_begun
        if _hb_around is not None:
            _hb_around[_hb_cell] = _hb_around.get(_hb_cell, 0.0) + _hb_took
        _hb_put(_hb_took)
        if _hb_ended > _hb_due:
            _hb_due = _hb_cell.drain(_hb_ended)
        if _hb_took > _hb_limit:
            _hb_exceeded(_hb_took, _hb_parts)
        return _hb_result

    def renew():
        nonlocal _hb_put, _hb_due, _hb_limit
        _hb_put, _hb_due, _hb_limit = _hb_cell.put, _hb_cell.due, _hb_cell.alarm

    return nested, renew
"""

Made = tuple[Callable[..., Any], Callable[[], None]]


def exact_timed(function: Any, cell: Cell) -> Made:
    """The function timed, and what keeps it up to date."""
    return _made(_SOURCE, function, cell)


def exact_nested(function: Any, cell: Cell, exceeded: Callable[[float, Parts], None]) -> Made:
    """The same with an account of the operations within it. ``exceeded``: called with the seconds of an
    overrun and its parts."""
    return _made(_NESTED, function, cell, current_lane.get, get_ident, new_lane, exceeded)


def _made(source: str, function: Any, cell: Cell, *more: Any) -> Made:
    parameters, arguments = _written_out(function) or ("*args, **kwargs", "*args, **kwargs")
    space: dict[str, Any] = {}
    text = source.format(parameters=parameters, arguments=arguments)
    exec(compile(text, "<performance budget>", "exec"), space)
    made: Made = space["make"](function, cell, perf_counter, *more)
    if parameters != "*args, **kwargs":
        # What stood for the defaults is replaced by the function's own.
        vars_of: Any = made[0]
        vars_of.__defaults__, vars_of.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return made


def _written_out(function: Any) -> tuple[str, str] | None:
    """Parameters and arguments; None of a function that has ``*args`` or ``**kwargs`` or is none of Python's
    own."""
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
    return ", ".join(parameters), ", ".join([*positional, *(f"{name}={name}" for name in named)])
