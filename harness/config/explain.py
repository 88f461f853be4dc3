"""What the models refuse, in plain English: one problem per mistake, at the place where it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from harness.config import shape
from harness.config.changing import VALUE_KEYS
from harness.config.problems import DataPath, nearest, suggest

_MISSING = object()


@dataclass(frozen=True)
class Refusal:
    """One mistake: its path, whether to point at the key rather than the value, and what is wrong.

    ``whole``: said by a check of the whole section, which may be explained better elsewhere.
    """

    path: DataPath
    message: str
    of_key: bool = False
    whole: bool = False


@dataclass
class _Located:
    error: ErrorDetails
    path: DataPath
    of_key: bool
    kinds: list[Any]
    """What may stand at the parent of ``path`` (for a key), else at ``path``."""
    labels: list[tuple[DataPath, str]] = field(default_factory=list)
    """Members of unions on the way: where, and what the union calls them."""


def explain(model: type[BaseModel], data: Any, errors: list[ErrorDetails]) -> list[Refusal]:
    """The refusals behind the errors of validating ``data`` with ``model``."""
    located = [_locate(model, data, error) for error in errors]
    return list(dict.fromkeys(_pick(data, located, 0)))


def _locate(model: type[BaseModel], data: Any, error: ErrorDetails) -> _Located:
    kinds: list[Any] = [model]
    path: DataPath = ()
    node = data
    labels: list[tuple[DataPath, str]] = []
    loc = error["loc"]
    of_key = error["type"] in ("missing", "extra_forbidden")
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if part == "[key]":
            of_key = True
            break
        if of_key and last:
            return _Located(error, (*path, part), True, shape.fitting(kinds, node) or kinds, labels)
        if isinstance(part, str) and not (isinstance(node, dict) and part in node):
            labels.append((path, part))
            kinds = shape.choose(kinds, part) or shape.fitting(kinds, node)
            continue
        if isinstance(part, str) and not shape.child(kinds, part) and shape.choose(kinds, part):
            labels.append((path, part))
            kinds = shape.choose(kinds, part)
            continue
        kinds = shape.child(kinds, part)
        path = (*path, part)
        node = _step(node, part)
    return _Located(error, path, of_key, kinds, labels)


def _step(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part, _MISSING) if isinstance(part, str) else _MISSING
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return _MISSING


def _walk(data: Any, path: DataPath) -> Any:
    for part in path:
        data = _step(data, part)
    return data


def _pick(data: Any, errors: list[_Located], depth: int) -> Iterator[Refusal]:
    """Of a union's members, keep the complaints of the one that was meant."""
    by_union: dict[DataPath, dict[str, list[_Located]]] = {}
    for located in errors:
        if len(located.labels) > depth:
            path, label = located.labels[depth]
            by_union.setdefault(path, {}).setdefault(label, []).append(located)
        else:
            yield from _say(data, located)
    for path, members in by_union.items():
        node = _walk(data, path)
        meant = _meant(node, members)
        if meant is not None:
            yield from _pick(data, members[meant], depth + 1)
        else:
            yield Refusal(path, _any_of(node, members))


def _meant(node: Any, members: dict[str, list[_Located]]) -> str | None:
    if len(members) == 1:
        return next(iter(members))

    def rank(label: str) -> int:
        errors = members[label]
        # A complaint that lies deeper, or about a key, comes from a member that took the value for its own.
        deeper = any(len(e.path) > len(errors[0].labels[-1][0]) for e in errors)
        missing = sum(e.error["type"] == "missing" for e in errors)
        unknown = sum(e.error["type"] == "extra_forbidden" for e in errors)
        bounds = any(e.error["type"] in _COMPARED or "pattern" in e.error["type"] for e in errors)
        return 100 - 2 * missing - unknown - len(errors) if deeper or bounds else 0

    ranks = {label: rank(label) for label in members}
    best = max(ranks.values())
    winners = [label for label, value in ranks.items() if value == best]
    return winners[0] if best > 0 else None


def _any_of(node: Any, members: dict[str, list[_Located]]) -> str:
    """One sentence for a value that no member of a union took for its own."""
    words = [
        word for e in members.values() for word in _choices(e[0]) if e[0].error["type"] == "literal_error"
    ]
    if isinstance(node, str) and (close := nearest(node, words)) is not None:
        return f"{_shown(node)} is not known; did you mean {close!r}?"
    wanted = " or ".join(dict.fromkeys(_wanted(label, errors) for label, errors in members.items()))
    return f"must be {wanted}, not {_shown(node)}"


def _wanted(label: str, errors: list[_Located]) -> str:
    kind = errors[0].error["type"]
    if kind in ("literal_error", "enum"):
        return f"one of {errors[0].error['ctx']['expected']}"
    for prefix, words in _KINDS:
        if kind.startswith(prefix):
            return words
    return "a mapping" if shape.is_model(errors[0].kinds and errors[0].kinds[0]) else label


_KINDS = (
    ("bool", "true or false"),
    ("int", "a whole number"),
    ("float", "a number"),
    ("string", "text"),
    ("list", "a list"),
    ("tuple", "a list"),
    ("dict", "a mapping"),
    ("model", "a mapping"),
    ("finite", "a finite number"),
)

_COMPARED = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}

_PATTERNS = {
    r"^[A-Za-z][A-Za-z0-9_]*$": "a name of letters, digits and underscores that starts with a letter",
    r"^[A-Za-z0-9][A-Za-z0-9-]*$": "a name of letters, digits and hyphens",
    r"^[A-Za-z]\w*\.[A-Za-z]\w*$": "a port, written device.port",
    r"^[A-Za-z_][\w.-]*$": "a name of letters, digits, dots, hyphens and underscores",
}


def _shown(value: Any) -> str:
    if value is None or value is _MISSING:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return f"the text {text}" if isinstance(value, str) else text


def _choices(located: _Located) -> list[str]:
    """The members of the literal that may stand here."""
    found = re.findall(r"'([^']*)'", str(located.error.get("ctx", {}).get("expected", "")))
    return found or [str(v) for kind in located.kinds if get_origin(kind) is Literal for v in get_args(kind)]


def _say(data: Any, located: _Located) -> Iterator[Refusal]:
    error, path, kinds = located.error, located.path, located.kinds
    kind, given, ctx = error["type"], error.get("input"), error.get("ctx", {})
    last = str(path[-1]) if path else ""

    def refusal(message: str, at: DataPath = path, of_key: bool = located.of_key) -> Refusal:
        return Refusal(at, message, of_key, whole=kind in ("value_error", "assertion_error"))

    if kind == "missing":
        if _misspelt_as(data, path, kinds) is not None:
            return  # said once, of the key that was written instead
        about = shape.described(kinds, last)
        yield refusal("this key is missing" + (f" ({about})" if about else ""))
    elif kind == "extra_forbidden":
        parent = _walk(data, path[:-1])
        used = set(parent) if isinstance(parent, dict) else set()
        known = shape.keys_of(kinds)
        free = [key for key in known if key not in used]
        close = nearest(last, free) or nearest(last, known)
        yield refusal("unknown key; " + (f"did you mean {close!r}?" if close else suggest("", known)))
    elif kind in ("literal_error", "enum"):
        yield refusal(f"{_shown(given)} is not known; {suggest(str(given), _choices(located))}")
    elif kind == "union_tag_invalid":
        key = str(ctx["discriminator"]).strip("'")
        tags = [tag.strip("'") for tag in str(ctx["expected_tags"]).split(", ")]
        yield refusal(f"{str(ctx['tag'])!r} is not known; {suggest(str(ctx['tag']), tags)}", (*path, key))
    elif kind == "union_tag_not_found":
        key = str(ctx["discriminator"]).strip("'")
        names = sorted({str(v) for k in kinds for f in shape.child([k], key) for v in get_args(f)})
        yield refusal(f"this key is missing; one of: {', '.join(names)}", (*path, key), True)
    elif kind == "step_kind":
        yield refusal(_step_kind(given, error["msg"]), of_key=False)
    elif kind == "value_kind":
        close = _nearest_key(given, list(VALUE_KEYS))
        yield refusal(error["msg"] + (f"; did you mean {close!r}?" if close else ""))
    elif kind == "string_pattern_mismatch":
        wanted = _PATTERNS.get(ctx.get("pattern", ""), f"text of the form {ctx.get('pattern')}")
        yield refusal(f"{given!r} must be {wanted}")
    elif kind in _COMPARED:
        bound, comparison = _COMPARED[kind]
        yield refusal(f"must be {comparison} {ctx[bound]:g}, not {_shown(given)}")
    elif kind == "string_type":
        quotable = isinstance(given, (int, float)) and not isinstance(given, bool)
        yield refusal(
            f"must be text, not {_shown(given)}" + (f'; write it in quotes: "{given}"' if quotable else "")
        )
    elif kind == "int_from_float":
        yield refusal(f"must be a whole number, not {given}")
    elif kind in ("too_short", "string_too_short"):
        least = ctx.get("min_length", 1)
        what = "an entry" if kind == "too_short" else "a character"
        yield refusal(f"needs at least {what if least == 1 else f'{least} entries'}")
    elif kind in ("too_long", "string_too_long"):
        yield refusal(f"has more than {ctx.get('max_length')} entries")
    elif kind in ("value_error", "assertion_error"):
        message = re.sub(r"^(Value error|Assertion failed), ", "", error["msg"])
        named = re.match(r"([A-Za-z_][\w.]*): ", message)
        below = (*path, *named.group(1).split(".")) if named is not None else path
        # A check of a section may say which key it means; then that key is pointed at.
        if named is not None and _walk(data, below) is not _MISSING:
            yield Refusal(below, message[named.end() :], whole=True)
        else:
            yield refusal(message)
    else:
        words = next((words for prefix, words in _KINDS if kind.startswith(prefix)), None)
        if words is None:
            said = error["msg"].replace("Input should be", "must be").replace("valid ", "")
            yield refusal(said[:1].lower() + said[1:])
        else:
            yield refusal(f"must be {words}, not {_shown(given)}{_number_and_unit(given, words, last)}")


def _number_and_unit(given: Any, words: str, key: str) -> str:
    """What to write instead of ``98 %`` where a number is wanted."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*(%|us|ms|s|Hz)\s*", given) if isinstance(given, str) else None
    if found is None or "number" not in words:
        return ""
    return f'; write {found[1]}, and its unit as `unit: "{found[2]}"` beside it' if key == "limit" else ""


def _misspelt_as(data: Any, path: DataPath, kinds: list[Any]) -> str | None:
    """The unknown key beside a missing one that is refused as a misspelling of it."""
    parent = _walk(data, path[:-1])
    known = shape.keys_of(kinds)
    written = [key for key in parent if isinstance(key, str)] if isinstance(parent, dict) else []
    free = [key for key in known if key not in written]
    return next((key for key in written if key not in known and nearest(key, free) == path[-1]), None)


def _nearest_key(given: Any, known: list[str]) -> str | None:
    keys = [key for key in given if isinstance(key, str)] if isinstance(given, dict) else []
    return next((close for key in keys if (close := nearest(key, known))), None)


def _step_kind(given: Any, message: str) -> str:
    if not isinstance(given, dict):
        return f"a step is a mapping such as `sleep_s: 1`, not {_shown(given)}"
    close = _nearest_key(given, ["send", "wait_for", "call", "ask", "sleep_s"])
    return message + (f"; did you mean {close!r}?" if close else "")
