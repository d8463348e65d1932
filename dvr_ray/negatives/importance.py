"""Self-normalised importance sampling (PRIS): harder negatives weigh more, whatever drew them.

The loss wanted is ``sum_j P(j | u, i) * -ln sigmoid(x_uij)`` with ``P`` in proportion to
``exp(-x_uij)`` over the items j that are no positives, x the gap of scores. With n negatives from
a proposal Q it is estimated by

    w_l = softmax_l(-x_l - ln Q_l),  loss = sum_l w_l * -ln sigmoid(x_l).

Q is needed up to a constant per user only. Gradients flow through w, as in the authors' code.

Source: Lian, Liu & Chen, "Personalized ranking with importance sampling", WWW 2020, and their
public code (proposals U, P and cluster; the variant "-w" weighs all n alike). Not taken over: the
centres learned jointly with the model.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.errors import ConfigError
from dvr_ray.negatives.clusters import ClusterProposal
from dvr_ray.negatives.proposal import Proposal
from dvr_ray.negatives.sampler import NEGATIVES, Negatives, NegativeSampler

__all__ = ["Importance", "ImportanceParams"]


class ImportanceParams(Strict):
    """Fields of ``negatives: {name: importance}``."""

    count: int = Field(5, ge=1, le=10_000, description="Negatives n per positive.")
    weights: Literal["softmax", "uniform"] = Field(
        "softmax", description="Weights of a row's negatives; uniform is the variant without them."
    )
    proposal: Literal["uniform", "popularity", "cluster"] = Field(
        "popularity", description="What the negatives are drawn from."
    )
    popularity: Literal["log", "power", "none"] = Field(
        "log",
        description="An item's weight in proposals popularity and cluster by its count c: "
        "ln(1 + c), c^.75, or none (alike).",
    )
    clusters: int = Field(100, ge=1, le=10_000, description="cluster: groups of items.")
    shared: bool = Field(
        False, description="One list of n items for all rows of a batch; not for cluster."
    )

    @field_validator("shared")
    @classmethod
    def _listed(cls, shared: bool, others: ValidationInfo) -> bool:
        if shared and others.data.get("proposal") == "cluster":
            raise ValueError("must be false where proposal is cluster, which differs by user")
        return shared


@NEGATIVES.add("importance")
class Importance(NegativeSampler):
    """n negatives weighted by how hard they are and how rarely they are drawn (PRIS).

    The clusters of proposal cluster are renewed once an epoch.
    """

    Params = ImportanceParams

    def __init__(self, params: ImportanceParams, train: Interactions) -> None:
        self._softmax = params.weights == "softmax"
        self._by_cluster: ClusterProposal | None = None
        weights = _weights(params, train.item_counts)
        if params.proposal == "cluster":
            if params.clusters > train.num_items:
                raise ConfigError(
                    "run: negatives.clusters",
                    f"must be <= the number of items ({train.num_items}), got {params.clusters}",
                    "lower it",
                )
            own = torch.from_numpy(weights)
            self._by_cluster = ClusterProposal(train, params.count, params.clusters, own)
        else:
            listed = weights if params.proposal == "popularity" else None
            self._proposal = Proposal(train, params.count, listed, params.shared)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw n negatives, (b,) to (b, n) or (1, n); for proposal cluster attempts, (b, 17 n)."""
        return (self._by_cluster or self._proposal).draw(rows, generator)

    def snapshot(self, backbone: Backbone) -> Any:
        """Group the items, for proposal cluster."""
        return self._by_cluster and self._by_cluster.snapshot(backbone)

    def choose(self, backbone: Backbone, snapshot: Any, users: Tensor, drawn: Tensor) -> Negatives:
        """Return the negatives with the log of their proposal."""
        if self._by_cluster is None:
            return self._proposal.negatives(users, drawn)
        items, log_proposal = self._by_cluster.choose(backbone, snapshot, users, drawn)
        return Negatives(items, log_proposal=log_proposal)

    def losses(self, gaps: Tensor, negatives: Negatives) -> Tensor:
        """Return the weighted loss of each row; 0 where no negative is usable.

        Parameters
        ----------
        gaps : Tensor, shape (b, n)
            Score of the positive minus that of the negative.
        negatives : Negatives
            What `choose` returned.

        Returns
        -------
        Tensor, shape (b,)
        """
        if not self._softmax:
            return super().losses(gaps, negatives)
        logits = -gaps
        if negatives.log_proposal is not None:
            logits = logits - negatives.log_proposal.to(gaps)
        each = softplus(-gaps)
        if negatives.usable is not None:
            # Not minus infinity, which makes a row without usable negatives NaN.
            logits = logits.masked_fill(~negatives.usable, torch.finfo(gaps.dtype).min)
            each = each * negatives.usable
        return (torch.softmax(logits, 1) * each).sum(1)


def _weights(params: ImportanceParams, counts: np.ndarray) -> np.ndarray:
    """Weights of items by their counts; none is 0, so that an item drawn has a finite log."""
    if params.popularity == "none":
        return np.ones(len(counts))
    raw = np.log1p(counts) if params.popularity == "log" else counts**0.75
    return np.asarray(np.maximum(raw, 1e-9))
