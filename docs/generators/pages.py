"""Fills the placeholders of the pages: lines such as ``<!-- generated: fields run -->``."""

from __future__ import annotations

import re
from collections.abc import Callable

from dvr_ray.config.schema import ResourcesConfig, RunConfig
from dvr_ray.config.space import Distribution, SearchSpace, TuneConfig
from generators.api import MODULES, module_page
from generators.commands import command_pages
from generators.fields import field_rows, model_tables, table
from generators.parts import (
    component_tables,
    feature_table,
    metric_definitions,
    metric_table,
    source_table,
)

__all__ = ["GENERATED", "expand"]


def _space() -> str:
    """Return the keys of a search space that aren't sections of their own."""
    rows = [[r.path, r.type, r.bounds, r.default, r.meaning] for r in field_rows(SearchSpace)]
    return table(["key", "type", "bounds", "default", "meaning"], rows)


GENERATED: dict[str, Callable[[], str]] = {
    "fields run": lambda: model_tables(RunConfig),
    "fields space": _space,
    "fields distribution": lambda: model_tables(Distribution),
    "fields tune": lambda: model_tables(TuneConfig, "tune."),
    "fields resources": lambda: model_tables(ResourcesConfig, "resources."),
    "components backbone": lambda: component_tables("backbone"),
    "components negatives": lambda: component_tables("negatives"),
    "components method": lambda: component_tables("method"),
    "components rerank": lambda: component_tables("rerank"),
    "sources": source_table,
    "metrics": metric_table,
    "metric definitions": metric_definitions,
    "features": feature_table,
    "commands": command_pages,
    "api": lambda: "\n\n".join(module_page(name) for name in MODULES),
}


def expand(text: str) -> str:
    """Replace every placeholder of a page.

    Raises
    ------
    KeyError
        If a placeholder has an unknown name.
    """
    return re.sub(r"^<!-- generated: (.+?) -->$", lambda m: GENERATED[m[1]](), text, flags=re.M)
