"""Uniform negatives: never a positive, and every other item alike."""

from __future__ import annotations

import numpy as np
import torch
from drawing import all_rows, chance, liked_by, small_log
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.negatives import by_weight

from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.negatives.uniform import Uniform, UniformParams

MODEL = BPRMF(1, 1, 1, torch.Generator())  # uniform negatives don't look at it


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(2, 12), st.integers(0, 1000))
def test_a_negative_is_never_a_positive(users: int, items: int, seed: int) -> None:
    train = small_log(users, items, seed)
    sampler = Uniform(UniformParams(count=3), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(seed)).numpy()
    assert drawn.shape == (len(train), 3)
    assert drawn.min() >= 0 and drawn.max() < items
    assert not train.contains(np.repeat(train.users[:, None], 3, 1), drawn).any()


def test_all_free_items_are_alike() -> None:
    train = small_log(3, 9, seed=1)
    sampler = Uniform(UniformParams(count=2000), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(0))
    for user in range(3):
        mine = drawn[torch.from_numpy(train.users == user)]
        assert chance(mine, by_weight([1.0] * 9, liked_by(train, user))) > 1e-3


def test_same_seed_same_negatives() -> None:
    train = small_log(5, 20, seed=2)
    sampler = Uniform(UniformParams(), train)
    first, again, other = (
        sampler.draw(all_rows(train), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_shared_list_is_uniform_over_all_items() -> None:
    train = small_log(3, 9, seed=1)
    sampler = Uniform(UniformParams(count=9000, shared=True), train)
    drawn = sampler.draw(all_rows(train), torch.Generator().manual_seed(0))
    assert drawn.shape == (1, 9000)
    assert chance(drawn, [1.0] * 9) > 1e-3


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(2, 12), st.integers(0, 1000))
def test_of_a_shared_list_only_the_users_own_items_are_unusable(
    users: int, items: int, seed: int
) -> None:
    train = small_log(users, items, seed)
    sampler = Uniform(UniformParams(count=7, shared=True), train)
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    drawn = sampler.draw(rows, torch.Generator().manual_seed(seed))
    found = sampler.choose(MODEL, None, torch.from_numpy(train.users)[rows], drawn)
    assert torch.equal(found.items, drawn) and found.usable is not None
    for row, usable in zip(rows, found.usable, strict=True):
        mine = liked_by(train, int(train.users[row]))
        assert usable.tolist() == [int(item) not in mine for item in drawn[0]]
