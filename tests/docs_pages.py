"""Reads the pages below docs/: their fenced blocks, and the tables that document keys."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
OUTPUTS = DOCS / "reference" / "outputs.md"
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.M | re.S)
NAMED = re.compile(r"^# file: (\S+)\n")

# What stands for many in a documented key.
PLACEHOLDERS = {
    "METRIC": r"[a-z]+@\d+",
    "FAMILY": r"[a-z]+",
    "FIELD": r"[a-z_.]+",
    "METHOD": r"[a-z-]+",
    "PACKAGE": r"\w+",
    "STATUS": r"(finished|stopped|failed)",
    "SCORE": r"(value|mean_loss|mean loss|mean of (six )?features|[a-z]+\.\d+)",
    "KIND": r"(uniform|push)",
    "N": r"\d+",
    "ATTRIBUTE": r"\w+",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is written to, its text."""

    language: str
    file: str | None
    text: str


def blocks(page: Path) -> Iterator[Block]:
    for indent, language, body in FENCE.findall(page.read_text(encoding="utf-8")):
        text = textwrap.dedent(body) if indent else body
        named = NAMED.match(text)
        yield Block(language, named[1] if named else None, text)


def documented(page: Path, heading: str) -> list[str]:
    """First cells of the table below a heading."""
    text = page.read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.M)


def pattern(key: str) -> re.Pattern[str]:
    """Turn a documented key into what it stands for."""
    parts = re.split(r"\b([A-Z]+)\b", key)
    return re.compile("".join(PLACEHOLDERS.get(part) or re.escape(part) for part in parts) + "$")


def flat(content: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of nested dicts."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def compare(heading: str, found: Iterable[str], missing: Iterable[str] = ()) -> None:
    """Check that keys and the table below a heading of the page on outputs agree."""
    keys, known = set(found), documented(OUTPUTS, heading)
    patterns = {key: pattern(key) for key in known}
    unknown = {key for key in keys if not any(p.match(key) for p in patterns.values())}
    assert not unknown, f"{heading}: describe these keys in {OUTPUTS.name}"
    unused = {key for key, p in patterns.items() if not any(map(p.match, keys))}
    assert unused == set(missing), f"{heading}: documented, but not written"
