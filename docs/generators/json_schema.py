"""The JSON schema that editors check a YAML against: ``dvr_ray/config/schema.json``.

    python docs/generators/json_schema.py

writes it anew. It holds what pydantic knows of the models and what the registries know of
components. Rules that join several fields are checked by ``dvr-ray`` alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from dvr_ray.config.paths import known_fields
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import SearchSpace
from dvr_ray.config.study import Study
from dvr_ray.data.features import DYNAMIC, FEATURES
from dvr_ray.data.sources import SOURCES
from generators.parts import COMPONENTS

__all__ = ["PATH", "schema", "text"]

PATH = Path(__file__).parents[2] / "dvr_ray" / "config" / "schema.json"
OUTSIDE = {
    "type": "string",
    "pattern": "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$",
    "description": "A class outside the package: package.module:Class.",
}
EXTENDED = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    "description": "Files that this one says the differences to; relative to its folder.",
}
ONCE = ("data.", "split.")


def schema() -> dict[str, Any]:
    """Return the schema of a run config, a search space or a study, whichever a file is."""
    definitions: dict[str, Any] = {}
    for model in (SearchSpace, Study):
        found = model.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
        definitions |= found.pop("$defs") | {model.__name__: found}
    run = definitions["RunConfig"]["properties"]
    for section in COMPONENTS:
        definitions[section] = _component(section)
        run[section] = _described(run[section], {"$ref": f"#/definitions/{section}"})
    definitions.pop("Component")
    _name_choices(definitions)
    _search(definitions)
    for kind in ("SearchSpace", "RunConfig", "Study"):
        definitions[kind]["properties"]["extends"] = EXTENDED
    sections = [{"required": [name]} for name in SearchSpace.model_fields]
    complete = {"anyOf": [{"required": ["run"]}, {"required": ["extends"]}]}
    # What says that a file is a study; one that extends another needs no axes of its own.
    studied = [name for name in Study.model_fields if name not in SearchSpace.model_fields]
    needed = definitions["Study"].pop("required")
    scales_alone = {"properties": {"scales": {}}, "additionalProperties": False}
    ended = {"anyOf": [{"required": needed}, {"required": ["extends"]}, scales_alone]}
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "dvr_ray: a run config, a search space or a study",
        "type": "object",
        "if": {"anyOf": [{"required": [name]} for name in studied]},
        "then": {"allOf": [{"$ref": "#/definitions/Study"}, ended]},
        "else": {
            "if": {"anyOf": sections},
            "then": {"allOf": [{"$ref": "#/definitions/SearchSpace"}, complete]},
            "else": {"$ref": "#/definitions/RunConfig"},
        },
        "definitions": definitions,
    }
    drafted: dict[str, Any] = _drafted(whole)
    return drafted


def text() -> str:
    """Return the schema as it is stored."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def _component(section: str) -> dict[str, Any]:
    """Return a choice: a registered name with its own fields, or a class outside the package."""
    registry = COMPONENTS[section]
    branches = []
    for name in registry.names():
        own = registry.get(name).Params.model_json_schema(by_alias=True)
        own.setdefault("properties", {})["name"] = {"const": name}
        branches.append(own | {"title": f"{section}: {name}", "required": ["name"]})
    outside = {"type": "object", "properties": {"name": OUTSIDE}, "required": ["name"]}
    return {"anyOf": [*branches, outside]}


def _name_choices(definitions: dict[str, Any]) -> None:
    """Let names of sources and features be completed."""
    source = definitions["DataConfig"]["properties"]
    source["source"] = _described(source["source"], _named(SOURCES.names()))
    features = definitions["EncoderConfig"]["properties"]["features"]
    features["items"] = _named([*FEATURES.names(), *DYNAMIC])


def _named(names: list[str]) -> dict[str, Any]:
    return {"anyOf": [{"enum": names}, OUTSIDE]}


def _search(definitions: dict[str, Any]) -> None:
    """Name the fields that can be searched, and say that a distribution is of one kind."""
    # Null takes a field out that an extended file searches.
    distribution = {"anyOf": [{"$ref": "#/definitions/Distribution"}, {"type": "null"}]}
    fields = [f for f in known_fields(RunConfig) if f not in COMPONENTS and not f.startswith(ONCE)]
    for section, registry in COMPONENTS.items():
        own = {f for name in registry.names() for f in registry.get(name).Params.model_fields}
        fields += [f"{section}.{field}" for field in ["name", *sorted(own)]]
    search = definitions["SearchSpace"]["properties"]["search"]
    search["properties"] = {field: distribution for field in fields}
    search["additionalProperties"] = False
    search["patternProperties"] = {f"^({'|'.join(COMPONENTS)})\\.[^.]+$": distribution}
    definitions["Distribution"]["oneOf"] = [
        {"required": [kind]} for kind in ("int", "float", "choice")
    ]


def _described(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return new | {key: old[key] for key in ("default", "description") if key in old}


def _drafted(node: Any) -> Any:
    """Write lists of fixed length as draft 7 does, which is what editors know best."""
    if isinstance(node, list):
        return [_drafted(each) for each in node]
    if not isinstance(node, dict):
        return node
    done = {key: _drafted(each) for key, each in node.items()}
    if "prefixItems" in done:
        done["items"] = done.pop("prefixItems")[0]
    if "$ref" in done and len(done) > 1:
        # Draft 7 ignores what stands beside a reference.
        done["allOf"] = [{"$ref": done.pop("$ref")}]
    return done


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
