"""Fields of a run by dotted path: ``valuator.depth``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from dvr_ray.config.schema import Component, RunConfig
from dvr_ray.errors import ConfigError, nearest

__all__ = ["MISSING", "changed", "check_path", "find", "get", "known_fields", "model_in", "put"]

MISSING: Any = object()


def get(run: RunConfig, path: str) -> Any:
    """Return a field as a plain value; tuples come as lists.

    Raises
    ------
    ConfigError
        If there is no such field.
    """
    value = find(run, path)
    if value is MISSING:
        raise ConfigError(path, "unknown field", suggestion(path))
    return value


def find(run: RunConfig, path: str) -> Any:
    """Return a field as `get` does, or ``MISSING``."""
    node: Any = run.model_dump(mode="json")
    for key in path.split("."):
        if not isinstance(node, dict) or key not in node:
            return MISSING
        node = node[key]
    return node


def put(content: dict[str, Any], keys: Sequence[str], value: Any, place: str) -> None:
    """Set an entry of nested dicts in place; what is missing on the way is made.

    Raises
    ------
    ConfigError
        If something on the way is no mapping.
    """
    node = content
    for depth, key in enumerate(keys[:-1]):
        if node.get(key) is None:
            node[key] = {}
        if not isinstance(node[key], dict):
            above = ".".join(keys[: depth + 1])
            raise ConfigError(
                place, f"{above} is no mapping, it is {node[key]!r}", f"set {above} as a whole"
            )
        node = node[key]
    node[keys[-1]] = value


def changed(run: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Return a run with some fields set, checked anew.

    Raises
    ------
    ValidationError
        Of pydantic, if the new run breaks a rule.
    """
    content = run.model_dump(mode="json")
    for path, value in values.items():
        put(content, path.split("."), value, path)
    # Strict models take a list for a tuple only from JSON; a string is never a number there.
    return RunConfig.model_validate_json(json.dumps(content))


def check_path(path: str, place: str) -> None:
    """Check that a path names a field; a component's own fields are known only to itself.

    Raises
    ------
    ConfigError
        With the nearest right path.
    """
    family, _, own = path.partition(".")
    if path in known_fields(RunConfig) or (family in _components() and own and "." not in own):
        return
    raise ConfigError(place, f"unknown field {path!r}", suggestion(path))


def suggestion(path: str) -> str:
    """Say which paths of a run lie nearest to a wrong one, by their last name or as a whole."""
    known = known_fields(RunConfig)
    same = [name for name in known if name.rpartition(".")[2] == path.rpartition(".")[2]]
    close = same[:4] or difflib.get_close_matches(path, known, n=1)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return nearest(path, RunConfig.model_fields)


def known_fields(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return dotted paths of all fields of a model, inner models included."""
    found: list[str] = []
    for name, info in model.model_fields.items():
        inner = model_in(info.annotation)
        if inner is None:
            found.append(f"{prefix}{name}")
        else:
            found += known_fields(inner, f"{prefix}{name}.")
    return found


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is, or allows beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for inner in get_args(annotation) if (m := model_in(inner))), None)


def _components() -> set[str]:
    return {n for n, info in RunConfig.model_fields.items() if info.annotation is Component}
