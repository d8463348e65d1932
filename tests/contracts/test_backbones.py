"""What every registered backbone must do, run over all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dvr_ray.backbones import BACKBONES, Backbone, TripletOutput
from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.data.interactions import Interactions

USERS, ITEMS = 5, 7


def _train() -> Interactions:
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, USERS, 15), rng.integers(0, ITEMS, 15)
    return Interactions.from_pairs(users, items, USERS, ITEMS)


def _make(cls: type[Backbone], seed: int = 0) -> Backbone:
    return cls.build(cls.Params(), _train(), torch.Generator().manual_seed(seed)).double()


def check_scores_agree(backbone: Backbone) -> None:
    """Triplet scores are entries of the users x items scores."""
    users, positives = torch.tensor([0, 3, 3]), torch.tensor([1, 6, 0])
    negatives = torch.tensor([2, 2, 5])
    out = backbone(users, positives, negatives)
    scores = backbone.item_scores(users)
    assert scores.shape == (3, ITEMS)
    rows = torch.arange(3)
    assert torch.allclose(out.positive, scores[rows, positives])
    assert torch.allclose(out.negative, scores[rows, negatives])
    assert (out.squared_norm > 0).all()


@pytest.mark.parametrize("name", BACKBONES.names())
def test_scores_agree(name: str) -> None:
    check_scores_agree(_make(BACKBONES.get(name)))


@pytest.mark.parametrize("name", BACKBONES.names())
def test_same_seed_same_weights(name: str) -> None:
    cls = BACKBONES.get(name)
    first, again, other = (_make(cls, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_empty_batch_has_no_scores(name: str) -> None:
    empty = torch.empty(0, dtype=torch.long)
    assert len(_make(BACKBONES.get(name))(empty, empty, empty).positive) == 0


@pytest.mark.parametrize("name", BACKBONES.names())
def test_embeddings_have_one_row_per_pair(name: str) -> None:
    user, item = _make(BACKBONES.get(name)).embeddings(torch.tensor([1, 2]), torch.tensor([0, 0]))
    assert user.shape == item.shape and len(user) == 2


def test_a_broken_backbone_fails() -> None:
    class Shifted(BPRMF):
        def forward(
            self, users: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor
        ) -> TripletOutput:
            return super().forward(users, negatives, positives)

    with pytest.raises(AssertionError):
        check_scores_agree(_make(Shifted))
