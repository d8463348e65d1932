"""YAML documents as plain Python values that remember their lines.

Read by ruamel.yaml in round-trip mode: line numbers, YAML 1.2 numbers (1e-4 is a number), and no
tag is ever run. Aliases are expanded up to a limit, so that a small file can't become a huge one.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt
from ruamel.yaml.scalarstring import ScalarString

from dvr_ray.errors import ConfigError

__all__ = ["Document", "parse_value", "read_document", "write_document"]

MAX_BYTES = 1 << 20
MAX_NODES = 100_000


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Parameters
    ----------
    path : Path
        The file.
    content : dict
        Plain dicts, lists and scalars.
    lines : dict of tuple to int
        Line of every key and list entry, by path.
    """

    path: Path
    content: dict[str, Any]
    lines: dict[tuple[str | int, ...], int]

    def place(self, keys: tuple[str | int, ...]) -> str:
        """``file:line: dotted.path`` of an entry, or of the nearest one above it."""
        known = keys
        while known and known not in self.lines:
            known = known[:-1]
        where = f"{self.path}:{self.lines[known]}" if known else str(self.path)
        return f"{where}: {'.'.join(map(str, keys))}" if keys else where


def read_document(path: Path) -> Document:
    """Read a YAML file that holds a mapping.

    Raises
    ------
    ConfigError
        If the file is missing, too large, not UTF-8, not YAML, empty, not a mapping, has a key
        twice or asks for a tag.
    """
    text = _text(path)
    try:
        loaded = _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(str(error.problem or error.context).split())
        raise ConfigError(f"{path}{line}", f"not valid YAML ({problem})", "mend this line") from error
    except (YAMLError, ValueError, RecursionError) as error:
        first = (str(error).splitlines() or ["unreadable"])[0]
        raise ConfigError(str(path), f"not valid YAML ({first})", "mend it") from error
    if loaded is None:
        raise ConfigError(str(path), "the file is empty", "start from a file in search_spaces/")
    if not isinstance(loaded, CommentedMap):
        raise ConfigError(
            str(path), f"must hold a mapping, got {type(loaded).__name__}", "write `key: value` lines"
        )
    lines: dict[tuple[str | int, ...], int] = {}
    content = _Plain(path, lines).convert(loaded, ())
    return Document(path, content, lines)


def parse_value(text: str, place: str) -> Any:
    """Read one value as YAML: ``1e-4``, ``[a, b]``, ``null``, ``text``."""
    try:
        return _Plain(Path(place), {}).convert(_yaml().load(text), ())
    except YAMLError as error:
        raise ConfigError(place, f"not a YAML value, got {text!r}", "quote it") from error


def write_document(content: dict[str, Any], path: Path) -> None:
    """Write plain values as YAML to a temporary name and move it into place."""
    buffer = StringIO()
    _yaml().dump(content, buffer)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(buffer.getvalue(), encoding="utf-8")
    temporary.replace(path)


def _yaml() -> YAML:
    return YAML(typ="rt", pure=True)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(str(path), "no such file", "check the path") from error
    except OSError as error:
        raise ConfigError(str(path), f"can't be read ({error.strerror})", "check it") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(
            str(path), f"must be smaller than {MAX_BYTES} bytes, got {len(raw)}", "is it a config?"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}:{line}", f"must be UTF-8, got byte {raw[error.start]:#x}", "save it as UTF-8"
        ) from error


class _Plain:
    """Converts ruamel's values to plain ones, notes lines, refuses tags and floods."""

    def __init__(self, path: Path, lines: dict[tuple[str | int, ...], int]) -> None:
        self._path, self._lines, self._nodes = path, lines, 0

    def convert(self, node: Any, keys: tuple[str | int, ...]) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(keys) > 50:
            raise ConfigError(
                str(self._path), f"expands to more than {MAX_NODES} values", "remove aliases"
            )
        if isinstance(node, TaggedScalar) or (
            isinstance(node, CommentedMap | CommentedSeq) and node.tag.value is not None
            and not str(node.tag.value).startswith("tag:yaml.org")
        ):
            line = self._lines.get(keys)
            raise ConfigError(
                f"{self._path}:{line}" if line else str(self._path),
                f"tags aren't allowed, got {node.tag.value}", "write a plain value",
            )
        if isinstance(node, CommentedMap):
            return {str(key): self._child(node, key, keys) for key in node}
        if isinstance(node, CommentedSeq):
            return [self._child(node, index, keys) for index in range(len(node))]
        return _scalar(node)

    def _child(self, node: Any, key: Any, keys: tuple[str | int, ...]) -> Any:
        inner = (*keys, key if isinstance(key, int) else str(key))
        position = node.lc.data.get(key) if node.lc.data else None
        if position is not None:
            self._lines.setdefault(inner, position[0] + 1)
        return self.convert(node[key], inner)


def _scalar(node: Any) -> Any:
    if isinstance(node, ScalarFloat):
        return float(node)
    if isinstance(node, ScalarInt) and not isinstance(node, bool):
        return int(node)
    if isinstance(node, ScalarString):
        return str(node)
    return bool(node) if type(node).__name__ == "ScalarBoolean" else node
