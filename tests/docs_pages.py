"""Reads the pages below docs/: their fenced blocks, and the tables that document keys."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
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
    "SCORE": r"(value|mean_loss|mean of features|[a-z]+\.\d+)",
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
