"""Pydantic's complaints in one line: place, rule, value, mend."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

import pydantic
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dvr_ray.config.document import Document, Keys
from dvr_ray.config.paths import model_in
from dvr_ray.config.schema import Strict
from dvr_ray.errors import ConfigError, nearest

__all__ = ["Complaint", "checked", "complaint", "shown"]

ModelT = TypeVar("ModelT", bound=Strict)

# Rules in plain words; the names in braces are pydantic's context of the error.
RULES = {
    "greater_than_equal": "must be >= {ge}",
    "greater_than": "must be > {gt}",
    "less_than_equal": "must be <= {le}",
    "less_than": "must be < {lt}",
    "finite_number": "must be finite",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "has a character that isn't allowed there",
    "literal_error": "must be {expected}",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "missing": "must be given",
}


@dataclass(frozen=True)
class Complaint:
    """What is wrong with one entry.

    Parameters
    ----------
    keys : tuple
        Path of the entry.
    rule : str
        What must hold.
    got : str
        The value, as a clause; empty where there is none.
    mend : str
        What to do about it.
    more : int
        Number of other entries that are wrong too.
    across : bool
        Whether the rule joins several fields.
    """

    keys: Keys
    rule: str
    got: str
    mend: str
    more: int
    across: bool


def checked(model: type[ModelT], document: Document) -> ModelT:
    """Make a model of a document.

    Raises
    ------
    ConfigError
        About the first entry that breaks a rule.
    """
    try:
        # Strict models take a list for a tuple only from JSON; a string is never a number there.
        return model.model_validate_json(json.dumps(document.content))
    except pydantic.ValidationError as error:
        found = complaint(error, model, document.content)
        more = f" (and {found.more} more)" if found.more else ""
        place = document.place(found.keys)
        raise ConfigError(place, f"{found.rule}{found.got}{more}", found.mend) from error


def complaint(
    error: pydantic.ValidationError, model: type[BaseModel], content: dict[str, Any]
) -> Complaint:
    """Return pydantic's first complaint in plain words.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type
        The model that was to be made.
    content : dict
        What it was to be made of.
    """
    groups: dict[Keys, list[ErrorDetails]] = {}
    for each in error.errors():
        groups.setdefault(_real(each, content), []).append(each)
    # One branch of a union complains about the whole where another looks inside.
    whole = {keys[:end] for keys in groups for end in range(len(keys))}
    groups = {keys: errors for keys, errors in groups.items() if keys not in whole}
    keys, errors = next(iter(groups.items()))
    first, more = errors[0], len(groups) - 1
    if first["type"] == "extra_forbidden":
        wrong, fields = str(keys[-1]), _fields(_annotation(model, keys[:-1]))
        mend = nearest(wrong, fields)
        return Complaint(keys, f"unknown key {wrong!r}", _got(first), mend, more, False)
    rule = " or ".join(dict.fromkeys(_rule(each) for each in errors)).replace("or must be", "or")
    mend = _mend(model, keys, first)
    return Complaint(keys, rule, _got(first), mend, more, first["type"] == "value_error")


def shown(value: Any) -> str:
    """Return a value as YAML's flow style would show it, cut off where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _real(error: ErrorDetails, content: Any) -> Keys:
    """Path of an error without the names that pydantic gives to branches of a union."""
    keys: list[str | int] = []
    node = content
    for key in error["loc"]:
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and isinstance(key, int):
            node = node[key] if key < len(node) else None
        elif error["type"] != "missing":
            continue
        keys.append(key)
    return tuple(keys)


def _rule(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    template = RULES.get(error["type"], message[:1].lower() + message[1:])
    return template.format(**error.get("ctx", {})) if error["type"] in RULES else template


def _got(error: ErrorDetails) -> str:
    value = error["input"]
    if error["type"] == "missing":
        return ""
    if error["type"] == "value_error" and isinstance(value, dict):
        # A rule across fields names them; show those that were written.
        named = {k: v for k, v in value.items() if str(k) in error["msg"]}
        return f", got {shown(named)}" if named and ", got " not in error["msg"] else ""
    return f", got {shown(value)}"


def _mend(model: type[BaseModel], keys: Keys, error: ErrorDetails) -> str:
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        options = get_args(_annotation(model, keys))
        return nearest(error["input"], [o for o in options if isinstance(o, str)])
    inner = _annotation(model, keys)
    if error["type"] in ("model_type", "dict_type"):
        known = nearest("", _fields(inner)) if _fields(inner) else "it may be empty: {}"
        return f"write it as {{key: value}}; {known}"
    info = _field(model, keys)
    if info is None or error["type"] == "value_error":
        return "change the value"
    blank = info.is_required() or info.default is None
    default = "" if blank else f"; default {shown(_plain(info))}"
    return f"change it ({(info.description or str(keys[-1])).rstrip('.')}{default})"


def _plain(info: FieldInfo) -> Any:
    default = info.get_default(call_default_factory=True)
    return default.model_dump(mode="json") if isinstance(default, BaseModel) else default


def _annotation(annotation: Any, keys: Keys) -> Any:
    """Type of the entry at a path; None where no model says it."""
    for key in keys:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
            continue
        info = _fields(annotation).get(str(key))
        annotation = None if info is None else info.annotation
    return annotation


def _field(model: type[BaseModel], keys: Keys) -> FieldInfo | None:
    named = [key for key in keys if isinstance(key, str)]
    return _fields(_annotation(model, tuple(named[:-1]))).get(named[-1]) if named else None


def _fields(annotation: Any) -> dict[str, FieldInfo]:
    """Fields of the model in an annotation, by the names that users write."""
    if get_origin(annotation) is dict or (model := model_in(annotation)) is None:
        return {}
    return {info.alias or name: info for name, info in model.model_fields.items()}
