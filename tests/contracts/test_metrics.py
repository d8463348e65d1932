"""What every registered metric must satisfy, and broken metrics that must fail it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dvr_ray.metrics import METRICS, Metric, parse
from dvr_ray.seeding import generator

CUTOFFS = (1, 5, 40)


def lists(seed: int, users: int = 60, length: int = 12) -> tuple[Tensor, Tensor]:
    """Hits of random lists and numbers of relevant items, at least the hits and 1."""
    draws = generator(seed, "contract")
    hits = torch.rand(users, length, generator=draws) < torch.rand(users, 1, generator=draws)
    extra = torch.randint(0, 8, (users,), generator=draws)
    return hits, (hits.sum(1) + extra).clamp_min(1)


def values_are_bounded(metric: Metric) -> None:
    values = metric.per_user(*lists(0))
    assert values.shape == (60,)
    assert values.dtype == torch.float64
    assert bool(((values >= 0) & (values <= 1 + 1e-12)).all())


def order_of_users_is_irrelevant(metric: Metric) -> None:
    hits, relevant = lists(1)
    order = torch.randperm(60, generator=generator(1, "order"))
    moved = metric.per_user(hits[order], relevant[order])
    torch.testing.assert_close(moved, metric.per_user(hits, relevant)[order], rtol=0, atol=1e-12)


def shards_merge_by_sums(metric: Metric) -> None:
    hits, relevant = lists(2)
    relevant[:7] += 20  # a shard of users that nobody can serve well
    shards = [slice(0, 7), slice(7, 60)]
    total = sum(float(metric.per_user(hits[part], relevant[part]).sum()) for part in shards)
    assert total / 60 == pytest.approx(float(metric.per_user(hits, relevant).mean()), abs=1e-12)


def perfect_lists_are_best(metric: Metric) -> None:
    """As many relevant items as fit the list, all on top, and no others."""
    relevant = torch.arange(1, min(metric.cutoff, 12) + 1)
    hits = torch.arange(12) < relevant[:, None]
    best = metric.per_user(hits, relevant)
    torch.testing.assert_close(best, torch.ones_like(best), rtol=0, atol=1e-12)


def places_beyond_the_cutoff_are_ignored(metric: Metric) -> None:
    hits, relevant = lists(3)
    changed = hits.clone()
    changed[:, metric.cutoff :] = False
    assert torch.equal(metric.per_user(changed, relevant), metric.per_user(hits, relevant))


def users_without_relevant_items_have_no_value(metric: Metric) -> None:
    hits, relevant = lists(4)
    hits[::3], relevant[::3] = False, 0
    values = metric.per_user(hits, relevant)
    assert torch.equal(values.isnan(), relevant == 0)


CONTRACT = [
    values_are_bounded,
    order_of_users_is_irrelevant,
    shards_merge_by_sums,
    perfect_lists_are_best,
    places_beyond_the_cutoff_are_ignored,
    users_without_relevant_items_have_no_value,
]


@pytest.mark.parametrize("check", CONTRACT)
@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("name", METRICS.names())
def test_metric_keeps_the_contract(name: str, cutoff: int, check: Callable[[Metric], None]) -> None:
    metric = parse(f"{name}@{cutoff}")
    assert isinstance(metric.higher_is_better, bool)
    check(metric)


class Broken(Metric):
    """A recall with one fault."""

    higher_is_better = True

    def __init__(self, fault: str) -> None:
        super().__init__(5)
        self.fault = fault

    def per_user(self, hits: Tensor, relevant: Tensor) -> Tensor:
        kept = hits if self.fault == "whole list" else hits[:, : self.cutoff]
        values = kept.sum(1).double() / relevant.double().where(relevant > 0, torch.nan)
        match self.fault:
            case "counts":
                return kept.sum(1).double() * 1.5
            case "by place in the batch":
                return values * torch.linspace(0.5, 1, len(values), dtype=torch.float64)
            case "by the batch's best":
                return values / values.max()
            case "precision":
                return kept.sum(1).double() / self.cutoff
            case "zero for nothing":
                return values.nan_to_num(0)
        return values


BROKEN = [
    ("counts", values_are_bounded),
    ("by place in the batch", order_of_users_is_irrelevant),
    ("by the batch's best", shards_merge_by_sums),
    ("precision", perfect_lists_are_best),
    ("whole list", places_beyond_the_cutoff_are_ignored),
    ("zero for nothing", users_without_relevant_items_have_no_value),
]


@pytest.mark.parametrize(("fault", "check"), BROKEN)
def test_a_broken_metric_fails_the_contract(fault: str, check: Callable[[Metric], None]) -> None:
    check(Broken("none"))
    with pytest.raises(AssertionError):
        check(Broken(fault))


def test_every_check_has_a_broken_metric() -> None:
    assert [check for _, check in BROKEN] == CONTRACT
