"""Tables of attributes as text: a few thousand lines, read line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dvr_ray.data.ids import shown
from dvr_ray.data.reading.files import lines
from dvr_ray.data.reading.layout import fields
from dvr_ray.errors import DataError

__all__ = ["attribute_columns", "plain", "read_table"]

# Names as `plain` makes them; the first that is there counts.
USUAL = {
    "gender": ("gender", "sex"),
    "age": ("age",),
    "age_group": ("agegroup", "ageband"),
    "name": ("name", "title", "movietitle", "itemname", "artistname", "itemtitle"),
    "category": ("category", "categories", "genre", "genres", "class", "tags"),
}


def plain(name: str) -> str:
    """Return a column's name in lower case, without "_", "-" and spaces.

    Parameters
    ----------
    name : str
        As the file writes it.
    """
    return "".join(letter for letter in name.lower() if letter not in "_- ")


def attribute_columns(names: Sequence[str]) -> dict[str, str]:
    """Find the attributes that are known here: from ``gender``, ``category`` etc. to the column.

    Parameters
    ----------
    names : sequence of str
        All columns of the table.

    Returns
    -------
    dict of str to str
        Without those that the table lacks.
    """
    known = {plain(name): name for name in reversed(names)}
    found = {
        role: next((known[name] for name in usual if name in known), None)
        for role, usual in USUAL.items()
    }
    return {role: name for role, name in found.items() if name is not None}


def read_table(
    path: Path,
    names: Sequence[str],
    wanted: Mapping[str, str],
    *,
    separator: str,
    skip: int = 0,
    quoted: bool = False,
    encoding: str = "utf-8",
) -> dict[str, list[str]]:
    """Read columns as text, by role.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        All columns.
    wanted : mapping
        From roles to names of columns.
    separator : str
        Of fields.
    skip : int
        Number of the line of the header; 0 without one.
    quoted : bool
        Whether double quotes may enclose a field.
    encoding : str
        Of the text.

    Returns
    -------
    dict of str to list of str
        By role, one text per row of the table.

    Raises
    ------
    DataError
        At the first line with more or fewer fields.
    """
    places = {role: list(names).index(name) for role, name in wanted.items()}
    columns: dict[str, list[str]] = {role: [] for role in wanted}
    for number, line in lines(path, encoding):
        if number <= skip:
            continue
        found = fields(line, separator, quoted)
        if len(found) != len(names):
            raise DataError(
                f"{path}:{number}",
                f"must hold {len(names)} fields ({', '.join(names[:8])}), got {len(found)}: "
                f"{shown(line)}",
                "mend the line",
            )
        for role, place in places.items():
            columns[role].append(found[place])
    return columns
