"""From a YAML file and ``--set`` overrides to checked, frozen configs, and back."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvr_ray.config.document import Document, parse_value, read_document, write_document
from dvr_ray.config.paths import get, put
from dvr_ray.config.schema import RunConfig, Strict
from dvr_ray.config.searched import check_search
from dvr_ray.config.space import SearchSpace
from dvr_ray.config.validation import checked
from dvr_ray.errors import ConfigError

__all__ = ["apply", "config_hash", "dump", "get", "load_run", "load_space"]

SECTIONS = tuple(SearchSpace.model_fields)


def load_run(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Return a file's run config, or the ``run`` part of its search space.

    Parameters
    ----------
    path : Path
        YAML file. Its ``data.path`` is relative to the file's folder.
    overrides : sequence of str
        ``path=value``, as given to ``--set``; values are read as YAML. A ``data.path`` is relative
        to the current folder.

    Raises
    ------
    ConfigError
        Naming file, line, field, value and the nearest right name.
    """
    document = read_document(path)
    if any(section in document.content for section in SECTIONS):
        return _space(document, overrides).run
    document = _located(document, (), path.parent)
    for override in overrides:
        written, keys, value = _parsed(override)
        document = document.with_value(keys[1:] if keys[0] == "run" else keys, value, written)
    return checked(RunConfig, _located(document, (), Path.cwd()))


def load_space(path: Path, overrides: Sequence[str] = ()) -> SearchSpace:
    """Return the search space of a file.

    Parameters
    ----------
    path : Path
        YAML file with ``run``, ``search``, ``tune`` and ``resources``.
    overrides : sequence of str
        ``path=value``; the path starts with a section, or lies within ``run``. A searched field
        that is set, itself or with all of its section, is searched no longer: the user asked for
        that value. ``search.FIELD={...}`` searches a field, ``search.FIELD=null`` doesn't.

    Raises
    ------
    ConfigError
        As `load_run`; also for ranges that reach illegal values, conditions in a circle, and a
        ``run`` value outside its own range.
    """
    return _space(read_document(path), overrides)


def apply(run: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Return a run with some fields, by dotted path, set to other values and checked anew.

    Raises
    ------
    ConfigError
        Naming the field, its value and the rule.
    """
    content = run.model_dump(mode="json")
    for path, value in values.items():
        put(content, path.split("."), value, f"run: {path}")
    return checked(RunConfig, Document(Path("run"), content))


def dump(model: Strict, path: Path) -> None:
    """Write a config as YAML, at once or not at all; it loads to an equal config."""
    write_document(model.model_dump(mode="json", by_alias=True), path)


def config_hash(run: RunConfig) -> str:
    """Return twelve hex digits that are equal for equal runs."""
    canonical = json.dumps(run.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _space(document: Document, overrides: Sequence[str]) -> SearchSpace:
    if "run" not in document.content:
        if set(document.content) - set(SECTIONS):
            checked(SearchSpace, document)
        found = ", ".join(document.content) or "nothing"
        raise ConfigError(
            document.place(()), f"a search space needs a section `run`, got {found}",
            "put the run config below `run:`",
        )  # fmt: skip
    document = _located(document, ("run",), document.path.parent)
    for override in overrides:
        document = _overridden(document, override)
    document = _located(document, ("run",), Path.cwd())
    space = checked(SearchSpace, document)
    check_search(space, document)
    return space


def _parsed(override: str) -> tuple[str, tuple[str, ...], Any]:
    """Split ``path=value`` into the path as written, its keys below the file, and the value."""
    written, equals, text = override.partition("=")
    written = written.strip()
    keys = tuple(written.split("."))
    if not equals or not all(keys):
        raise ConfigError("--set", f"must be path=value, got {override!r}", "e.g. training.lr=1e-3")
    if keys[0] == "search":
        # Fields are keys with dots there.
        keys = ("search", ".".join(keys[1:])) if keys[1:] else keys
    elif keys[0] not in SECTIONS:
        keys = ("run", *keys)
    return written, keys, parse_value(text, f"--set {written}")


def _overridden(document: Document, override: str) -> Document:
    written, keys, value = _parsed(override)
    document = document.with_value(keys, value, written)
    search = document.content.get("search")
    if not isinstance(search, dict):
        return document
    if keys[0] == "search" and len(keys) == 2 and value is None:
        kept = {name: each for name, each in search.items() if name != keys[1]}
    elif keys[0] == "run":
        kept = {
            n: each for n, each in search.items() if ("run", *n.split("."))[: len(keys)] != keys
        }
    else:
        return document
    return replace(document, content={**document.content, "search": kept})


def _located(document: Document, above: tuple[str, ...], folder: Path) -> Document:
    """Make the run's ``data.path`` absolute, if it is there and isn't yet."""
    node: Any = document.content
    for key in (*above, "data"):
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, dict) or not isinstance(node.get("path"), str):
        return document
    content = copy.deepcopy(document.content)
    put(content, (*above, "data", "path"), os.path.normpath(folder.absolute() / node["path"]), "")
    return replace(document, content=content)
