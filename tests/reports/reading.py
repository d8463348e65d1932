"""What a browser would make of a page: its parts as text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from dvr_ray.reports.page import write_report

VOID = ("meta", "link", "input")


class Page(HTMLParser):
    """A page taken apart.

    ``tables`` are rows of cells by the heading they stand under, the row of heads first; ``cards``
    are label, value and note; ``facts`` are names and values.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.headings: list[str] = []
        self.figures: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self.text = ""
        self.tables: dict[str, list[list[str]]] = {}
        self.notes: dict[str, str] = {}
        self.cards: list[list[str]] = []
        self.facts: list[list[str]] = []
        self._open: list[str] = []
        self._cell: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append((found, ""))
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])
        self.links += [str(found[key]) for key in ("src", "href") if key in found]
        if "data-figure" in found:
            self.figures.append(str(found["data-figure"]))
        self._begin(tag, str(found.get("class")))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        top = self._open[-1] if self._open else ""
        if top == "script":
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)
        elif top == "h2":
            self.headings.append(data)
        elif top != "style" and self._open:
            self.text += f"{data} "
            inside = {"td", "th", "dt", "dd"} & set(self._open) or top == "div"
            if inside and self._cell and data.strip():
                self._cell[0][-1] += data
            if top == "span" and "h3" in self._open:
                self.notes[self._title] = data
            elif top == "h3":
                self._title = data.strip()

    def json(self) -> dict[str, Any]:
        """Return the figures by their ids."""
        return {
            str(attrs["id"]): json.loads(text)
            for attrs, text in self.scripts
            if attrs.get("type") == "application/json"
        }

    def _begin(self, tag: str, kind: str) -> None:
        """Open a row, a card or a fact, or the next cell of one."""
        if tag == "tr":
            self.tables.setdefault(self.headings[-1], []).append([])
            self._cell = [self.tables[self.headings[-1]][-1]]
        elif kind == "card":
            self.cards.append([])
            self._cell = [self.cards[-1]]
        elif tag == "dt":
            self.facts.append([])
            self._cell = [self.facts[-1]]
        elif tag in ("section", "noscript"):
            self._cell = []
        if tag in ("td", "th", "dt", "dd") or kind in ("label", "value", "note"):
            for cells in self._cell:
                cells.append("")


def read(folder: Path) -> Page:
    """Write a folder's page and take it apart."""
    return Page(write_report(folder).read_text(encoding="utf-8"))
