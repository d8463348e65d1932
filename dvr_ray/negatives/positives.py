"""Which pairs are training pairs, asked for many pairs at once, on any device."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions

__all__ = ["Positives"]


class Positives:
    """The training pairs, sorted for search.

    Parameters
    ----------
    train : Interactions
        Training part.
    """

    def __init__(self, train: Interactions) -> None:
        self._train = train
        self._moved: dict[tuple[str, torch.device], Tensor] = {}

    def hold(self, users: Tensor, items: Tensor) -> Tensor:
        """Tell which pairs are training pairs; time O(k log rows).

        Parameters
        ----------
        users, items : Tensor of int64, shape (k,)
            Pairs.

        Returns
        -------
        Tensor of bool, shape (k,)
        """
        keys = self._at("keys", self._keys, users.device)
        wanted = users * self._train.num_items + items
        return keys[torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)] == wanted

    def usable(self, users: Tensor, listed: Tensor) -> Tensor:
        """Tell which items of one list each user has no training interaction with.

        Walks the training rows of the listed items, not all b x n pairs.

        Parameters
        ----------
        users : Tensor of int64, shape (b,)
            Users; they may repeat.
        listed : Tensor of int64, shape (n,)
            Items; they may repeat.

        Returns
        -------
        Tensor of bool, shape (b, n)
        """
        offsets = self._at("offsets", self._offsets, users.device)
        fans = self._at("fans", self._fans, users.device)
        known, row_of = torch.unique(users, return_inverse=True)
        sizes = offsets[listed + 1] - offsets[listed]
        column = torch.arange(len(listed), device=users.device).repeat_interleave(sizes)
        shift = (offsets[listed] - (sizes.cumsum(0) - sizes)).repeat_interleave(sizes)
        liked_by = fans[torch.arange(len(column), device=users.device) + shift]
        free = torch.ones(len(known), len(listed), dtype=torch.bool, device=users.device)
        if len(known):
            place = torch.searchsorted(known, liked_by).clamp_max(len(known) - 1)
            met = known[place] == liked_by
            free[place[met], column[met]] = False
        return free[row_of]

    @cached_property
    def _keys(self) -> Tensor:
        return torch.from_numpy(self._train.keys)

    @cached_property
    def _offsets(self) -> Tensor:
        return torch.from_numpy(self._train.item_offsets)

    @cached_property
    def _fans(self) -> Tensor:
        """Users of all training rows, sorted by item."""
        return torch.from_numpy(self._train.users[self._train.item_order])

    def _at(self, name: str, tensor: Tensor, device: torch.device) -> Tensor:
        if device == tensor.device:
            return tensor
        if (name, device) not in self._moved:
            self._moved[name, device] = tensor.to(device)
        return self._moved[name, device]
