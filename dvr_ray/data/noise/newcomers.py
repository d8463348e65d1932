"""Ids and attributes of planted users."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvr_ray.data.attributes import BLANK

__all__ = ["with_newcomers"]


def with_newcomers(
    ids: np.ndarray, table: pd.DataFrame, newcomers: np.ndarray
) -> tuple[np.ndarray, pd.DataFrame]:
    """Add planted users to a catalogue.

    Parameters
    ----------
    ids : ndarray, shape (U,)
        Original ids, whole numbers or text.
    table : DataFrame, index 0..U-1
        Attributes.
    newcomers : ndarray, shape (c,)
        For every planted user, the user it is a copy of, or -1.

    Returns
    -------
    ndarray, shape (U + c,)
        The next whole numbers, or ``planted-1`` and so on, with more hyphens where such ids exist.
    DataFrame, index 0..U+c-1
        Attributes of the original, or unknown.
    """
    if not len(newcomers):
        return ids, table
    if ids.dtype.kind in "iu":
        new = int(ids.max()) + 1 + np.arange(len(newcomers))
    else:
        start = "planted-"
        while any(str(each).startswith(start) for each in ids):
            start += "-"
        new = np.array([f"{start}{k + 1}" for k in range(len(newcomers))], dtype=object)
    columns = {}
    for name, values in table.items():
        copies = [BLANK[str(name)] if u < 0 else values.iloc[u] for u in newcomers.tolist()]
        columns[name] = pd.Series([*values, *copies], dtype=values.dtype)
    size = len(ids) + len(newcomers)
    return np.concatenate([ids, new]), pd.DataFrame(columns, index=range(size))
