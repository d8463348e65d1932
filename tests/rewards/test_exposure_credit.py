"""Credit for aggregate metrics is an unbiased gradient: checked by enumerating a tiny game.

Five training rows of three users; under each of the 2^5 masks a model recommends two of four items
to every user, by a rule that depends on the kept rows. All pairs of masks are enumerated with their
probabilities, so there is no sampling error.
"""

from __future__ import annotations

import functools
import itertools
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions
from dvr_ray.metrics import AggregateMetric, Catalogue, ExposureMetric, Lists, parse
from dvr_ray.rewards.credit import CreditRule, advantages

USERS, ITEMS = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 3])
MASKS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=5)), dtype=torch.float64)
ODDS = torch.tensor([0.3, 0.8, 0.5, 0.6, 0.7], dtype=torch.float64)
CHANCE = torch.where(MASKS > 0, ODDS, 1 - ODDS).prod(1)
TRAIN = Interactions(USERS, ITEMS, 3, 4)
HELD = Interactions(np.array([0, 1, 2]), np.array([2, 0, 1]), 3, 4)
GROUPS = torch.tensor([0, 1, 0])
CATALOGUE = Catalogue(3, 4, groups={"gender": GROUPS, "age": GROUPS})
EXPOSURE = ["gini@2", "item-coverage@2", "sp:gender@2", "tv:gender@2"]
ROWS = torch.arange(5)


@functools.cache
def lists(mask: int) -> Lists:
    """Every user is recommended the two items whose kept rows pull most; lower numbers first."""
    pull = torch.zeros(3, 4, dtype=torch.float64)
    for row, kept in enumerate(MASKS[mask].tolist()):
        pull[:, ITEMS[row]] += kept * 0.6
        pull[USERS[row], (ITEMS[row] + 1) % 4] += kept
    items = [sorted(range(4), key=lambda i: (-row[i], i))[:2] for row in pull.tolist()]
    return Lists.of(np.arange(3), torch.tensor(items), HELD, CATALOGUE)


def rewards(name: str) -> Tensor:
    """What each user's list adds under every mask, more is better: shape (32, 3)."""
    metric = parse(name)
    assert isinstance(metric, AggregateMetric)
    sign = 1 if metric.higher_is_better else -1
    every = [lists(mask) for mask in range(len(MASKS))]
    return sign * torch.stack([metric.differences(each, metric.counts(each)) for each in every])


def item_rewards(name: str) -> Tensor:
    """What each item's exposure adds under every mask, more is better: shape (32, 4)."""
    metric = parse(name)
    assert isinstance(metric, ExposureMetric)
    sign = 1 if metric.higher_is_better else -1
    every = [metric.counts(lists(mask)) for mask in range(len(MASKS))]
    return sign * torch.stack([metric.item_differences(counts) for counts in every])


def estimate(
    earned: Tensor, kind: Literal["user", "user+item", "item"], common: Tensor | None
) -> Tensor:
    """Expectation over all pairs of masks of the leave-one-out estimate, shape (5,).

    Items are paid by the users who hold them in ``common``; None: in each mask's own lists.
    """
    rule, total = CreditRule(kind, TRAIN, HELD), torch.zeros(5, dtype=torch.float64)
    for pair in map(list, itertools.product(range(len(MASKS)), repeat=2)):
        advantage = advantages(earned[pair], "leave-one-out")
        credit = []
        for place, mask in enumerate(pair):
            rule.hold(lists(mask).items if common is None else common)
            credit.append(rule(advantage[place : place + 1], ROWS)[0])
        total += CHANCE[pair].prod() * (torch.stack(credit) * (MASKS[pair] - ODDS)).mean(0)
    return total


def gradient(of: Tensor) -> Tensor:
    """Gradient of the expectation of what a row is paid for, (32, 5), in its logit: (5,)."""
    return ((CHANCE[:, None] * of) * (MASKS - ODDS)).sum(0)


def paid_for(earned: Tensor, common: Tensor) -> Tensor:
    """Reward of a row's user, and half that of each user whose common list holds its item."""
    found = earned[:, USERS].clone()
    for row, item in enumerate(ITEMS):
        for user in range(3):
            if item in common[user].tolist():
                found[:, row] += earned[:, user] / 2
    return found


@pytest.mark.parametrize("name", [*EXPOSURE, "eo:gender@2", "usermad:gender@2"])
def test_credit_by_differences_is_the_gradient_of_the_own_users(name: str) -> None:
    earned = rewards(name)
    exact = gradient(earned[:, USERS])
    assert float(exact.abs().max()) > 1e-4
    torch.testing.assert_close(estimate(earned, "user", lists(31).items), exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", EXPOSURE)
def test_credit_of_items_by_the_common_model_is_unbiased(name: str) -> None:
    earned, common = rewards(name), lists(31).items
    exact = gradient(paid_for(earned, common))
    found = estimate(earned, "user+item", common)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-12)


def test_credit_of_items_by_each_masks_own_lists_is_biased() -> None:
    """What would be estimated without bias is the gradient of what each mask's own lists pay."""
    earned = rewards("item-coverage@2")
    own = torch.stack([paid_for(earned[[m]], lists(m).items)[0] for m in range(len(MASKS))])
    found = estimate(earned, "user+item", None)
    assert float((found - gradient(own)).abs().max()) > 1e-3


def test_credits_by_the_common_model_sum_to_0_over_masks_and_by_own_lists_do_not() -> None:
    earned, rule = rewards("item-coverage@2"), CreditRule("user+item", TRAIN, HELD)
    largest = 0.0
    for pair in ([31, other] for other in range(31)):
        advantage = advantages(earned[pair], "leave-one-out")
        rule.hold(lists(31).items)
        assert float(rule(advantage, ROWS).sum(0).abs().max()) < 1e-12
        own = torch.zeros(5, dtype=torch.float64)
        for place, mask in enumerate(pair):
            rule.hold(lists(mask).items)
            own += rule(advantage[place : place + 1], ROWS)[0]
        largest = max(largest, float(own.abs().max()))
    assert largest > 1e-3


def test_no_item_and_no_list_pay_nothing() -> None:
    """User 0 holds items 0 and 1, user 1 item 1 alone, user 2 wasn't ranked for."""
    rule = CreditRule("user+item", TRAIN, HELD)
    rule.hold(torch.tensor([[0, 1], [1, -1], [-1, -1]]))
    found = rule(torch.tensor([[2.0, 10.0, 100.0]]), ROWS)[0]
    by_item = {0: 1.0, 1: 1.0 + 10.0, 2: 0.0, 3: 0.0}
    own = [2.0, 10.0, 100.0]
    expected = [own[u] + by_item[int(i)] for u, i in zip(USERS, ITEMS, strict=True)]
    assert found.tolist() == expected


@pytest.mark.parametrize("name", EXPOSURE)
def test_own_item_credit_is_the_gradient_of_what_the_item_adds(name: str) -> None:
    """Of a mix, users earn another part: a row is paid for its user and for its item."""
    earned = item_rewards(name)
    nobody = torch.full((len(MASKS), 3), torch.nan, dtype=torch.float64)
    exact = gradient(earned[:, ITEMS])
    assert float(exact.abs().max()) > 1e-4
    found = estimate(torch.cat([nobody, earned], 1), "item", lists(31).items)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-12)
    users = rewards("eo:gender@2")
    mixed = estimate(torch.cat([users, earned], 1), "item", lists(31).items)
    torch.testing.assert_close(mixed, exact + gradient(users[:, USERS]), rtol=0, atol=1e-12)
