"""Pydantic's complaints in one line: place, rule, value, mend."""

from __future__ import annotations

from typing import Any, get_args

import pydantic
from pydantic import BaseModel

from dvr_ray.config.document import Document
from dvr_ray.config.schema import Component
from dvr_ray.errors import ConfigError, nearest

__all__ = ["explain", "known_fields"]


def explain(
    error: pydantic.ValidationError,
    model: type[BaseModel],
    document: Document,
    chosen: set[tuple[str | int, ...]],
) -> ConfigError:
    """Turn the first complaint into an error for the user.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type
        The model that was to be made.
    document : Document
        The file, for line numbers.
    chosen : set of tuple
        Paths that came from ``--set``.
    """
    complaints = error.errors()
    first = complaints[0]
    keys = tuple(key for key in first["loc"] if not _is_branch(key))
    place = document.place(keys)
    unknown = first["type"] == "extra_forbidden"
    if any(keys[: len(p)] == p or (unknown and p[: len(keys)] == keys) for p in chosen):
        place = f"--set {'.'.join(map(str, keys))}"
    more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    if unknown:
        names = _fields_at(model, keys[:-1])
        return ConfigError(place, f"unknown key {keys[-1]!r}{more}", nearest(str(keys[-1]), names))
    rule = first["msg"].removeprefix("Value error, ")
    rule = rule[:1].lower() + rule[1:]
    got = "" if first["type"] == "value_error" else f", got {first['input']!r}"
    return ConfigError(place, f"{rule}{got}{more}", "change the value")


def known_fields(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return dotted paths of all fields of a model, inner models included."""
    found = []
    for name, info in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = _model_of(info.annotation)
        if inner is None:
            found.append(path)
        elif inner is Component:
            found.append(f"{path}.name")
        else:
            found += known_fields(inner, f"{path}.")
    return found


def _fields_at(model: type[BaseModel], keys: tuple[str | int, ...]) -> list[str]:
    """Names of the fields at some level; those of a mapping's values where it is one."""
    current: type[BaseModel] | None = model
    for key in keys:
        if current is None:
            return []
        info = current.model_fields.get(str(key))
        if info is None:
            continue
        current = _model_of(info.annotation)
    return [info.alias or name for name, info in current.model_fields.items()] if current else []


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if found := _model_of(inner):
            return found
    return None


def _is_branch(key: str | int) -> bool:
    """Pydantic names the branch of a union in the location; users shouldn't see it."""
    text = str(key)
    return "[" in text or text in ("constrained-int", "literal", "bool", "str", "none")
