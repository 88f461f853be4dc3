"""YAML text -> plain data that knows where each key and value was written.

Follows the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), so that ``on`` is text and
``1e3`` a number; merge keys (``<<``) are understood. Only mappings, lists and plain values are built;
size, nesting and the expansion of aliases are bounded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.config.problems import DataPath, Position, Problem, RigFileError, dotted
from harness.errors import ConfigurationError

MAX_BYTES = 256 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 40

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_STR = "tag:yaml.org,2002:str"
_MAP = "tag:yaml.org,2002:map"
_SEQ = "tag:yaml.org,2002:seq"

_PATTERNS = {
    _NULL: (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    _BOOL: (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    _INT: (r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    _FLOAT: (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
}

_PLAIN_WORDS = (
    ("cannot start any token", "a character that YAML does not allow here; put the text in quotes"),
    (
        "mapping values are not allowed here",
        "a ':' where none is allowed; check the indentation or use quotes",
    ),
    ("could not find expected ':'", "a key without ':' after it"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("expected ',' or ']'", "a list in [...] lacks ',' or ']', or a text in it needs quotes"),
    ("expected ',' or '}'", "a mapping in {...} lacks ',' or '}', or a text in it needs quotes"),
    ("found unexpected end of stream", "a quote that is opened is never closed"),
    ("but found another document", "more than one document ('---') in the file"),
    ("found undefined alias", "an alias (*name) without an anchor (&name) before it"),
    ("found duplicate anchor", "an anchor (&name) that is already used"),
)


class _Loader(yaml.SafeLoader):
    """Composes nodes; its implicit types are those of YAML 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


for _tag, (_pattern, _first) in _PATTERNS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


@dataclass
class Document:
    """Plain data and the position of every key and value by path."""

    source: str
    data: Any = None
    keys: dict[DataPath, Position] = field(default_factory=dict)
    values: dict[DataPath, Position] = field(default_factory=dict)

    def position(self, path: DataPath, of_key: bool = False) -> Position:
        """Where the value at ``path`` (or its key) was written; of what is not there, its nearest parent."""
        first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
        found = first.get(path) or second.get(path)
        while found is None and path:
            path = path[:-1]
            found = self.keys.get(path) or self.values.get(path)
        return found or Position(self.source, 1, 1)

    def problem(self, path: DataPath, message: str, of_key: bool = False) -> Problem:
        """A problem at that place."""
        return Problem(self.position(path, of_key), dotted(path), message)

    def place(self, path: DataPath, position: Position) -> None:
        """Say that everything at and below ``path`` was written at ``position``."""
        for table in (self.keys, self.values):
            for known in [p for p in table if p[: len(path)] == path]:
                del table[known]
            table[path] = position


def read_text(path: Path) -> tuple[str, bytes]:
    """The text of a rig file and its bytes. Raises ConfigurationError (RigFileError for a wrong encoding)."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: not a file", hint="`harness list` shows the rigs that can be run")
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(f"{path}: larger than {MAX_BYTES // 1024} KiB; this is not a rig file")
    try:
        return raw.decode("utf-8-sig"), raw
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        at = Position(str(path), before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file with the encoding UTF-8"
        raise RigFileError([Problem(at, "", message)]) from error


def parse(text: str, source: str) -> Document:
    """Plain data with positions. Raises RigFileError with every problem of the YAML itself."""
    node = _compose(text, source)
    builder = _Builder(source)
    document = builder.document
    if node is not None:
        document.data = builder.build(node, (), 0)
    if builder.problems:
        raise RigFileError(builder.problems)
    return document


def _compose(text: str, source: str) -> yaml.Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise RigFileError([_syntax_problem(error, text, source)]) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        at = Position(source, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise RigFileError([Problem(at, "", message)]) from error
    except RecursionError as error:
        raise RigFileError([Problem(Position(source, 1, 1), "", "nested too deeply")]) from error
    except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
        # PyYAML's scanner lets some through, e.g. ValueError for "\UFFFFFFFF".
        line = loader.line + 1 if loader is not None else 1
        raise RigFileError([Problem(Position(source, line, 1), "", f"not valid YAML: {error}")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    return node


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, source: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    said = f"{error.context or ''} {error.problem or ''}".strip()
    meant = next((plain for part, plain in _PLAIN_WORDS if part in said), said)
    lines = text.splitlines()
    if line < len(lines) and lines[line][column : column + 1] == "%":
        meant = 'a % alone begins nothing; write "%" in quotes'
    if line < len(lines) and "\t" in lines[line][: column + 1]:
        meant = "a tab; YAML is indented with spaces only"
    return Problem(Position(source, line + 1, column + 1), "", f"not valid YAML: {meant}")


class _Builder:
    def __init__(self, source: str) -> None:
        self.source = source
        self.document = Document(source)
        self.problems: list[Problem] = []
        self.nodes = 0
        self.open: set[int] = set()

    def at(self, node: yaml.Node) -> Position:
        return Position(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def complain(self, node: yaml.Node, path: DataPath, message: str) -> None:
        self.problems.append(Problem(self.at(node), dotted(path), message))

    def build(self, node: yaml.Node, path: DataPath, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise RigFileError(
                [Problem(self.at(node), dotted(path), f"more than {MAX_NODES} values, with aliases expanded")]
            )
        if depth > MAX_DEPTH:
            self.complain(node, path, "nested too deeply")
            return None
        self.document.values[path] = self.at(node)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if id(node) in self.open:
            self.complain(node, path, "an alias that contains itself")
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
                return [self.build(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
                return self.mapping(node, path, depth)
        finally:
            self.open.discard(id(node))
        self.complain(node, path, f"the type {_short(node.tag)} is not allowed; only plain values are")
        return None

    def mapping(self, node: yaml.MappingNode, path: DataPath, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.complain(key_node, path, "a key must be plain text")
                continue
            key = key_node.value
            if key == "<<" and key_node.style is None:
                merges.append(value_node)
                continue
            here = (*path, key)
            if key in built:
                first = self.document.keys[here]
                self.complain(key_node, here, f"the key is given twice; first in line {first.line}")
                continue
            if not _encodable(key):
                self.complain(key_node, path, "a key with half a surrogate pair (\\ud800 to \\udfff)")
                continue
            self.document.keys[here] = self.at(key_node)
            built[key] = self.build(value_node, here, depth + 1)
        for merge in merges:
            self.merge(merge, built, path, depth)
        return built

    def merge(self, node: yaml.Node, built: dict[str, Any], path: DataPath, depth: int) -> None:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                self.complain(node, (*path, "<<"), "must be an alias of a mapping (*name), or a list of them")
                return
            if id(part) in self.open:
                self.complain(node, (*path, "<<"), "an alias that contains itself")
                return
            # Built in a table of its own: keys that are given beside "<<" win, and keep their positions.
            other = _Builder(self.source)
            other.nodes, other.open = self.nodes, self.open
            found = other.build(part, path, depth + 1)
            self.nodes = other.nodes
            self.problems += other.problems
            if not isinstance(found, dict):
                return
            new = found.keys() - built.keys()
            end = len(path)
            for mine, theirs in (
                (self.document.keys, other.document.keys),
                (self.document.values, other.document.values),
            ):
                mine.update({p: at for p, at in theirs.items() if len(p) > end and p[end] in new})
            built.update({key: found[key] for key in found if key in new})

    def scalar(self, node: yaml.ScalarNode, path: DataPath) -> Any:
        text: str = node.value
        tag = node.tag
        if tag == _STR:
            if not _encodable(text):
                self.complain(node, path, "text with half a surrogate pair (\\ud800 to \\udfff)")
            return text
        if tag not in _PATTERNS:
            self.complain(node, path, f"the type {_short(tag)} is not allowed; only plain values are")
            return None
        if not re.match(_PATTERNS[tag][0], text) and not (
            tag == _FLOAT and re.match(_PATTERNS[_INT][0], text)
        ):
            self.complain(node, path, f"{text!r} is not of the type {_short(tag)}")
            return None
        if tag == _NULL:
            return None
        if tag == _BOOL:
            return text.lower() == "true"
        if tag == _INT:
            if len(text) > 30:
                self.complain(node, path, "a number with more than 30 digits")
                return None
            return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(number):
            self.complain(node, path, f"must be a finite number, not {text}")
            return None
        return number


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
