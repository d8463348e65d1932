"""The JSON schema for editors: current, accepts what dvr_ray accepts, refuses common slips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from docs_pages import DOCS, blocks
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import SearchSpace
from generators.json_schema import PATH, text

SEARCH_SPACES = Path(__file__).resolve().parents[2] / "search_spaces"
SPACES = sorted(SEARCH_SPACES.rglob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    found = json.loads(PATH.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(found)
    return jsonschema.Draft7Validator(found)


def test_stored_schema_is_current() -> None:
    mend = "run: python docs/generators/json_schema.py"
    assert PATH.read_text(encoding="utf-8") == text(), mend


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_search_spaces_are_accepted(path: Path, validator: jsonschema.Draft7Validator) -> None:
    content = YAML(typ="safe").load(path)
    validator.validate(content)
    if "extends" not in content and "run" in content:
        validator.validate(content["run"])


def test_dumped_configs_are_accepted(validator: jsonschema.Draft7Validator) -> None:
    validator.validate(RunConfig().model_dump(mode="json", by_alias=True))
    validator.validate(SearchSpace().model_dump(mode="json", by_alias=True))


def test_yaml_on_pages_is_accepted(validator: jsonschema.Draft7Validator) -> None:
    checked = 0
    for page in (*(DOCS / "howto").glob("*.md"), *(DOCS / "concepts").glob("*.md")):
        for block in blocks(page):
            if block.language == "yaml":
                content = YAML(typ="safe").load(block.text)
                if set(content) == {"resources"}:
                    content["run"] = {}
                validator.validate(content)
                checked += 1
    assert checked >= 5


SLIPS: list[dict[str, Any]] = [
    {"training": {"epocs": 4}},
    {"training": {"epochs": 0}},
    {"training": {"epochs": "four"}},
    {"backbone": {"name": "bprmf", "dmi": 4}},
    {"backbone": {"name": "bprfm"}},
    {"method": {"dim": 3}},
    {"data": {"source": "syntetic"}},
    {"policy": {"bounds": [0.1]}},
    {"encoder": {"features": ["agrement"]}},
    {"run": {}, "search": {"valuator.depht": {"int": [1, 4]}}},
    {"run": {}, "search": {"valuator.depth": {"int": [1, 4], "choice": [1]}}},
    {"run": {}, "search": {"valuator.depth": {}}},
    {"run": {}, "tune": {"trails": 2}},
    {"search": {}},
]


@pytest.mark.parametrize("content", SLIPS, ids=json.dumps)
def test_slips_are_refused(content: dict[str, Any], validator: jsonschema.Draft7Validator) -> None:
    assert not validator.is_valid(content)


def test_parts_from_outside_are_accepted(validator: jsonschema.Draft7Validator) -> None:
    validator.validate({"method": {"name": "mine.scores:FixedScore", "score": "x"}})
    validator.validate({"run": {}, "search": {"method.own_field": {"float": [1, 2]}}})


@given(st.integers(-3, 12), st.floats(-1, 2), st.sampled_from(["sigmoid", "centred", "other"]))
def test_schema_and_model_agree(depth: int, keep: float, normalisation: str) -> None:
    """Single fields: what pydantic refuses the schema refuses, and the other way round."""
    content = {
        "valuator": {"depth": depth},
        "policy": {"keep_rate": keep, "normalisation": normalisation},
    }
    try:
        RunConfig.model_validate_json(json.dumps(content))
        legal = True
    except ValueError:
        legal = False
    found = json.loads(PATH.read_text(encoding="utf-8"))
    assert jsonschema.Draft7Validator(found).is_valid(content) == legal
