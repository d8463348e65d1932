"""YAML documents as plain Python values that remember their lines.

The text is composed by ruamel.yaml into nodes, which know their lines, and the nodes are turned
into plain values here. So numbers are YAML 1.2's (1e-4 is a number), no tag can run anything,
and aliases are expanded up to a limit: a small file can't become a huge one.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from dvr_ray.config.paths import put
from dvr_ray.errors import ConfigError
from dvr_ray.files import patient, placed

__all__ = [
    "Document",
    "Keys",
    "document_text",
    "parse_value",
    "read_document",
    "write_document",
]

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 32
TAG = "tag:yaml.org,2002:"
# Dates stay text: no field of ours is one, and a name may look like one.
TEXTS = {TAG + "str", TAG + "timestamp", TAG + "value", TAG + "merge"}
SIMPLE = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*")
SCALARS = {TAG + "null", TAG + "bool", TAG + "int", TAG + "float"}

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed file, maybe with some values set from outside.

    Parameters
    ----------
    path : Path
        The file.
    content : dict
        Plain dicts, lists and scalars.
    lines : dict of tuple to int
        Line, from 1, of every key and list entry, by path.
    chosen : dict of tuple to str
        Paths that were set from outside, and how the user wrote them.
    files : dict of tuple to Path
        Where an entry's line lies in another file than ``path``.
    """

    path: Path
    content: dict[str, Any]
    lines: dict[Keys, int] = field(default_factory=dict)
    chosen: dict[Keys, str] = field(default_factory=dict)
    files: dict[Keys, Path] = field(default_factory=dict)

    def place(self, keys: Keys) -> str:
        """Return ``file:line: dotted.path`` of an entry, or ``--set path`` where it was set."""
        for end in range(len(keys), 0, -1):
            if keys[:end] in self.chosen:
                return "--set " + _dotted((self.chosen[keys[:end]], *keys[end:]))
        for path, written in self.chosen.items():
            if keys and path[: len(keys)] == keys and keys not in self.lines:
                return f"--set {written}"
        known = (keys[:end] for end in range(len(keys), 0, -1) if keys[:end] in self.lines)
        found = next(known, None)
        where = str(self.path)
        if found is not None:
            where = f"{self.files.get(found, self.path)}:{self.lines[found]}"
        return f"{where}: {_dotted(keys)}" if keys else where

    def with_value(self, keys: tuple[str, ...], value: Any, written: str) -> Document:
        """Return a copy in which one entry is set; ``written`` is the user's name for it."""
        content = copy.deepcopy(self.content)
        put(content, keys, value, f"--set {written}")
        return replace(self, content=content, chosen={**self.chosen, keys: written})


def read_document(path: Path) -> Document:
    """Read a YAML file that holds a mapping.

    Raises
    ------
    ConfigError
        If the file is missing, larger than 1 MB, not UTF-8, not YAML, empty or not a mapping;
        if it has a key twice, a tag, an infinite number, or expands to too many values.
    """
    reader = _Reader(str(path))
    content = reader.read(_text(path))
    if content is None:
        raise ConfigError(str(path), "the file is empty", "start from a file in search_spaces/")
    if not isinstance(content, dict):
        kind = "a list" if isinstance(content, list) else repr(content)[:80]
        raise ConfigError(str(path), f"must hold a mapping, got {kind}", "write `key: value` lines")
    return Document(path, content, reader.lines)


def parse_value(text: str, place: str) -> Any:
    """Read one value as YAML: ``1e-4``, ``[a, b]``, ``null``, ``text``.

    Raises
    ------
    ConfigError
        If the text isn't YAML.
    """
    try:
        return _Reader(place).read(text)
    except ConfigError as error:
        raise ConfigError(place, f"{error.rule}, got {text[:80]!r}", error.mend) from error


def document_text(content: dict[str, Any]) -> str:
    """Return plain values as YAML."""
    writer = YAML(typ="rt", pure=True)
    writer.default_flow_style = None
    # Folded lines aren't always read back as they were.
    writer.width = 1 << 30
    buffer = StringIO()
    writer.dump(_quoted(content), buffer)
    return buffer.getvalue()


@patient
def write_document(content: dict[str, Any], path: Path) -> None:
    """Write plain values as YAML to a temporary name and move it into place."""
    with placed(path) as temporary:
        temporary.write_text(document_text(content), encoding="utf-8", newline="\n")


class _Reader:
    """Reads one text; notes lines, refuses what a config has no use for."""

    def __init__(self, place: str) -> None:
        self._place, self._values = place, 0
        self._yaml = YAML(typ="safe", pure=True)
        self.lines: dict[Keys, int] = {}

    def read(self, text: str) -> Any:
        try:
            node = self._yaml.compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._syntax(error.problem or error.context, mark and mark.line) from error
        except ReaderError as error:
            raise self._syntax(error.reason, text.count("\n", 0, error.position)) from error
        except YAMLError as error:
            raise self._syntax(error, None) from error
        except RecursionError as error:
            raise self._wrong(f"must be at most {MAX_DEPTH} levels deep", "flatten it") from error
        return None if node is None else self._value(node, ())

    def _value(self, node: Node, keys: Keys) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._wrong(f"expands to more than {MAX_VALUES} values", "remove aliases", node)
        if len(keys) > MAX_DEPTH:
            raise self._wrong(f"must be at most {MAX_DEPTH} levels deep", "flatten it", node)
        if isinstance(node, MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, keys)
        if isinstance(node, SequenceNode) and node.tag == TAG + "seq":
            return [self._entry(inner, (*keys, n), inner) for n, inner in enumerate(node.value)]
        if isinstance(node, ScalarNode) and node.tag in TEXTS | SCALARS:
            return self._scalar(node)
        raise self._wrong(f"tags aren't allowed, got {node.tag}", "write a plain value", node)

    def _mapping(self, node: MappingNode, keys: Keys) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, inner in node.value:
            if key.tag == TAG + "merge":
                raise self._wrong("merge keys aren't allowed, got '<<'", "write the keys out", key)
            if not isinstance(key, ScalarNode) or key.tag not in TEXTS:
                raise self._wrong(f"keys must be text, got {_shown(key)}", "quote it", key)
            name = self._text(key)
            if name in first:
                rule = f"key {name!r} is given twice, first in line {first[name]}"
                raise self._wrong(rule, "remove one of them", key)
            first[name] = key.start_mark.line + 1
            result[name] = self._entry(inner, (*keys, name), key)
        return result

    def _entry(self, node: Node, keys: Keys, marked: Node) -> Any:
        self.lines.setdefault(keys, marked.start_mark.line + 1)
        return self._value(node, keys)

    def _scalar(self, node: ScalarNode) -> Any:
        if node.tag in TEXTS:
            return self._text(node)
        construct: Callable[[ScalarNode], Any] = self._yaml.constructor.construct_object
        try:
            value = construct(node)
        except (ValueError, KeyError) as error:
            kind = str(node.tag).removeprefix(TAG)
            raise self._wrong(f"not a YAML {kind}, got {_shown(node)}", "mend it", node) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise self._wrong(f"numbers must be finite, got {_shown(node)}", "choose another", node)
        return value

    def _text(self, node: ScalarNode) -> str:
        text = str(node.value)
        # Escapes can smuggle in what no file name and no JSON may hold.
        if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
            raise self._wrong(f"not text, got {_shown(node)}", "remove the escape", node)
        return text

    def _syntax(self, problem: object, line: int | None) -> ConfigError:
        where = self._place if line is None else f"{self._place}:{line + 1}"
        said = (str(problem).splitlines() or ["unreadable"])[0]
        return ConfigError(where, f"not valid YAML ({said})", "mend this line, or quote the value")

    def _wrong(self, rule: str, mend: str, node: Node | None = None) -> ConfigError:
        where = self._place if node is None else f"{self._place}:{node.start_mark.line + 1}"
        return ConfigError(where, rule, mend)


def _quoted(value: Any) -> Any:
    """Quote all but simple words: ruamel's own choice loses e.g. ``:0`` and line separators."""
    if isinstance(value, dict):
        return {_quoted(key): _quoted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_quoted(inner) for inner in value]
    if isinstance(value, str) and not SIMPLE.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(str(path), "no such file", "check the path") from error
    except OSError as error:
        raise ConfigError(str(path), f"can't be read ({error.strerror})", "check it") from error
    if len(raw) > MAX_BYTES:
        size = path.stat().st_size
        raise ConfigError(
            str(path), f"must have at most {MAX_BYTES} bytes, got {size}", "is it a config?"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}", f"must be UTF-8, got byte {raw[error.start]:#x}", "save it as UTF-8"
        ) from error


def _shown(node: Node) -> str:
    return repr(node.value)[:80] if isinstance(node, ScalarNode) else "a list or mapping"


def _dotted(keys: Keys) -> str:
    return ".".join(" ".join(str(key).split()) for key in keys)
