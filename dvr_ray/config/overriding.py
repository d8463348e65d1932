"""``--set path=value``: what it says, and a document with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dvr_ray.config.document import Document, parse_value
from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import ConfigError

__all__ = ["SECTIONS", "parsed", "with_override"]

SECTIONS = tuple(SearchSpace.model_fields)


def parsed(override: str) -> tuple[str, tuple[str, ...], Any]:
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


def with_override(document: Document, override: str) -> Document:
    """Return a search space's document with one override; what the user sets isn't searched."""
    written, keys, value = parsed(override)
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
