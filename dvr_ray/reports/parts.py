"""What a page is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Card", "Content", "Panel", "Section", "Table"]


@dataclass(frozen=True)
class Card:
    """A headline number with what it is and what to know about it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """A figure; ``width`` is the least it needs in pixels, beyond that it scrolls sideways."""

    figure: Any
    title: str = ""
    note: str = ""
    width: int = 0


@dataclass(frozen=True)
class Table:
    """Cells as text.

    Parameters
    ----------
    columns, rows
        Heads and cells.
    left : int
        So many first columns are text, the others are numbers.
    find : str
        Names a box that finds rows by their text columns; no box where empty.
    ends : int
        With such a box, only so many rows at either end are shown while it is empty.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    find: str = ""
    ends: int = 0

    def folded(self, place: int) -> bool:
        """Whether a row is hidden while nothing is looked for."""
        return bool(self.find) and self.ends <= place < len(self.rows) - self.ends

    @property
    def folds(self) -> int:
        """How many rows are hidden while nothing is looked for."""
        return sum(self.folded(place) for place in range(len(self.rows)))


@dataclass(frozen=True)
class Section:
    """A part of the page: title, how to read it, figures and a table.

    ``small`` puts the figures side by side.
    """

    title: str
    reading: str
    panels: tuple[Panel, ...] = ()
    table: Table | None = None
    small: bool = False


@dataclass(frozen=True)
class Content:
    """A whole page."""

    title: str
    subtitle: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...]
    config: str
    elsewhere: str = ""
    """Where other numbers are, at the end of the line that names the file of the page's own."""
