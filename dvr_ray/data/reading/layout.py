"""How a delimited text is written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dvr_ray.data.ids import shown
from dvr_ray.data.reading.files import lines
from dvr_ray.errors import DataError

__all__ = ["Layout", "fields", "header"]


@dataclass(frozen=True)
class Layout:
    """How a file is written, and where what is wanted stands.

    Parameters
    ----------
    names : sequence of str
        All columns of the file.
    user, item, rating, time : str or None
        Which of them to read.
    separator : str
        One character, or one character twice.
    header : int
        Number of the line that holds the names, from 1; 0 without one.
    quoted : bool
        Whether double quotes may enclose a field.
    integers : bool
        Whether ids must be integers from 0 to 2^31 - 1.
    """

    names: Sequence[str]
    user: str
    item: str
    rating: str | None = None
    time: str | None = None
    separator: str = ","
    header: int = 1
    quoted: bool = False
    integers: bool = False
    wanted: list[str] = field(init=False)

    def __post_init__(self) -> None:
        chosen = [self.user, self.item, self.rating, self.time]
        object.__setattr__(self, "wanted", [name for name in chosen if name is not None])


def header(path: Path, separator: str, quoted: bool = False) -> tuple[int, list[str]]:
    """Return number and fields of the first line that isn't blank.

    Parameters
    ----------
    path : Path
        The file.
    separator : str
        Of fields.
    quoted : bool
        Whether double quotes may enclose a field.

    Raises
    ------
    DataError
        If a name stands twice, or the file holds nothing.
    """
    first = next(lines(path), None)
    if first is None:
        raise DataError(str(path), "the file holds no line", "get it again")
    names = fields(first[1], separator, quoted)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}:{first[0]}", f"columns must have names of their own, got "
                        f"{shown(twice[0])} twice", "rename one")  # fmt: skip
    return first[0], names


def fields(line: str, separator: str, quoted: bool = False) -> list[str]:
    """Part a line.

    Parameters
    ----------
    line : str
        Without its end.
    separator : str
        Of fields.
    quoted : bool
        Whether double quotes may enclose a field.

    Returns
    -------
    list of str
        Without the quotes that enclose them.
    """
    if not quoted:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [])
