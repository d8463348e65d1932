"""Pages of the Python interface, from signatures and NumPy-style docstrings.

Docstrings are rendered as Markdown instead of reStructuredText: they are written for readers of
the code, and a bar such as ``|R|`` in one of them is no markup.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from numpydoc.docscrape import NumpyDocString

from generators.fields import table

__all__ = ["MODULES", "module_page"]

MODULES = (
    "dvr_ray.config.load",
    "dvr_ray.training.prepare",
    "dvr_ray.data.interactions",
    "dvr_ray.data.sources.source",
    "dvr_ray.data.features.feature",
    "dvr_ray.backbones.backbone",
    "dvr_ray.negatives.sampler",
    "dvr_ray.weightings.weighting",
    "dvr_ray.metrics.metric",
    "dvr_ray.metrics.lists",
    "dvr_ray.metrics.catalogue",
    "dvr_ray.metrics.scoring",
    "dvr_ray.metrics.auc",
    "dvr_ray.metrics.auc_interval",
    "dvr_ray.rewards.adapter",
    "dvr_ray.rewards.credit",
    "dvr_ray.rewards.mixture",
    "dvr_ray.reranking.reranker",
    "dvr_ray.valuation.harsanyi",
    "dvr_ray.valuation.encoder",
    "dvr_ray.valuation.policy",
    "dvr_ray.training.run",
    "dvr_ray.training.reporter",
    "dvr_ray.tuning.sweep",
    "dvr_ray.reports.page",
    "dvr_ray.estimator",
    "dvr_ray.explaining.explanation",
    "dvr_ray.auditing.setting",
    "dvr_ray.auditing.audit",
    "dvr_ray.registry",
    "dvr_ray.seeding",
    "dvr_ray.collective",
    "dvr_ray.errors",
)
"""What a program that uses or extends the package imports."""


def module_page(name: str) -> str:
    """Return a module's section: its docstring and everything in its ``__all__``."""
    module = importlib.import_module(name)
    parts = [f"## {name}", _prose(inspect.getdoc(module) or "")]
    for public in module.__all__:
        thing = getattr(module, public)
        if inspect.isclass(thing):
            parts += _class(public, thing)
        elif inspect.isfunction(thing):
            parts += [f"### {public}", *_callable(public, thing)]
        else:
            parts += [f"### {public}", f"A `{type(thing).__name__}`."]
    return "\n\n".join(part for part in parts if part)


def _class(name: str, cls: type[Any]) -> list[str]:
    parts = [f"### {name}", *_callable(name, cls)]
    for own, member in vars(cls).items():
        if own.startswith("_"):
            continue
        if isinstance(member, property) and member.__doc__:
            parts.append(f"**{name}.{own}** (property): {_prose(inspect.getdoc(member) or '')}")
        elif inspect.isfunction(getattr(cls, own)) or isinstance(member, classmethod):
            parts += [f"#### {name}.{own}", *_callable(own, getattr(cls, own))]
    return parts


def _callable(name: str, thing: Any) -> list[str]:
    parts = [f"```python\n{name}{_signature(thing)}\n```"]
    doc = NumpyDocString(inspect.getdoc(thing) or "")
    parts += [_prose("\n".join(doc["Summary"])), _prose("\n".join(doc["Extended Summary"]))]
    for section in ("Parameters", "Attributes", "Returns", "Raises"):
        if doc[section]:
            parts.append(_section(section.lower(), doc[section]))
    if doc["Examples"]:
        parts.append("```pycon\n" + "\n".join(doc["Examples"]).strip() + "\n```")
    return parts


def _section(name: str, entries: list[Any]) -> str:
    """Return a table of entries; what is returned or raised has a type and no name."""
    rows = [[_escaped(each.type), _prose("\n".join(each.desc))] for each in entries]
    if not any(each.name for each in entries):
        return table([name, "meaning"], rows)
    named = [[f"`{each.name}`", *row] for each, row in zip(entries, rows, strict=True)]
    return table([name, "type", "meaning"], named)


def _signature(thing: Any) -> str:
    """Return the arguments without types, which stand below or in the code."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    shown = signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
    return re.sub(r"<[^<>]*>", "...", str(shown))


def _prose(text: str) -> str:
    """Return the text of a docstring as Markdown: literal blocks become fences."""
    lines: list[str] = []
    fenced = False
    for line in inspect.cleandoc(text).splitlines():
        inside = line.startswith("    ") or (fenced and not line.strip())
        if inside and not fenced and (not lines or not lines[-1].strip()):
            lines.append("```text")
            fenced = True
        elif fenced and not inside:
            lines += ["```", ""]
            fenced = False
        plain = line[:-1] if line.endswith("::") else line
        lines.append(line[4:] if fenced else _escaped(plain))
    return "\n".join([*lines, "```"] if fenced else lines).strip()


def _escaped(line: str) -> str:
    """Escape what Markdown would take for markup outside of code."""
    pieces = re.split(r"(``[^`]+``|`[^`]+`)", line)
    return "".join(
        p if p.startswith("`") else re.sub(r"([<>\[\]{}$]|(?<!^)\*)", r"\\\1", p) for p in pieces
    )
