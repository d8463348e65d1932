"""What every registered metric must satisfy, and broken metrics that must fail it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from metric_cases import every_name, lists_of, random_case
from torch import Tensor

from dvr_ray.collective import OneProcess
from dvr_ray.metrics import METRICS, AggregateMetric, Lists, Metric, Tally, UserMetric, parse
from dvr_ray.metrics.catalogue import ATTRIBUTES
from dvr_ray.metrics.needs import lacking
from dvr_ray.seeding import generator

CUTOFFS = (1, 5, 40)
USERS, ITEMS, LENGTH = 30, 100, 12


@functools.cache
def lists(seed: int) -> Lists:
    """Random lists of users, some of whom have more relevant items than places."""
    return lists_of(random_case(seed, users=USERS, items=ITEMS, cutoff=LENGTH))


def measured(metric: Metric, *blocks: Lists) -> tuple[float, Tensor]:
    """Value, and values of users or counts."""
    tally = Tally({"m": metric}, Lists.none(blocks[0].catalogue, blocks[0].embeddings))
    for block in blocks:
        tally.add(block)
    tally.merge(OneProcess())
    kept = tally.per_user("m") if isinstance(metric, UserMetric) else tally.counts("m")
    return tally.value("m"), kept


def it_says_what_it_is(metric: Metric) -> None:
    assert isinstance(metric.higher_is_better, bool)
    assert metric.kind in {"per user", "aggregate"}
    assert metric.source
    known = {"catalogue", "popularity", "category", "embeddings", *ATTRIBUTES}
    assert set(metric.needs) <= known
    assert not lacking(metric.needs, lists(0).catalogue)


def values_are_finite(metric: Metric) -> None:
    whole = lists(0)
    value, kept = measured(metric, whole)
    assert 0 <= value <= 8
    assert kept.dtype == torch.float64
    if isinstance(metric, UserMetric):
        assert metric.per_user(whole.first(metric.cutoff)).shape == (len(whole),)
        assert not metric.needs or int(kept.isnan().sum()) < USERS
        there = kept[whole.users]
        assert metric.needs or bool(((there >= 0) & (there <= 1 + 1e-12)).all())


def order_of_users_is_irrelevant(metric: Metric) -> None:
    whole = lists(1)
    order = torch.randperm(len(whole), generator=generator(1, "order")).tolist()
    single = torch.arange(len(whole))
    moved = Lists.joined([whole.rows(single == place) for place in order])
    torch.testing.assert_close(measured(metric, moved), measured(metric, whole), equal_nan=True)


def shards_merge_by_sums(metric: Metric) -> None:
    whole = lists(2)
    first = torch.arange(len(whole)) < 7
    found = measured(metric, whole.rows(first), whole.rows(~first))
    torch.testing.assert_close(found, measured(metric, whole), equal_nan=True)


def perfect_lists_are_best(metric: Metric) -> None:
    """Of metrics that read hits alone: no list beats one with hits on all places it can have."""
    if metric.needs or not isinstance(metric, UserMetric):
        return
    whole = lists(3).first(metric.cutoff)
    places = torch.arange(whole.items.shape[1])
    perfect = replace(whole, hits=places < whole.relevant[:, None])
    better = metric.per_user(perfect) - metric.per_user(whole)
    assert bool(((better if metric.higher_is_better else -better) >= -1e-12).all())
    assert measured(metric, perfect)[0] != measured(metric, whole)[0]


def differences_are_what_leaving_a_list_out_changes(metric: Metric) -> None:
    if not isinstance(metric, AggregateMetric):
        return
    whole = lists(5).first(metric.cutoff)
    counts = metric.counts(whole)
    found = metric.differences(whole, counts)
    for user in range(0, len(whole), 7):
        rest = metric.counts(whole.rows(torch.arange(len(whole)) != user))
        expected = metric.value(counts) - metric.value(rest)
        torch.testing.assert_close(found[user], expected, rtol=0, atol=1e-12)


CONTRACT = [
    it_says_what_it_is,
    values_are_finite,
    order_of_users_is_irrelevant,
    shards_merge_by_sums,
    perfect_lists_are_best,
    differences_are_what_leaving_a_list_out_changes,
]


@pytest.mark.parametrize("check", CONTRACT)
@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("name", every_name())
def test_metric_keeps_the_contract(name: str, cutoff: int, check: Callable[[Metric], None]) -> None:
    least = METRICS.get(name.partition(":")[0]).least
    check(parse(f"{name}@{max(cutoff, least)}"))


class BrokenUser(UserMetric):
    """A recall with one fault."""

    higher_is_better = True
    source = "this test"

    def __init__(self, fault: str) -> None:
        super().__init__(5)
        self.fault = fault

    def per_user(self, lists: Lists) -> Tensor:
        values = lists.hits.sum(1).double() / lists.relevant
        match self.fault:
            case "more than one":
                return values * 9
            case "by place in the block":
                return values * torch.linspace(0.5, 1, len(values), dtype=torch.float64)
            case "by the block's best":
                return values / values.max()
            case "misses":
                return 1 - values
        return values


class BrokenAggregate(AggregateMetric):
    """A share of the catalogue with one fault."""

    higher_is_better = True
    source = "this test"
    needs = ("catalogue",)

    def __init__(self, fault: str) -> None:
        super().__init__(5)
        self.fault = fault
        self.source = "" if fault == "no source" else self.source

    def counts(self, lists: Lists) -> Tensor:
        shown = lists.items[lists.items >= 0]
        if self.fault == "first place of the block":
            shown = shown[:1]
        return torch.bincount(shown, minlength=ITEMS).double()

    def value(self, counts: Tensor) -> Tensor:
        return (counts > 0).double().mean()

    def differences(self, lists: Lists, counts: Tensor) -> Tensor:
        alone = counts <= 1 if self.fault != "held by two" else counts == 2
        there = lists.items >= 0
        return (alone[lists.items.clamp_min(0)] & there).sum(1).double() / ITEMS


BROKEN: list[tuple[type[Metric], str, Callable[[Metric], None]]] = [
    (BrokenAggregate, "no source", it_says_what_it_is),
    (BrokenUser, "more than one", values_are_finite),
    (BrokenUser, "by place in the block", order_of_users_is_irrelevant),
    (BrokenUser, "by the block's best", shards_merge_by_sums),
    (BrokenUser, "misses", perfect_lists_are_best),
    (BrokenAggregate, "held by two", differences_are_what_leaving_a_list_out_changes),
]


@pytest.mark.parametrize(("kind", "fault", "check"), BROKEN)
def test_a_broken_metric_fails_the_contract(
    kind: Callable[[str], Metric], fault: str, check: Callable[[Metric], None]
) -> None:
    check(kind("none"))
    with pytest.raises(AssertionError):
        check(kind(fault))


def test_every_check_has_a_broken_metric() -> None:
    assert [check for _, _, check in BROKEN] == CONTRACT
