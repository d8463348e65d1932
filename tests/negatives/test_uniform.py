"""Uniform negatives: never a positive, and every other item alike."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.data.interactions import Interactions
from dvr_ray.negatives.uniform import Uniform, UniformParams


def _log(users: int, items: int, seed: int, share: float = 0.4) -> Interactions:
    rng = np.random.default_rng(seed)
    liked = rng.random((users, items)) < share
    liked[:, 0] = True
    liked[:, -1] = False
    pairs = np.argwhere(liked)
    return Interactions.from_pairs(pairs[:, 0], pairs[:, 1], users, items)


def _rows(train: Interactions) -> torch.Tensor:
    return torch.arange(len(train))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(2, 12), st.integers(0, 1000))
def test_a_negative_is_never_a_positive(users: int, items: int, seed: int) -> None:
    train = _log(users, items, seed)
    sampler = Uniform(UniformParams(count=3), train)
    drawn = sampler.draw(_rows(train), torch.Generator().manual_seed(seed)).numpy()
    assert drawn.shape == (len(train), 3)
    assert drawn.min() >= 0 and drawn.max() < items
    assert not train.contains(np.repeat(train.users[:, None], 3, 1), drawn).any()


def test_all_free_items_are_alike() -> None:
    """A free item of a user with f free ones and m rows is expected draws * m / f times."""
    train = _log(3, 9, seed=1)
    sampler = Uniform(UniformParams(), train)
    counts = np.zeros((3, 9))
    draws = 3000
    for seed in range(draws):
        drawn = sampler.draw(_rows(train), torch.Generator().manual_seed(seed)).numpy()
        np.add.at(counts, (train.users, drawn[:, 0]), 1)
    for user in range(3):
        rows = train.user_counts[user]
        free = np.setdiff1d(np.arange(9), train.items[train.users == user])
        expected = draws * rows / len(free)
        error = np.sqrt(expected * (1 - 1 / len(free)))
        assert np.abs(counts[user, free] - expected).max() < 4.5 * error


def test_same_seed_same_negatives() -> None:
    train = _log(5, 20, seed=2)
    sampler = Uniform(UniformParams(), train)
    first, again, other = (
        sampler.draw(_rows(train), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
