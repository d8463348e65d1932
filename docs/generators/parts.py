"""Tables of the registered parts: sources, backbones, samplers, methods, metrics, features."""

from __future__ import annotations

from typing import Any

from dvr_ray.backbones import BACKBONES
from dvr_ray.data.features import FEATURES
from dvr_ray.data.sources import SOURCES
from dvr_ray.metrics import METRICS
from dvr_ray.negatives import NEGATIVES
from dvr_ray.registry import Registry
from dvr_ray.weightings import WEIGHTINGS
from generators.fields import model_tables, table

__all__ = ["COMPONENTS", "component_tables", "feature_table", "metric_table", "source_table"]

COMPONENTS: dict[str, Registry[Any]] = {
    "backbone": BACKBONES,
    "negatives": NEGATIVES,
    "method": WEIGHTINGS,
}


def component_tables(section: str) -> str:
    """Return the own fields of every registered component of a section of the run."""
    registry, parts = COMPONENTS[section], []
    for name in registry.names():
        cls = registry.get(name)
        own = model_tables(cls.Params, f"{section}.") or "It has no fields of its own."
        parts.append(f"### {section}: {name}\n\n{_first(cls)}\n\n{own}")
    return "\n\n".join(parts)


def source_table() -> str:
    """Return the registered data sources."""
    rows = [[f"`{name}`", _first(SOURCES.get(name))] for name in SOURCES.names()]
    return table(["data.source", "what it reads"], rows)


def metric_table() -> str:
    """Return the registered metrics with their direction."""
    rows = []
    for name in METRICS.names():
        cls = METRICS.get(name)
        better = "higher" if cls.higher_is_better else "lower"
        rows.append([f"`{name}@K`", better, _first(cls), _module_summary(cls)])
    return table(["name", "better", "what it is", "definition"], rows)


def feature_table() -> str:
    """Return the feature families with their columns, in the order of values.parquet."""
    rows = []
    for name in FEATURES.names():
        cls = FEATURES.get(name)
        columns = "; ".join(f"{k}: {column}" for k, column in enumerate(cls.columns))
        when = "end of the warm-up" if cls.needs_losses else "once per data set"
        rows.append([f"`{name}`", columns, when, _first(cls)])
    return table(["family", "columns", "computed", "what it is"], rows)


def _first(cls: type[Any]) -> str:
    """Return the first paragraph of a class's docstring."""
    return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def _module_summary(cls: type[Any]) -> str:
    import sys

    text = sys.modules[cls.__module__].__doc__ or ""
    return " ".join(text.strip().split("\n\n")[0].split())
