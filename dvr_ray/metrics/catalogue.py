"""What metrics may know besides the lists: the catalogue, its popularity, categories and groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dvr_ray.data.attributes import ATTRIBUTES, category_numbers, group_numbers
from dvr_ray.data.interactions import Interactions, TrialData

__all__ = ["ATTRIBUTES", "Catalogue", "Categories", "group_codes"]


@dataclass(frozen=True)
class Categories:
    """The multi-hot matrix of items and categories, as rows of category numbers.

    Parameters
    ----------
    offsets : Tensor, shape (I + 1,)
        Item i has ``ids[offsets[i]:offsets[i + 1]]``.
    ids : Tensor, shape (e,)
        Category numbers, each once per item.
    number : int
        Number C of categories.
    """

    offsets: Tensor
    ids: Tensor
    number: int

    @classmethod
    def of(cls, values: Iterable[object]) -> Categories:
        """Number the categories of every item: text, a number, or several of these.

        Empty text, None and NaN are no category.
        """
        offsets, ids, number = category_numbers(values)
        return cls(torch.from_numpy(offsets), torch.from_numpy(ids), number)

    def entries(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return every category of some items.

        Parameters
        ----------
        items : Tensor, shape (n,)
            Items; -1, which is none, has no category.

        Returns
        -------
        tuple of Tensor, shape (e,) each
            Places in ``items``, increasing, and category numbers.
        """
        starts = self.offsets[items.clamp_min(0)]
        counts = (self.offsets[items.clamp_min(0) + 1] - starts) * (items >= 0)
        places = torch.repeat_interleave(torch.arange(len(items)), counts)
        within = torch.arange(len(places)) - (counts.cumsum(0) - counts)[places]
        return places, self.ids[starts[places] + within]

    def counts(self, items: Tensor) -> Tensor:
        """Number of categories of each item; any shape, 0 for -1."""
        found = self.offsets[items.clamp_min(0) + 1] - self.offsets[items.clamp_min(0)]
        return found * (items >= 0)


@dataclass(frozen=True)
class Catalogue:
    """Facts about users and items, made once per run.

    Parameters
    ----------
    num_users : int
        Number U of users.
    num_items : int or None
        Number I of items; None where lists alone are known.
    popularity : Tensor, shape (I,), or None
        Training rows of every item.
    categories : Categories or None
        None where the data have no categories.
    groups : mapping of str to Tensor, shape (U,)
        For ``gender`` and ``age``, where known: group of every user, -1 for unknown.
    """

    num_users: int
    num_items: int | None = None
    popularity: Tensor | None = None
    categories: Categories | None = None
    groups: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, data: TrialData) -> Catalogue:
        """Read what a trial's data say."""
        return cls.of_tables(data.train, data.user_table, data.item_table)

    @classmethod
    def of_tables(cls, train: Interactions, users: pd.DataFrame, items: pd.DataFrame) -> Catalogue:
        """Read what training rows and tables of attributes (index 0..U-1 and 0..I-1) say."""
        groups = {
            name: group_codes(users[column])
            for name, column in ATTRIBUTES.items()
            if column in users
        }
        categories = Categories.of(items["category"]) if "category" in items else None
        bare = cls.of_rows(train)
        return cls(bare.num_users, bare.num_items, bare.popularity, categories, groups)

    @classmethod
    def of_rows(cls, train: Interactions) -> Catalogue:
        """Read what the training rows alone say."""
        popularity = torch.from_numpy(train.item_counts)
        return cls(train.num_users, train.num_items, popularity)

    def has(self, need: str) -> bool:
        """Whether a metric's need is met; embeddings come from the backbone, so always there."""
        match need:
            case "catalogue":
                return self.num_items is not None
            case "popularity":
                return self.popularity is not None
            case "category":
                return self.categories is not None and self.categories.number > 0
            case "embeddings":
                return True
        # One group alone has no gap.
        codes = self.groups.get(need)
        return codes is not None and len(torch.unique(codes[codes >= 0])) > 1


def group_codes(values: Sequence[object] | np.ndarray | pd.Series) -> Tensor:
    """Return the number of each user's group, in the order of names; -1 for "unknown" and gaps.

    Parameters
    ----------
    values : sequence
        Group of every user.
    """
    return torch.from_numpy(group_numbers(values))
