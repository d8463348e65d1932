"""From pairs of original ids to a `Dataset`: id maps, repeats dropped, test cleaned of train."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.errors import DataError

__all__ = ["LARGEST_ID", "assemble", "check_ids"]

LARGEST_ID = 2**31 - 1


def assemble(
    name: str, fingerprint: str, train: np.ndarray, test: np.ndarray | None, users: np.ndarray
) -> Dataset:
    """Number users and items anew and keep their ids.

    Parameters
    ----------
    name, fingerprint : str
        Of the data set.
    train, test : ndarray, shape (rows, 2)
        Pairs of original (user, item) ids.
    users : ndarray
        Ids of users that count although they may have no rows.
    """
    pieces = [train] if test is None else [train, test]
    both = np.concatenate(pieces)
    user_ids = np.unique(np.concatenate([both[:, 0], users]))
    item_ids = np.unique(both[:, 1])
    numbered = [
        Interactions.from_pairs(
            np.searchsorted(user_ids, piece[:, 0]),
            np.searchsorted(item_ids, piece[:, 1]),
            len(user_ids),
            len(item_ids),
        )
        for piece in pieces
    ]
    held_out = None
    if test is not None:
        fresh = ~numbered[0].contains(numbered[1].users, numbered[1].items)
        held_out = Interactions(
            numbered[1].users[fresh], numbered[1].items[fresh], len(user_ids), len(item_ids)
        )
    return Dataset(
        name=name,
        interactions=numbered[0],
        test=held_out,
        user_ids=user_ids,
        item_ids=item_ids,
        user_table=pd.DataFrame(index=range(len(user_ids))),
        item_table=pd.DataFrame(index=range(len(item_ids))),
        fingerprint=fingerprint,
    )


def check_ids(text: str, place: str) -> int:
    """Read one id.

    Raises
    ------
    DataError
        If it is no integer, negative or too large.
    """
    try:
        value = int(text)
    except ValueError as error:
        raise DataError(place, f"an id must be an integer, got {text!r}", "mend the line") from error
    if not 0 <= value <= LARGEST_ID:
        raise DataError(place, f"an id must lie in 0..{LARGEST_ID}, got {value}", "mend the line")
    return value
