"""LightGCN: its tables against loops, its graph among replicas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.backbones import lightgcn
from small_graph import ITEMS, PAIRS, TRAIN, USERS, make

from dvr_ray.data.interactions import Interactions


def check_against_loops(
    pairs: list[tuple[int, int]], train: Interactions, layers: int, seed: int = 0
) -> None:
    backbone = make("lightgcn", train, seed, dim=5, layers=layers)
    weights = [tensor.numpy() for tensor in backbone.state_dict().values()]
    expected = lightgcn(pairs, *weights, layers)
    for table, wanted in zip(backbone.frozen(), expected, strict=True):
        assert np.abs(table.numpy() - wanted).max() < 1e-6


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_tables_are_those_of_the_dense_formula(layers: int) -> None:
    check_against_loops(PAIRS, TRAIN, layers)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1), st.integers(0, 4))
def test_any_graph_agrees_with_the_dense_formula(pairs: set[tuple[int, int]], layers: int) -> None:
    users, items = np.array(sorted(pairs)).T
    check_against_loops(sorted(pairs), Interactions.from_pairs(users, items, USERS, ITEMS), layers)


def test_only_embeddings_are_stored() -> None:
    assert list(make("lightgcn").state_dict()) == ["users", "items"]


def test_replicas_share_one_graph() -> None:
    first, other = (make("lightgcn", seed=seed).float()._graph._matrix for seed in (0, 1))
    single = make("lightgcn").float()
    single._graph(torch.zeros(USERS + ITEMS, 2))
    cls = type(single)
    built = [cls.build(cls.Params(), TRAIN, torch.Generator())._graph._matrix for _ in range(2)]
    assert built[0].values().data_ptr() == built[1].values().data_ptr()
    assert torch.equal(first.values(), other.values())


def test_the_l2_term_counts_the_embeddings_before_propagation() -> None:
    backbone = make("lightgcn")
    out = backbone(torch.tensor([2]), torch.tensor([5]), torch.tensor([[1, 7]]))
    users, items = backbone.users, backbone.items
    others = (items[1].square().sum() + items[7].square().sum()) / 2
    expected = users[2].square().sum() + items[5].square().sum() + others
    assert torch.allclose(out.squared_norm, expected)
