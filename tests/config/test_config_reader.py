from __future__ import annotations

from pathlib import Path

import pytest
from config_bench import BASE, edited

from harness.config import RigFileError, load_rig, rig_from_text
from harness.config.reader import MAX_BYTES, MAX_NODES, parse
from harness.errors import ConfigurationError


def refused(text: str) -> RigFileError:
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text, "x.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "the file is empty"),
        ("# only a comment\n", 1, 1, "the file is empty"),
        ("- rig\n- devices\n", 1, 1, "a rig file is a mapping"),
        ("hello\n", 1, 1, "a rig file is a mapping"),
        ("rig:\n\tname: x\n", 2, 1, "a tab; YAML is indented with spaces only"),
        ("rig:\n  name: x\n bad: 1\n", 3, 2, "the indentation does not fit"),
        ("rig: name: x\n", 1, 10, "a ':' where none is allowed"),
        ("rig: [1, 2\n", 2, 1, "a list in [...] lacks ',' or ']'"),
        ("rig: {a: 1\n", 2, 1, "a mapping in {...} lacks ',' or '}'"),
        ('rig: "abc\n', 2, 1, "a quote that is opened is never closed"),
        ("rig: @x\n", 1, 6, "a character that YAML does not allow here"),
        ("rig: *nowhere\n", 1, 6, "an alias (*name) without an anchor"),
        ("a: 1\n---\nb: 2\n", 2, 1, "more than one document"),
        ("rig: {name: a, name: b}\n", 1, 16, "the key is given twice; first in line 1"),
        ("rig: &r\n  again: *r\n", 1, 6, "an alias that contains itself"),
        ("rig: !!python/object/apply:os.system [ls]\n", 1, 6, "only plain values are"),
        ("rig: !secret x\n", 1, 6, "the type !secret is not allowed"),
        ("rig: !!int abc\n", 1, 6, "'abc' is not of the type !!int"),
        ("rig: 1e999\n", 1, 6, "must be a finite number"),
        (f"rig: {'9' * 5000}\n", 1, 6, "more than 30 digits"),
        ("? [a, b]\n: 1\n", 1, 3, "a key must be plain text"),
        ("rig: a\x01b\n", 1, 7, "the character U+0001 is not allowed"),
        ('rig: "\\ud800"\n', 1, 6, "half a surrogate pair"),
        ('rig: "\\UFFFFFFFF"\n', 1, 1, "not valid YAML"),
        ("<<: 3\nrig: 1\n", 1, 5, "must be an alias of a mapping"),
        pytest.param("[" * 2000, 1, 1, "nested too deeply", id="brackets", marks=pytest.mark.slow),
    ],
)
def test_yaml_mistakes(text: str, line: int, column: int, message: str) -> None:
    problem = refused(text).problems[0]
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column), str(problem)


def test_nesting_is_bounded() -> None:
    assert "nested too deeply" in str(refused("rig: " + "[" * 60 + "]" * 60))


def test_aliases_do_not_explode() -> None:
    # Nine lists of nine of the list before: 9 ** 9 values if they were all built.
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert f"more than {MAX_NODES} values" in str(refused("\n".join(lines)))


def test_merged_aliases_do_not_explode() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}], y{i}: 1}}" for i in range(1, 9)]
    assert f"more than {MAX_NODES} values" in str(refused("\n".join(lines)))


def test_several_yaml_mistakes_are_told_at_once() -> None:
    problems = refused("a: 1\na: 2\nb: !x 3\nc: .nan\n").problems
    assert [p.line for p in problems] == [2, 3, 4]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("~", None),
        ("", None),
        ("12", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!float 12", 12.0),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    read = parse(f"key: {text}\n", "x").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_positions_of_merged_keys_are_those_of_the_anchor() -> None:
    document = parse("base: &b\n  one: 1\n  two: 2\nuse:\n  <<: *b\n  two: 3\n", "x")
    assert document.data["use"] == {"one": 1, "two": 3}
    assert document.position(("use", "one")).line == 2
    assert document.position(("use", "two")).line == 6


def test_a_schedule_can_be_shared_by_anchor() -> None:
    text = edited(
        ("schedule: {kind: paced,", "schedule: &s {kind: paced,"),
        ("response: robot.first", "response: robot.applied"),
        ("schedule: {kind: trials, samples: 100, dwell_ms: [10, 50]}", "schedule: {<<: *s, samples: 7}"),
    )
    rig = rig_from_text(text, "x.yaml")
    assert rig.scenarios["command"].schedule.samples == 3000
    assert rig.scenarios["rest"].schedule.samples == 7


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"rig:\n  name: caf\xe9\n")
    with pytest.raises(RigFileError, match="byte 0xe9 is not UTF-8") as caught:
        load_rig(file)
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 12)
    file.write_bytes(BASE.encode("utf-16"))
    with pytest.raises(RigFileError, match="is not UTF-8"):
        load_rig(file)


def test_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert load_rig(file).rig == rig_from_text(BASE, "x.yaml")


def test_what_is_no_file_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a file"):
        load_rig(tmp_path)
    with pytest.raises(ConfigurationError, match="not a file"):
        load_rig(tmp_path / "none.yaml")
    big = tmp_path / "big.yaml"
    big.write_text("# " + "x" * MAX_BYTES)
    with pytest.raises(ConfigurationError, match="larger than 256 KiB"):
        load_rig(big)
