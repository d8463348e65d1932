"""What is chosen on validation-selection before a study's cells are run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from dvr_ray.config.study import Choice, Study
from dvr_ray.studies.cells import Cell

__all__ = ["Chosen", "grid_of", "groups_of"]


@dataclass(frozen=True)
class Chosen:
    """What a choice found.

    Parameters
    ----------
    choice : Choice
        The choice.
    own : mapping of str to str
        The combination of entries that it was made for.
    values : dict
        Fields and their values.
    """

    choice: Choice
    own: Mapping[str, str]
    values: dict[str, Any]

    def fits(self, cell: Cell) -> bool:
        """Whether the values are used in a cell."""
        entries = dict(cell.entries)
        used = all(entries[axis] in names for axis, names in self.choice.only.items())
        return used and all(entries[axis] == entry for axis, entry in self.own.items())

    def __str__(self) -> str:
        where = ", ".join(self.own.values()) or "all"
        return f"{', '.join(f'{k} {v}' for k, v in self.values.items())} for {where}"


def grid_of(choice: Choice) -> list[dict[str, Any]]:
    """Return every combination of a choice's values."""
    names = list(choice.grid)
    return [dict(zip(names, values, strict=True)) for values in product(*choice.grid.values())]


def groups_of(study: Study, choice: Choice) -> Iterator[tuple[dict[str, str], Cell]]:
    """Yield the combinations that a choice is made for, and the cell that each is made on."""
    allowed = {
        axis: [entry for entry in entries if entry in choice.only.get(axis, (entry,))]
        for axis, entries in study.axes.items()
    }
    for found in product(*(allowed[axis] for axis in choice.by)):
        own = dict(zip(choice.by, found, strict=True))
        placed = {axis: entries[0] for axis, entries in allowed.items()} | choice.on | own
        yield own, Cell(tuple((axis, placed[axis]) for axis in study.axes), study.seeds[0])
