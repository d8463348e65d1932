"""Events as a program reads them: every line is checked against the package's JSON schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = Path(__file__).resolve().parents[1] / "dvr_ray" / "cli" / "events.schema.json"


def read_events(text: str) -> list[dict[str, Any]]:
    """Read and check JSON lines."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        validator.validate(event)
    return found
