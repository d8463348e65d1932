"""Files that say only what differs: ``extends: base.yaml``, or a list of files.

Later files override earlier ones, and the file itself overrides all. Mappings are merged key by
key, but two kinds are taken whole: a part that is given by its ``name`` (so that no field of
another part stays behind), and a searched field. ``null`` below ``search`` removes one.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvr_ray.config.document import Document, Keys, read_document
from dvr_ray.config.paths import put
from dvr_ray.errors import ConfigError
from dvr_ray.storage import is_address

__all__ = ["EXTENDS", "located", "overridden", "read_extended"]

PATHS = (("data", "path"), ("method", "pretrained"))
"""Fields that hold a path."""

EXTENDS = "extends"


def read_extended(path: Path, more: Sequence[Path] = ()) -> Document:
    """Read a YAML file and those that it extends; every entry remembers its file and line.

    Parameters
    ----------
    path : Path
        The file. Paths in it are relative to its folder, as are the files it extends.
    more : sequence of Path
        Files that override it, each those before it.

    Returns
    -------
    Document
        Without the key ``extends``.

    Raises
    ------
    ConfigError
        As `read_document`; if ``extends`` names no files, or the file itself by a detour.
    """
    document = _read(path, ())
    for other in more:
        document = _merged(document, _read(other, ()))
    return _without_nulls(document)


def _read(path: Path, above: tuple[Path, ...]) -> Document:
    own = read_document(path)
    for keys in ((), ("run",)):
        own = located(own, keys, path.parent)
    chain = (*above, path.resolve())
    merged = Document(path, {})
    for base in _bases(own):
        if base.resolve() in chain:
            rule = f"a file can't extend itself, got {base}"
            raise ConfigError(own.place((EXTENDS,)), rule, "remove one of the files")
        merged = _merged(merged, _read(base, chain))
    content = {name: value for name, value in own.content.items() if name != EXTENDS}
    return _merged(merged, replace(own, content=content))


def overridden(document: Document, keys: Keys) -> Document:
    """Return a document in which a part of it, itself a mapping of entries, overrides the rest.

    Parameters
    ----------
    document : Document
        The document.
    keys : tuple
        Where in it the part lies.

    Returns
    -------
    Document
        With entries of the part in place of its own.
    """
    part: Any = document.content
    for key in keys:
        part = part[key]
    depth = len(keys)
    own = {known[depth:]: known for known in document.lines if known[:depth] == keys != known}
    lines = {short: document.lines[known] for short, known in own.items()}
    files = {short: document.files.get(known, document.path) for short, known in own.items()}
    return _merged(document, Document(document.path, part, lines, files=files))


def located(document: Document, above: tuple[str, ...], folder: Path) -> Document:
    """Make the run's paths absolute, where they are there and aren't yet.

    Parameters
    ----------
    document : Document
        Of a run or a space.
    above : tuple of str
        Keys above ``data``.
    folder : Path
        What the paths are relative to.

    Returns
    -------
    Document
        A copy, or the document itself.
    """
    for section, name in PATHS:
        node: Any = document.content
        for key in (*above, section):
            node = node.get(key) if isinstance(node, dict) else None
        if not isinstance(node, dict) or not isinstance(node.get(name), str):
            continue
        if not is_address(node[name]):
            content = copy.deepcopy(document.content)
            path = os.path.normpath(folder.absolute() / node[name])
            put(content, (*above, section, name), path, "")
            document = replace(document, content=content)
    return document


def _bases(document: Document) -> list[Path]:
    named = document.content.get(EXTENDS, [])
    several = [named] if isinstance(named, str) else named
    if not isinstance(several, list) or not all(isinstance(n, str) and n for n in several):
        place = document.place((EXTENDS,))
        raise ConfigError(place, f"must name files, got {several!r}", "e.g. extends: base.yaml")
    return [document.path.parent / name for name in several]


def _merged(base: Document, own: Document) -> Document:
    """Return the base with the other's entries in place of its own."""
    files = {keys: base.files.get(keys, base.path) for keys in base.lines}
    lines = dict(base.lines)
    content = copy.deepcopy(base.content)
    for keys, value in _replaced(content, own.content, ()):
        for known in [each for each in lines if each[: len(keys)] == keys]:
            del lines[known], files[known]
        _set(content, keys, value)
    for keys, line in own.lines.items():
        if keys[0] != EXTENDS:
            lines[keys], files[keys] = line, own.files.get(keys, own.path)
    return Document(own.path, content, lines, files=files)


def _replaced(base: Any, own: dict[str, Any], keys: Keys) -> list[tuple[Keys, Any]]:
    """Return the paths that the other sets, each with its value."""
    found: list[tuple[Keys, Any]] = []
    for name, value in own.items():
        path = (*keys, name)
        before = base.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and not _whole(path, value):
            found += _replaced(before, value, path)
        else:
            found.append((path, value))
    return found


def _whole(keys: Keys, value: dict[str, Any]) -> bool:
    return "name" in value or (keys[0] == "search" and len(keys) > 1)


def _set(content: dict[str, Any], keys: Keys, value: Any) -> None:
    node: Any = content
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = copy.deepcopy(value)


def _without_nulls(document: Document) -> Document:
    """Drop the searched fields that are null; files above may take them out, so this comes last."""
    search = document.content.get("search")
    if not isinstance(search, dict):
        return document
    kept = {name: value for name, value in search.items() if value is not None}
    return replace(document, content={**document.content, "search": kept})
