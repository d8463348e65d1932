"""Shares of an exposure metric are unbiased: checked by enumerating a tiny game.

Six training rows of three users; under each of the 2^6 masks a model recommends two of four items
to every user, by a rule that depends on the kept rows. All pairs of masks are enumerated with their
probabilities, so there is no sampling error.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions
from dvr_ray.metrics import AggregateMetric, Catalogue, Lists, parse
from dvr_ray.metrics.exposure import recommended
from dvr_ray.rewards.credit import CreditRule, advantages
from dvr_ray.rewards.sharing import Holders, item_shares

USERS, ITEMS = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 2, 0, 3])
MASKS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
ODDS = torch.tensor([0.3, 0.8, 0.5, 0.6, 0.7, 0.4], dtype=torch.float64)
CHANCE = torch.where(MASKS > 0, ODDS, 1 - ODDS).prod(1)
TRAIN = Interactions(USERS, ITEMS, 3, 4)
HELD = Interactions(np.array([0, 1, 2]), np.array([2, 0, 1]), 3, 4)
GROUPS = torch.tensor([0, 1, 0])
CATALOGUE = Catalogue(3, 4, groups={"gender": GROUPS, "age": GROUPS})
METRICS = ["gini@2", "item-coverage@2", "sp:gender@2", "tv:gender@2"]


def _lists(mask: Tensor) -> Lists:
    """Every user is recommended the two items whose kept rows pull most; lower numbers first."""
    pull = torch.zeros(3, 4, dtype=torch.float64)
    for row, kept in enumerate(mask.tolist()):
        pull[:, ITEMS[row]] += kept * 0.6
        pull[USERS[row], (ITEMS[row] + 1) % 4] += kept
    items = torch.tensor(
        [sorted(range(4), key=lambda i: (-row[i], i))[:2] for row in pull.tolist()]
    )
    return Lists.of(np.arange(3), items, HELD, CATALOGUE)


@functools.cache
def _parts(name: str) -> Tensor:
    """What each item adds under every mask, shape (64, 4)."""
    metric = parse(name)
    assert isinstance(metric, AggregateMetric)
    found = [metric.item_parts(metric.counts(_lists(mask))) for mask in MASKS]
    return torch.stack([parts for parts in found if parts is not None])


def _shares(parts: Tensor, common: Lists) -> Tensor:
    return item_shares(parts, Holders(common, recommended(common), 3))


def _estimate(rewards: Tensor) -> Tensor:
    """Expectation over all pairs of masks of the leave-one-out estimate, shape (6,)."""
    rule, rows, total = CreditRule("user", TRAIN, HELD), torch.arange(6), torch.zeros(6).double()
    for pair in map(list, itertools.product(range(len(MASKS)), repeat=2)):
        credit = rule(advantages(rewards[pair], "leave-one-out"), rows)
        total += CHANCE[pair].prod() * (credit * (MASKS[pair] - ODDS)).mean(0)
    return total


def _gradient(rewards: Tensor) -> Tensor:
    """Gradient of each row's user's expected reward in the row's logit, shape (6,)."""
    own = rewards[:, USERS]
    return ((CHANCE[:, None] * own) * (MASKS - ODDS)).sum(0)


@pytest.mark.parametrize("name", METRICS)
def test_shares_sum_to_the_metric_under_every_mask(name: str) -> None:
    common, metric = _lists(torch.ones(6)), parse(name)
    assert isinstance(metric, AggregateMetric)
    for mask, parts in zip(MASKS, _parts(name), strict=True):
        value = metric.value(metric.counts(_lists(mask)))
        torch.testing.assert_close(_shares(parts, common).sum(), value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_leave_one_out_is_unbiased_with_the_users_of_the_common_model(name: str) -> None:
    common = _lists(torch.ones(6))
    rewards = torch.stack([_shares(parts, common) for parts in _parts(name)])
    found = _estimate(rewards)
    assert float(found.abs().max()) > 1e-4
    torch.testing.assert_close(found, _gradient(rewards), rtol=0, atol=1e-12)


def test_users_of_each_mask_would_bias_the_credit_of_items() -> None:
    """Advantages of every user sum to 0 over masks, and so do an item's by the same users.

    By the users whose own list under the mask holds the item they don't.
    """
    common = _lists(torch.ones(6))
    rewards = torch.stack([_shares(parts, common) for parts in _parts("item-coverage@2")])
    fixed, own = [], []
    for one, other in itertools.combinations(range(0, len(MASKS), 5), 2):
        advantage = advantages(rewards[[one, other]], "leave-one-out")
        held = [_holding(_lists(MASKS[k])) for k in (one, other)]
        own.append(advantage[0] @ held[0] + advantage[1] @ held[1])
        fixed.append(advantage.sum(0) @ _holding(common))
    assert float(torch.stack(fixed).abs().max()) < 1e-12
    assert float(torch.stack(own).abs().max()) > 1e-3


def _holding(lists: Lists) -> Tensor:
    """Which user's list holds which item, shape (3, 4)."""
    found = torch.zeros(3, 4, dtype=torch.float64)
    return found.scatter_(1, lists.items, 1.0)


def test_what_nobody_held_is_shared_by_all() -> None:
    """Items 0 and 1 are held by users 0 and 1 alike; 6 of item 3 goes to three users."""
    held = torch.tensor([[0, 1], [0, 1], [2, -1]])
    common = Lists.of(np.arange(3), held, HELD, CATALOGUE)
    shares = _shares(torch.tensor([2.0, 4.0, 1.0, 6.0]).double(), common)
    assert shares.tolist() == [1 + 2 + 2, 1 + 2 + 2, 1 + 2]
