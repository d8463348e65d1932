"""One table as Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dvr_ray.files import placed

__all__ = ["Sheet", "markdown", "slug", "spread", "write_sheet", "write_text"]

SMALL, LARGE = 1e-3, 1e6
"""Beyond these, numbers are written with exponents."""
SPECIAL = str.maketrans(
    {c: rf"\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "±": r"$\pm$", "~": r"\~{}"}
)


@dataclass(frozen=True)
class Sheet:
    """One table.

    Parameters
    ----------
    name : str
        Of its files.
    title : str
        What it shows.
    note : str
        How it is to be read.
    columns : list of str
        Heads.
    rows : list of list of str
        Cells as text.
    numbers : DataFrame
        The same as numbers, one line for each row and quantity.
    brief : tuple of int, optional
        Numbers of the columns that a terminal shows; all by default, none where empty.
    left : int
        How many columns hold text.
    """

    name: str
    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]
    numbers: pd.DataFrame
    brief: tuple[int, ...] | None = None
    left: int = 1

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Heads and cells for a terminal; nothing where the table is for files alone."""
        places = range(len(self.columns)) if self.brief is None else self.brief
        rows = [[row[place] for place in places] for row in self.rows]
        return [self.columns[place] for place in places], rows


def spread(values: Sequence[float | None], digits: int | None = 4) -> str:
    """Return mean ± standard deviation (n - 1) of what is there.

    Parameters
    ----------
    values : sequence of float or None
        None and NaN aren't there.
    digits : int or None
        Decimals; None shows three digits that count.
    """
    known = [value for value in values if value is not None and not np.isnan(value)]
    if not known:
        return "-"
    mean = float(np.mean(known))
    form = _form(mean) if digits is None else f".{digits}f"
    return (
        f"{mean:{form}}" if len(known) == 1 else f"{mean:{form}} ± {np.std(known, ddof=1):{form}}"
    )


def _form(number: float) -> str:
    """Format that shows three digits of a number, and of what has its size."""
    size = abs(number)
    if size and not SMALL <= size < LARGE:
        return ".2e"
    return f".{max(0, 2 - math.floor(math.log10(size)))}f" if size else ".3f"


def write_sheet(sheet: Sheet, folder: Path) -> list[Path]:
    """Write ``NAME.md``, ``NAME.tex`` (for booktabs) and ``NAME.csv``."""
    return [
        write_text(folder / f"{sheet.name}.md", markdown(sheet) + "\n"),
        write_text(folder / f"{sheet.name}.tex", _latex(sheet)),
        write_text(folder / f"{sheet.name}.csv", sheet.numbers.to_csv(index=False)),
    ]


def slug(text: str) -> str:
    """Write a text as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "all"


def write_text(path: Path, text: str) -> Path:
    """Write a file, at once or not at all."""
    with placed(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def markdown(sheet: Sheet) -> str:
    """Write a table with its title and note."""
    lines = [sheet.columns, ["---"] * len(sheet.columns), *sheet.rows]
    text = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    body = "\n".join("| " + " | ".join(line) + " |" for line in text)
    return "\n\n".join(part for part in (f"## {sheet.title}", body, sheet.note) if part)


def _latex(sheet: Sheet) -> str:
    """A tabular for booktabs."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(SPECIAL) for cell in cells) + r" \\"

    body = "\n".join(map(line, sheet.rows))
    shape = "l" * sheet.left + "r" * (len(sheet.columns) - sheet.left)
    return "\n".join([
        f"% {' '.join(sheet.title.split())}: {' '.join(sheet.note.split())}",
        rf"\begin{{tabular}}{{{shape}}}", r"\toprule", line(sheet.columns), r"\midrule", body,
        r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip
