"""Held-out triplets for an outer loss: the batch's users with items of validation-reward."""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.seeding import generator
from dvr_ray.weightings.weighting import TripletBatch, WeightingParts

__all__ = ["HeldOut"]


class HeldOut:
    """Draws one item of validation-reward for the user of each triplet.

    Parameters
    ----------
    parts : WeightingParts
        Holds the data and the seed.
    """

    def __init__(self, parts: WeightingParts) -> None:
        self._seed, self._collective, self._rows = (
            parts.config.seed, parts.collective, parts.data.reward,
        )  # fmt: skip
        self._items = torch.from_numpy(self._rows.items).to(parts.device)
        counts = self._rows.user_counts
        self._counts = torch.from_numpy(counts).to(parts.device)
        self._starts = torch.from_numpy(counts.cumsum() - counts).to(parts.device)

    def __call__(self, triplets: TripletBatch) -> tuple[Tensor, Tensor]:
        """Return items (b,), and 1 where the triplet counts, (b,).

        It doesn't where the user has no item there, or where a negative of the triplet is one.
        """
        uniform = self._uniform(triplets).to(triplets.users.device)
        counts = self._counts[triplets.users]
        place = (uniform * counts).long() + self._starts[triplets.users]
        known = counts > 0
        drawn = self._items[place.clamp_max(len(self._items) - 1)]
        users, negatives = triplets.users.cpu().numpy(), triplets.negatives.cpu().numpy()
        clash = torch.from_numpy(self._rows.contains(users[:, None], negatives).any(1))
        counted = known & ~clash.to(known.device)
        return torch.where(known, drawn, triplets.positives), counted.to(triplets.losses)

    def _uniform(self, triplets: TripletBatch) -> Tensor:
        """Own share of the batch's uniforms, cut as the batch is."""
        numbers = generator(self._seed, "outer items", triplets.step)
        drawn = torch.rand(triplets.total, dtype=torch.float64, generator=numbers)
        return drawn.tensor_split(self._collective.size)[self._collective.rank]
