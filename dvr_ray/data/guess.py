"""Which source reads a folder or file, told by the names of the files."""

from __future__ import annotations

from pathlib import Path

from dvr_ray.data.sources import SOURCES
from dvr_ray.errors import DataError

__all__ = ["guess"]

# Any folder with a table fits it, others' folders too.
LAST = "table"


def guess(path: Path) -> str:
    """Return the name of the source that a path fits.

    Parameters
    ----------
    path : Path
        Folder or file.

    Raises
    ------
    DataError
        If there is no such path, or it fits no source or several.
    """
    if not path.exists():
        raise DataError(str(path), "no such folder", "check the path")
    fitting = [name for name in SOURCES.names() if SOURCES.get(name).fits(path)]
    if len(fitting) > 1:
        fitting = [name for name in fitting if name != LAST]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError(
            str(path), f"fits several sources: {', '.join(fitting)}", "give --source NAME"
        )
    raise DataError(
        str(path),
        "holds no file of a known format (train.txt, data1.txt, user_artists.dat, u.data, "
        "ratings.dat, ratings.csv, *.inter, *_item2attributes.json, *.csv, *.tsv, *.parquet)",
        "check the path or give --source NAME",
    )
