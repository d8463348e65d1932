"""From pairs of original ids to a `Dataset`: id maps, repeats dropped, test cleaned of train."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.errors import DataError

__all__ = ["LARGEST_ID", "assemble", "read_id", "shown"]

LARGEST_ID = 2**31 - 1
WIDTH = 60


def assemble(
    name: str, fingerprint: str, train: np.ndarray, test: np.ndarray | None, users: np.ndarray
) -> Dataset:
    """Return users and items under new numbers, in the order of their ids, and the ids.

    Repeated pairs collapse; test rows that are also training rows are dropped.

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
    return Dataset(
        name=name,
        interactions=numbered[0],
        test=None if test is None else _without(numbered[1], numbered[0]),
        user_ids=user_ids,
        item_ids=item_ids,
        user_table=pd.DataFrame(index=range(len(user_ids))),
        item_table=pd.DataFrame(index=range(len(item_ids))),
        fingerprint=fingerprint,
    )


def read_id(text: str, place: str) -> int:
    """Return one id from a word: ASCII digits, 0 to 2^31 - 1.

    Parameters
    ----------
    text : str
        What the file holds.
    place : str
        ``file:line``, for the message.

    Raises
    ------
    DataError
        If it is no integer, negative or too large.
    """
    mend = "mend the line"
    if not re.fullmatch(r"-?[0-9]+", text):
        raise DataError(place, f"an id must be an integer, got {shown(text)}", mend)
    # Compared by length first: int() refuses thousands of digits.
    digits = text.lstrip("-0")
    if text.startswith("-") or len(digits) > 10 or int(digits or 0) > LARGEST_ID:
        raise DataError(place, f"an id must lie in 0..{LARGEST_ID}, got {text[:WIDTH]}", mend)
    return int(digits or 0)


def shown(text: str) -> str:
    """Return what a file holds, quoted for a message of one line, cut where it is long.

    Parameters
    ----------
    text : str
        What the file holds.
    """
    return repr(text if len(text) <= WIDTH else text[:WIDTH] + "...")


def _without(rows: Interactions, known: Interactions) -> Interactions:
    fresh = ~known.contains(rows.users, rows.items)
    return Interactions(rows.users[fresh], rows.items[fresh], rows.num_users, rows.num_items)
