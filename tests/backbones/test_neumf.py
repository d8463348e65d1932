"""NeuMF: its logits against loops, dropout in training alone, ranking by blocks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracles.backbones import neumf
from small_graph import ITEMS, USERS, make

import dvr_ray.backbones.neumf as module
from dvr_ray.backbones import Backbone

BATCH = (torch.tensor([0, 3, 3]), torch.tensor([1, 6, 0]), torch.tensor([[2, 4], [2, 3], [5, 5]]))
KEYS = torch.tensor([40, 41, 42])


def _small(**params: Any) -> Backbone:
    """Weights of a size that matters, biases that aren't zero."""
    backbone = make("neumf", dim=3, tower_dim=4, hidden=(6, 5, 2), std=1.0, **params)
    with torch.no_grad():
        for bias in backbone.biases:
            bias.copy_(torch.linspace(-0.2, 0.3, len(bias)))
    return backbone


def test_scores_are_logits_of_the_pair() -> None:
    backbone = _small()
    layers, biases = ([t.detach().numpy() for t in x] for x in (backbone.layers, backbone.biases))
    last = [*backbone.product_weights.tolist(), *backbone.tower_weights.tolist()]
    scores = backbone.item_scores(torch.arange(USERS))
    for u, user in enumerate(backbone.users.tolist()):
        for i, item in enumerate(backbone.items.tolist()):
            expected = neumf(user, item, 3, layers, biases, last)
            assert float(scores[u, i]) == pytest.approx(expected, abs=1e-12)


def test_ranking_by_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, users = _small(), torch.arange(USERS)
    whole = backbone.item_scores(users)
    monkeypatch.setattr(module, "PAIRS", 3 * USERS)
    assert backbone.item_scores(users).shape == (USERS, ITEMS)
    assert torch.allclose(backbone.item_scores(users), whole, atol=1e-14)


def test_only_training_drops() -> None:
    backbone = _small(dropout=0.5)
    trained, plain = backbone(*BATCH, KEYS), backbone(*BATCH)
    assert backbone.training
    assert not torch.allclose(trained.positive, plain.positive)
    assert not torch.allclose(trained.negative, plain.negative)
    assert torch.equal(backbone(*BATCH, KEYS).positive, trained.positive)
    scores = backbone.item_scores(BATCH[0])
    assert torch.allclose(scores.gather(1, BATCH[1][:, None])[:, 0], plain.positive)


@pytest.mark.parametrize("shared", [False, True])
def test_a_share_of_a_batch_drops_what_the_whole_batch_drops(shared: bool) -> None:
    backbone = _small(dropout=0.5)
    users, positives, negatives = BATCH
    negatives = negatives[:1] if shared else negatives
    whole = backbone(users, positives, negatives, KEYS)
    for part in (slice(0, 1), slice(1, 3)):
        own = negatives if shared else negatives[part]
        out = backbone(users[part], positives[part], own, KEYS[part])
        assert torch.allclose(out.positive, whole.positive[part], atol=1e-14)
        assert torch.allclose(out.negative, whole.negative[part], atol=1e-14)


def test_without_dropout_keys_change_nothing() -> None:
    backbone = _small(dropout=0.0)
    assert torch.equal(backbone(*BATCH, KEYS).negative, backbone(*BATCH).negative)
