"""Tables of config fields, from the pydantic models."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dvr_ray.config.paths import model_in
from dvr_ray.config.schema import Component

__all__ = ["FieldRow", "field_rows", "model_tables", "table"]

PLAIN = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    type(None): "null",
    Any: "any value",
}
BOUNDS = {"ge": ">= ", "gt": "> ", "le": "<= ", "lt": "< "}
LENGTHS = {"min_length": ">= {} long", "max_length": "<= {} long"}


@dataclass(frozen=True)
class FieldRow:
    """One line of a table, its cells as Markdown."""

    path: str
    type: str
    bounds: str
    default: str
    meaning: str


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; pipes in cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def field_rows(model: type[BaseModel], prefix: str = "") -> Iterator[FieldRow]:
    """Yield the fields of one model, inner models left out."""
    for name, info in model.model_fields.items():
        if _section(info):
            continue
        if info.annotation is Component:
            yield FieldRow(
                path=f"`{prefix}{name}.name`",
                type="a name; its own fields stand beside it",
                bounds="-",
                default=_value(info.default.name),
                meaning=info.description or "",
            )
            continue
        yield FieldRow(
            path=f"`{prefix}{info.alias or name}`",
            type=_type(info.annotation),
            bounds=", ".join(_bounds(info)) or "-",
            default="required"
            if info.is_required()
            else _value(info.get_default(call_default_factory=True)),
            meaning=info.description or "",
        )


def model_tables(model: type[BaseModel], prefix: str = "", level: int = 2) -> str:
    """Return a table for a model and for every model within, each below its heading."""
    parts = []
    rows = [
        [row.path, row.type, row.bounds, row.default, row.meaning]
        for row in field_rows(model, prefix)
    ]
    if rows:
        parts.append(table(["key", "type", "bounds", "default", "meaning"], rows))
    for name, info in model.model_fields.items():
        inner = _section(info)
        if inner is not None:
            heading = f"{'#' * level} {prefix}{name}\n\n{_summary(inner)}"
            parts += [heading, model_tables(inner, f"{prefix}{name}.", level + 1)]
    return "\n\n".join(parts)


def _section(info: FieldInfo) -> type[BaseModel] | None:
    """Model of a field that is a section of its own; a mapping or a component is none."""
    inner = model_in(info.annotation)
    mapping = get_origin(info.annotation) is dict
    return None if mapping or inner is None or inner is Component else inner


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _type(annotation: Any) -> str:
    """Say a type in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN:
        return PLAIN[annotation]
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(each) for each in inner)
    if origin is tuple:
        return _list_type(inner)
    if origin is dict:
        return f"mapping of {_type(inner[0])} to {_type(inner[1])}"
    return "a [distribution](#distributions)" if annotation.__name__ == "Distribution" else "?"


def _list_type(inner: tuple[Any, ...]) -> str:
    if inner[-1] is Ellipsis:
        return f"list of {_type(inner[0])}"
    return f"list of {len(inner)}: " + ", ".join(_type(each) for each in inner)


def _bounds(info: FieldInfo) -> Iterator[str]:
    for rule in [*info.metadata, *_inner_rules(info.annotation)]:
        for name, sign in BOUNDS.items():
            if hasattr(rule, name):
                yield f"{sign}{getattr(rule, name):g}"
        for name, words in LENGTHS.items():
            if hasattr(rule, name) and isinstance(rule, annotated_types.BaseMetadata):
                yield words.format(getattr(rule, name))
        if getattr(rule, "pattern", None):
            yield f"`{rule.pattern}`"


def _inner_rules(annotation: Any) -> Iterator[Any]:
    """Rules that are written within a union."""
    for inner in get_args(annotation):
        if isinstance(inner, FieldInfo):
            yield from inner.metadata
        elif get_origin(inner) is Annotated:
            yield from _inner_rules(inner)


def _value(value: Any) -> str:
    """Return a default as YAML's flow style shows it."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{k}: {v}" for k, v in value.items()) + "}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(str(each) for each in value) + "]`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
