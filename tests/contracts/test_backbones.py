"""What every registered backbone must do, run over all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dvr_ray.backbones import BACKBONES, Backbone, TripletOutput
from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.data.interactions import Interactions

USERS, ITEMS = 5, 7
TRAINED = [name for name in BACKBONES.names() if BACKBONES.get(name).trainable]


def _train() -> Interactions:
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, USERS, 15), rng.integers(0, ITEMS, 15)
    return Interactions.from_pairs(users, items, USERS, ITEMS)


def _make(cls: type[Backbone], seed: int = 0) -> Backbone:
    return cls.build(cls.Params(), _train(), torch.Generator().manual_seed(seed)).double()


def check_scores_agree(backbone: Backbone) -> None:
    """Triplet scores are entries of the users x items scores."""
    users, positives = torch.tensor([0, 3, 3]), torch.tensor([1, 6, 0])
    scores = backbone.item_scores(users)
    assert scores.shape == (3, ITEMS)
    rows = torch.arange(3)
    for negatives in (torch.tensor([[2, 4], [2, 3], [5, 5]]), torch.tensor([[2, 5]])):
        out = backbone(users, positives, negatives)
        assert torch.allclose(out.positive, scores[rows, positives])
        assert torch.allclose(out.negative, scores[rows[:, None], negatives.expand(3, 2)])
        assert (out.squared_norm > 0).all() or not backbone.trainable


@pytest.mark.parametrize("name", BACKBONES.names())
def test_scores_agree(name: str) -> None:
    check_scores_agree(_make(BACKBONES.get(name)))


@pytest.mark.parametrize("name", TRAINED)
def test_same_seed_same_weights(name: str) -> None:
    cls = BACKBONES.get(name)
    first, again, other = (_make(cls, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_only_a_trainable_backbone_has_parameters(name: str) -> None:
    backbone = _make(BACKBONES.get(name))
    assert backbone.trainable == any(p.requires_grad for p in backbone.parameters())
    assert backbone.device == torch.device("cpu")


@pytest.mark.parametrize("name", BACKBONES.names())
def test_scores_are_those_of_the_representations(name: str) -> None:
    backbone, users = _make(BACKBONES.get(name)), torch.tensor([4, 0])
    tables = backbone.frozen()
    matched = backbone.match(tables.users[users], tables.items[None])
    assert torch.allclose(matched, backbone.item_scores(users), atol=1e-12)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_empty_batch_has_no_scores(name: str) -> None:
    empty = torch.empty(0, dtype=torch.long)
    out = _make(BACKBONES.get(name))(empty, empty, empty.view(0, 2))
    assert out.positive.shape == (0,) and out.negative.shape == (0, 2)


@pytest.mark.parametrize("name", TRAINED)
def test_representations_follow_the_weights(name: str) -> None:
    """They are kept between steps, never beyond one."""
    backbone = _make(BACKBONES.get(name))
    users = torch.arange(USERS)
    before = backbone.item_scores(users)
    assert backbone.frozen() is backbone.frozen()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.mul_(1.5)
    after = backbone.item_scores(users)
    other = _make(BACKBONES.get(name), seed=1)
    other.load_state_dict(backbone.state_dict())
    assert not torch.allclose(before, after)
    assert torch.equal(after, other.item_scores(users))


@pytest.mark.parametrize("name", TRAINED)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    backbone = _make(BACKBONES.get(name))
    users, positives = torch.tensor([0, 3, 3]), torch.tensor([1, 6, 0])
    negatives = torch.tensor([[2, 4], [2, 3], [5, 5]])

    def loss() -> torch.Tensor:
        out = backbone(users, positives, negatives)
        gaps = out.positive[:, None] - out.negative
        return torch.nn.functional.softplus(-gaps).mean() + 0.1 * out.squared_norm.mean()

    loss().backward()
    for parameter in backbone.parameters():
        assert parameter.grad is not None
        gradient = parameter.grad.to_dense().flatten()
        place = int(gradient.abs().argmax())
        with torch.no_grad():
            flat = parameter.view(-1)
            flat[place] += 1e-6
            above = loss()
            flat[place] -= 2e-6
            below = loss()
            flat[place] += 1e-6
        assert float((above - below) / 2e-6) == pytest.approx(
            float(gradient[place]), rel=1e-5, abs=1e-9
        )


@pytest.mark.parametrize("name", BACKBONES.names())
def test_embeddings_have_one_row_per_pair(name: str) -> None:
    user, item = _make(BACKBONES.get(name)).embeddings(torch.tensor([1, 2]), torch.tensor([0, 0]))
    assert user.shape == item.shape and len(user) == 2


def test_a_broken_backbone_fails() -> None:
    class Shifted(BPRMF):
        def forward(
            self, users: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor
        ) -> TripletOutput:
            found = super().forward(users, positives, negatives)
            return TripletOutput(found.negative[:, 0], found.negative, found.squared_norm)

    with pytest.raises(AssertionError):
        check_scores_agree(_make(Shifted))
