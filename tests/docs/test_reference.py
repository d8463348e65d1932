"""The generated reference names everything that the code accepts."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
from docs_pages import DOCS
from pydantic import BaseModel, Field

from dvr_ray.config.paths import known_fields
from dvr_ray.config.schema import ResourcesConfig, RunConfig, Strict
from dvr_ray.config.space import Distribution, TuneConfig
from dvr_ray.data.features import FEATURES
from dvr_ray.data.sources import SOURCES
from dvr_ray.metrics import METRICS
from generators.api import MODULES, module_page
from generators.commands import commands, options
from generators.fields import field_rows, model_tables
from generators.pages import GENERATED, expand
from generators.parts import (
    COMPONENTS,
    feature_table,
    metric_definitions,
    metric_table,
    source_table,
)

MODELS: list[tuple[type[BaseModel], str]] = [
    (RunConfig, ""),
    (TuneConfig, "tune."),
    (ResourcesConfig, "resources."),
]


def _page(name: str) -> str:
    return expand((DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("model", "prefix"), MODELS)
def test_every_key_has_one_line(model: type[BaseModel], prefix: str) -> None:
    text = _page("config") + _page("space")
    for path in known_fields(model, prefix):
        assert text.count(f"| `{path}` |") == 1, path


def test_every_key_says_what_it_means() -> None:
    """Each cell of each table is filled."""
    tables = [model_tables(model, prefix) for model, prefix in MODELS]
    tables += [model_tables(Distribution)]
    tables += [
        model_tables(registry.get(name).Params)
        for registry in COMPONENTS.values()
        for name in registry.names()
    ]
    lines = [line for text in tables for line in text.splitlines() if line.startswith("|")]
    assert len(lines) > 50
    for line in lines:
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        assert len(cells) == 5 and all(cell.strip() for cell in cells), line
        assert " ? " not in line, line


def test_bounds_and_defaults_are_the_model_s() -> None:
    class Small(Strict):
        share: float = Field(0.5, ge=0, lt=2, description="A share.")
        sizes: tuple[int, ...] = Field((1, 2), min_length=1, description="Some sizes.")
        needed: int | None = Field(description="Must be given.")

    rows = list(field_rows(Small, "small."))
    assert [row.path for row in rows] == ["`small.share`", "`small.sizes`", "`small.needed`"]
    assert (rows[0].type, rows[0].bounds, rows[0].default) == ("number", ">= 0, < 2", "`0.5`")
    assert (rows[1].type, rows[1].default) == ("list of whole number", "`[1, 2]`")
    assert (rows[2].type, rows[2].default) == ("whole number or null", "required")


def test_every_registered_part_is_named() -> None:
    config = _page("config")
    for section, registry in COMPONENTS.items():
        for name in registry.names():
            assert f"### {section}: {name}\n" in config
            for field in registry.get(name).Params.model_fields:
                assert f"| `{section}.{field}` |" in config
    assert all(f"| `{name}` |" in source_table() for name in SOURCES.names())
    metrics = metric_table() + metric_definitions()
    for name in METRICS.names():
        assert f"`{name}@K` |" in metrics or f"| `{name}:gender@K`, `{name}:age@K` |" in metrics
        assert f"`{name}`" in metrics
        assert METRICS.get(name).source in metrics
    features = feature_table()
    for name in FEATURES.names():
        assert f"| `{name}` |" in features
        assert all(column in features for column in FEATURES.get(name).columns)


def test_every_verb_and_option_is_named() -> None:
    text = _page("commands")
    assert {"train", "tune", "audit", "report", "doctor", "data describe"} <= set(commands())
    for words, function in commands().items():
        section = text.split(f"## dvr-ray {words}\n")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert len(rows) == len(list(options(function)))
        assert all(not line.endswith("|  |") for line in rows)
    assert "`--set` PATH=VALUE" in text and "`--out`, `-o` PATH" in text


@pytest.mark.parametrize("name", MODULES)
def test_api_page_holds_every_public_name(name: str) -> None:
    module, page = importlib.import_module(name), module_page(name)
    for public in module.__all__:
        assert f"### {public}\n" in page
        thing = getattr(module, public)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            first = (inspect.getdoc(thing) or "").splitlines()[0]
            assert re.sub(r"\W", "", first) in re.sub(r"\W", "", page)


def test_every_placeholder_is_used_and_known() -> None:
    used = set()
    for page in DOCS.rglob("*.md"):
        used |= set(re.findall(r"<!-- generated: (.+?) -->", page.read_text(encoding="utf-8")))
    assert used == set(GENERATED)
    with pytest.raises(KeyError):
        expand("<!-- generated: nothing -->")
