"""TIL-MI: a triplet's state is made of embeddings and of the interests that its items belong to.

    [ u * i + u * c_i + i * c_i ; u * j + u * c_j + j * c_j ]

Products are elementwise; c is the mean embedding of the item's cluster (an interest); state 19 of
the published code. After a warm-up of plain BPR items are clustered anew every few epochs; the
means are read at the start of each epoch.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.backbones import Tables
from dvr_ray.errors import ConfigError
from dvr_ray.kmeans import cluster_means, kmeans
from dvr_ray.seeding import generator
from dvr_ray.weightings.look_ahead import Rows
from dvr_ray.weightings.til import TilParams, TripletImportance, mean_negative
from dvr_ray.weightings.weighting import WEIGHTINGS, TripletBatch, WeightingParts

__all__ = ["MultiInterestImportance"]


class TilMiParams(TilParams):
    """Fields of ``method: {name: til-mi}``."""

    clip: float = Field(10.0, gt=0, le=1e6, description="trick clip: largest weight.")
    warmup: int | None = Field(
        None,
        ge=0,
        description="Epochs of plain BPR before items are clustered and weights are learned; null "
        "is a tenth of training.epochs, as published (100 of 1,000).",
    )
    clusters: int = Field(20, ge=1, le=10_000, description="Clusters of items, k-means.")
    every: int = Field(10, ge=1, description="Epochs from one clustering to the next.")


@WEIGHTINGS.add("til-mi")
class MultiInterestImportance(TripletImportance):
    """Learn triplets' weights from embeddings and the clusters that their items belong to."""

    Params = TilMiParams

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        items, wanted = parts.data.train.num_items, parts.params.clusters
        if wanted > items:
            raise ConfigError(
                "run: method.clusters", f"must be <= {items}, the number of items, got {wanted}",
                "lower it",
            )  # fmt: skip
        self._clusters: Tensor | None = None
        self._centres = torch.empty(0)

    def refresh(self, tables: Tables, epoch: int) -> None:
        """Cluster the items where it is time, and read the clusters' means."""
        wanted: int = self.parts.params.clusters
        if self._clusters is None or epoch % self.parts.params.every == 0:
            numbers = generator(self.parts.config.seed, "interests", epoch)
            self._clusters = kmeans(tables.items, wanted, numbers)
        self._centres = cluster_means(tables.items, self._clusters, wanted)

    def state(self, triplets: TripletBatch, rows: Rows) -> Tensor:
        """Return the state, shape (b, 2 D)."""
        own, others = self._centre(triplets.positives), self._centre(triplets.negatives)
        negative = mean_negative(rows.negative, triplets)
        centre = mean_negative(others, triplets)
        product = mean_negative(rows.negative * others, triplets)
        first = rows.user * rows.positive + rows.user * own + rows.positive * own
        return torch.cat([first, rows.user * negative + rows.user * centre + product], 1)

    def _centre(self, items: Tensor) -> Tensor:
        """Centres of the items' clusters, any shape to one more axis of D."""
        assert self._clusters is not None, "refresh() comes first"
        return self._centres[self._clusters[items]]

    def tensors(self) -> dict[str, Tensor]:
        """Add the clusters."""
        clusters = {} if self._clusters is None else {"clusters": self._clusters}
        return super().tensors() | clusters

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        super().load_tensors(state)
        if "clusters" in state:
            self._clusters = state["clusters"].to(self.parts.device)
