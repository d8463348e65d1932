"""Top lists of a block of users, as metrics see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions
from dvr_ray.metrics.catalogue import Catalogue

__all__ = ["Lists", "hits"]


@dataclass(frozen=True)
class Lists:
    """Lists of u users who have relevant items; other users aren't measured.

    Parameters
    ----------
    users : Tensor, shape (u,)
        Whose lists they are.
    items : Tensor of int64, shape (u, k)
        Items, best first; -1 stands for no item, at the end of a list that is cut short.
    hits : Tensor of bool, shape (u, k)
        Whether each place holds a relevant item.
    relevant : Tensor of int64, shape (u,)
        Number of each user's relevant items, at least 1.
    relevant_items : Tensor of int64, shape (r,)
        All their relevant items, user after user.
    catalogue : Catalogue
        What else is known.
    embeddings : Tensor, shape (I, d), or None
        The backbone's table of items, where a metric asks for it.
    """

    users: Tensor
    items: Tensor
    hits: Tensor
    relevant: Tensor
    relevant_items: Tensor
    catalogue: Catalogue
    embeddings: Tensor | None = None

    @classmethod
    def of(
        cls,
        users: np.ndarray,
        items: Tensor,
        held_out: Interactions,
        catalogue: Catalogue,
        embeddings: Tensor | None = None,
    ) -> Lists:
        """Compare lists with held-out items; users without any are left out.

        Parameters
        ----------
        users : ndarray of int, shape (u,)
            Distinct users.
        items : Tensor of int, shape (u, k)
            Their lists.
        held_out : Interactions
            The part that is measured on.
        catalogue, embeddings
            As in the class.
        """
        counts = held_out.user_counts[users]
        has = counts > 0
        users, items, counts = users[has], items.cpu()[torch.from_numpy(has)], counts[has]
        starts = np.repeat(held_out.user_offsets[users] - (np.cumsum(counts) - counts), counts)
        relevant_items = held_out.items[starts + np.arange(counts.sum())]
        return cls(
            torch.from_numpy(users),
            items,
            hits(items, users, held_out),
            torch.from_numpy(counts),
            torch.from_numpy(relevant_items),
            catalogue,
            embeddings,
        )

    @classmethod
    def joined(cls, blocks: Sequence[Lists]) -> Lists:
        """Put blocks of the same depth together."""
        return replace(
            blocks[0],
            users=torch.cat([block.users for block in blocks]),
            items=torch.cat([block.items for block in blocks]),
            hits=torch.cat([block.hits for block in blocks]),
            relevant=torch.cat([block.relevant for block in blocks]),
            relevant_items=torch.cat([block.relevant_items for block in blocks]),
        )

    @classmethod
    def none(cls, catalogue: Catalogue, embeddings: Tensor | None = None) -> Lists:
        """Return the lists of no user."""
        no = torch.zeros(0, dtype=torch.int64)
        return cls(no, no[:, None], no[:, None].bool(), no, no, catalogue, embeddings)

    def __len__(self) -> int:
        """Return the number of users, u."""
        return len(self.users)

    def first(self, cutoff: int) -> Lists:
        """Return the lists cut to their first places."""
        return replace(self, items=self.items[:, :cutoff], hits=self.hits[:, :cutoff])

    def rows(self, chosen: Tensor) -> Lists:
        """Return the lists that a mask, bool of shape (u,), chooses."""
        return replace(
            self,
            users=self.users[chosen],
            items=self.items[chosen],
            hits=self.hits[chosen],
            relevant=self.relevant[chosen],
            relevant_items=self.relevant_items[torch.repeat_interleave(chosen, self.relevant)],
        )

    def lengths(self) -> Tensor:
        """Number of items in each list, shape (u,)."""
        return (self.items >= 0).sum(1)


def hits(ranked_items: np.ndarray | Tensor, users: np.ndarray, held_out: Interactions) -> Tensor:
    """Tell which places of ranked lists hold a held-out item of their user.

    Parameters
    ----------
    ranked_items : ndarray or Tensor of int, shape (u, K)
        Items, best first; -1 is none.
    users : ndarray of int, shape (u,)
        Whose lists they are.
    held_out : Interactions
        The part that is measured on.

    Returns
    -------
    Tensor of bool, shape (u, K), on the CPU
    """
    lists = ranked_items.cpu().numpy() if isinstance(ranked_items, Tensor) else ranked_items
    owners = np.broadcast_to(np.asarray(users)[:, None], lists.shape)
    return torch.from_numpy(held_out.contains(owners, lists) & (lists >= 0))
