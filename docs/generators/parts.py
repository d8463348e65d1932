"""Tables of the registered parts: sources, backbones, samplers, methods, metrics, features."""

from __future__ import annotations

import sys
from typing import Any

from dvr_ray.backbones import BACKBONES
from dvr_ray.data.features import FEATURES
from dvr_ray.data.sources import SOURCES
from dvr_ray.metrics import METRICS, GroupMetric
from dvr_ray.negatives import NEGATIVES
from dvr_ray.registry import Registry
from dvr_ray.reranking import RERANKING
from dvr_ray.weightings import WEIGHTINGS
from generators.fields import model_tables, table

__all__ = [
    "COMPONENTS",
    "component_tables",
    "feature_table",
    "metric_definitions",
    "metric_table",
    "source_table",
]

COMPONENTS: dict[str, Registry[Any]] = {
    "backbone": BACKBONES,
    "negatives": NEGATIVES,
    "method": WEIGHTINGS,
    "rerank": RERANKING,
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
    """Return the registered metrics with their direction, kind, needs and source."""
    rows = []
    for name in METRICS.names():
        cls = METRICS.get(name)
        better = "higher" if cls.higher_is_better else "lower"
        grouped = issubclass(cls, GroupMetric)
        needs = [*(need for need in cls.needs if need != "catalogue")]
        needs += ["the attribute"] if grouped else []
        shown = f"`{name}:gender@K`, `{name}:age@K`" if grouped else f"`{name}@K`"
        rows.append([shown, better, cls.kind, _first(cls), ", ".join(needs) or "-", cls.source])
    return table(["name", "better", "kind", "what it is", "needs", "source"], rows)


def metric_definitions() -> str:
    """Return what the metrics' modules say: definition, choices, when not to be trusted."""
    modules = dict.fromkeys(METRICS.get(name).__module__ for name in METRICS.names())
    parts = []
    for module in modules:
        names = [name for name in METRICS.names() if METRICS.get(name).__module__ == module]
        text = (sys.modules[module].__doc__ or "").strip().replace("``", "`")
        parts.append(f"### {', '.join(f'`{name}`' for name in names)}\n\n{text}")
    return "\n\n".join(parts)


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
