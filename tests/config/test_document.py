"""YAML in, plain values with lines out; what a config has no use for is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.document import Document, parse_value, read_document, write_document
from dvr_ray.errors import ConfigError

LAUGHS = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def read(folder: Path, text: str | bytes) -> Document:
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_document(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),
        ("1E4", 10000.0),
        ("1.0e-4", 0.0001),
        ("-.5", -0.5),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0o17", 15),
        ("'1e-4'", "1e-4"),
        ("true", True),
        ("on", "on"),
        ("yes", "yes"),
        ("null", None),
        ("", None),
        ("~", None),
        ("2026-11-24", "2026-11-24"),
        ("12:30", "12:30"),
        ("!!int 3", 3),
        ("[a, 1, null]", ["a", 1, None]),
        ("{a: {b: 1.5}}", {"a": {"b": 1.5}}),
        ('"é\\n"', "é\n"),
    ],
)
def test_values_are_read_as_yaml_1_2(text: str, value: Any) -> None:
    found = parse_value(text, "--set x")
    assert found == value
    assert type(found) is type(value)


def test_lines_of_keys_and_entries_are_known(tmp_path: Path) -> None:
    document = read(tmp_path, "# head\na:\n  b: 1\n  c: {d: 2,\n    e: 3}\nf:\n- x\n\n- y\n")
    assert document.content == {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "f": ["x", "y"]}
    assert document.lines == {
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", "d"): 4,
        ("a", "c", "e"): 5,
        ("f",): 6,
        ("f", 0): 7,
        ("f", 1): 9,
    }


def test_place_of_an_absent_entry_is_the_line_above_it(tmp_path: Path) -> None:
    document = read(tmp_path, "\na:\n  b: 1\n")
    assert document.place(("a", "z", "y")) == f"{tmp_path / 'x.yaml'}:2: a.z.y"
    assert document.place(("q",)) == f"{tmp_path / 'x.yaml'}: q"
    assert document.place(()) == str(tmp_path / "x.yaml")


def test_place_of_a_value_from_outside_is_its_option(tmp_path: Path) -> None:
    document = read(tmp_path, "run: {a: 1}\n").with_value(("run", "b", "c"), 2, "b.c")
    assert document.content == {"run": {"a": 1, "b": {"c": 2}}}
    assert document.place(("run", "b", "c", 0)) == "--set b.c.0"
    assert document.place(("run", "b")) == "--set b.c"
    assert document.place(("run", "a")).endswith("x.yaml:1: run.a")


def test_aliases_are_expanded_into_separate_values(tmp_path: Path) -> None:
    content = read(tmp_path, "a: &x {b: [1]}\nc: *x\n").content
    assert content == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert content["a"] is not content["c"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", None, ["empty"]),
        ("# only this\n", None, ["empty"]),
        ("- a\n", None, ["mapping", "a list"]),
        ("3", None, ["mapping", "got 3"]),
        ("a: 1\nb: [1\n", 3, ["not valid YAML"]),
        ("a: b: c\n", 1, ["not valid YAML", "mapping values are not allowed"]),
        ("a:\n\tb: 1\n", 2, ["not valid YAML", "\\t"]),
        ("a: 1\nb: \x07\n", 2, ["not valid YAML"]),
        ("a: 1\nb: *x\n", 2, ["not valid YAML", "undefined alias 'x'"]),
        ("a: 1\n---\nb: 2\n", 2, ["not valid YAML", "another document"]),
        ("a: 1\nb: 2\na: 3\n", 3, ["'a'", "twice", "line 1"]),
        ("a:\n  b: {c: 1, c: 2}\n", 2, ["'c'", "twice"]),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, ["tags", "os.system"]),
        ("a: 1\nb: !!python/name:os.system\n", 2, ["tags", "os.system"]),
        ("a: 1\nb: !env HOME\n", 2, ["tags", "!env"]),
        ("a: !!binary aGk=\n", 1, ["tags", "binary"]),
        ("a: !!set {b}\n", 1, ["tags", "set"]),
        ("a: !!int x\n", 1, ["not a YAML int", "'x'"]),
        ("a: !!bool maybe\n", 1, ["not a YAML bool", "'maybe'"]),
        ("a: 1" + "0" * 5000, 1, ["not a YAML int", "1000"]),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", 3, ["merge", "<<"]),
        ("a: 1\n2: b\n", 2, ["keys must be text", "'2'"]),
        ("[a]: 1\n", 1, ["keys must be text"]),
        ("a: 1\nb: .nan\n", 2, ["finite", "'.nan'"]),
        ("a: -.inf\n", 1, ["finite", "'-.inf'"]),
        ("a: 1e400\n", 1, ["finite", "'1e400'"]),
        ('a: "\\ud800"\n', 1, ["not text", "ud800"]),
        ('a: "x\\0y"\n', 1, ["not text", "x\\x00y"]),
        ("a: &a [*a]\n", 1, ["32 levels"]),
        ("a: " + "[" * 40 + "]" * 40, 1, ["32 levels"]),
        ("[" * 1200, None, ["32 levels"]),
        (LAUGHS, 1, ["100000 values"]),
        (b"a: 1\nb: caf\xe9\n", 2, ["UTF-8", "0xe9"]),
        (b"\xff\xfea", 1, ["UTF-8", "0xff"]),
        ("#" * (1 << 20) + "\na: 1\n", None, ["1048576 bytes", "1048582"]),
    ],
)
def test_refusal_names_line_and_value(
    tmp_path: Path, text: str | bytes, line: int | None, said: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    where = str(tmp_path / "x.yaml")
    assert caught.value.place == (where if line is None else f"{where}:{line}")
    assert all(word in caught.value.rule for word in said), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tag_runs_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(ConfigError, match="tags"):
        read(tmp_path, f"a: !!python/object/apply:pathlib.Path.touch ['{witness}']\n")
    assert not witness.exists()


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        read_document(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_document(tmp_path)


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n").content == {"a": 1}


def test_wrong_value_of_an_option_is_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_value("[1", "--set a.b")
    assert caught.value.place == "--set a.b"
    assert "'[1'" in caught.value.rule


def test_setting_below_a_scalar_is_refused(tmp_path: Path) -> None:
    document = read(tmp_path, "a: {b: 3}\n")
    with pytest.raises(ConfigError, match=r"--set b\.c: a\.b is no mapping, it is 3"):
        document.with_value(("a", "b", "c"), 1, "b.c")


def test_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.yaml"
    write_document({"a": 1}, path)

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_document({"a": 2}, path)
    assert read_document(path).content == {"a": 1}
    assert os.listdir(tmp_path) == ["x.yaml"]  # noqa: PTH208


LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
# The long ones are wider than a line and hold spaces, where a writer may fold.
LONG = st.lists(st.text("ab :#'\"\\-\n", min_size=20, max_size=30), min_size=6, max_size=8)
TEXTS = st.text(LETTERS, max_size=12) | LONG.map(" ".join)
KEYS = TEXTS | st.sampled_from(
    ["on", "null", "~", "<<", "=", "1e-4", "12", "true", "- a", "2001-01-01"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
PLAIN = st.recursive(
    SCALARS | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal with equal types: 1, 1.0 and True differ."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@settings(deadline=None, max_examples=80)
@given(st.dictionaries(KEYS, PLAIN, min_size=1, max_size=4))
def test_written_values_read_the_same(tmp_path_factory: Any, content: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("document") / "x.yaml"
    write_document(content, path)
    assert same(read_document(path).content, content)
