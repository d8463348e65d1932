"""Every metric against its definition in loops, and what a list adds against leaving it out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from metric_cases import drawn, every_name, lists_of, oracle_case, random_case
from oracles import lists as oracles

from dvr_ray.collective import OneProcess
from dvr_ray.metrics import (
    METRICS,
    AggregateMetric,
    ExposureMetric,
    GroupMetric,
    Lists,
    Tally,
    parse,
    score,
)
from dvr_ray.metrics.chance import permutation_null, sampling_error

AGGREGATE = [name for name in every_name() if parse(f"{name}@2").kind == "aggregate"]


EXPOSURE = [name for name in AGGREGATE if isinstance(parse(f"{name}@2"), ExposureMetric)]


def _stem(name: str) -> str:
    return name.partition(":")[0]


def test_every_metric_has_an_oracle() -> None:
    assert set(oracles.METRICS) == set(METRICS.names())


@pytest.mark.parametrize("name", every_name())
@settings(deadline=None, max_examples=20)
@given(case=drawn())
def test_metric_equals_its_loops(name: str, case: oracles.Case) -> None:
    """Through the tally, in two blocks; lists may be shorter than K, a group may be empty."""
    assume(case.cutoff >= METRICS.get(_stem(name)).least)
    metric = parse(f"{name}@{case.cutoff}")
    lists = lists_of(case)
    found = Tally({"m": metric}, Lists.none(lists.catalogue, lists.embeddings))
    first = torch.arange(len(lists)) < len(lists) // 2
    found.add(lists.rows(first))
    found.add(lists.rows(~first))
    expected = oracles.METRICS[_stem(name)](oracle_case(case))
    value = found.merge(OneProcess()).value("m")
    assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", every_name())
@settings(deadline=None, max_examples=10)
@given(case=drawn(whole=True))
def test_score_equals_the_loops(name: str, case: oracles.Case) -> None:
    """Users without relevant items, and their lists, are left out."""
    assume(case.cutoff >= METRICS.get(_stem(name)).least)
    compared = issubclass(METRICS.get(_stem(name)), GroupMetric)
    assume(not compared or len({*case.groups} - {"unknown"}) > 1)
    value = score(
        f"{name}@{case.cutoff}",
        np.array(case.lists),
        [np.array(sorted(wanted), dtype=np.int64) for wanted in case.relevant],
        item_categories=[tuple(each) for each in case.categories],
        user_groups=list(case.groups),
        item_popularity=np.array(case.popularity),
        item_embeddings=np.array(case.embeddings),
    )
    expected = oracles.METRICS[_stem(name)](oracle_case(case))
    assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", AGGREGATE)
@settings(deadline=None, max_examples=20)
@given(case=drawn())
def test_differences_equal_leaving_the_list_out(name: str, case: oracles.Case) -> None:
    metric = parse(f"{name}@{case.cutoff}")
    assert isinstance(metric, AggregateMetric)
    lists, known = lists_of(case), oracle_case(case)
    measure = oracles.METRICS[_stem(name)]
    found = metric.differences(lists, metric.counts(lists))
    for user in range(len(lists)):
        expected = measure(known) - measure(oracles.without(known, user))
        assert float(found[user]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", EXPOSURE)
@settings(deadline=None, max_examples=40)
@given(case=drawn())
def test_item_differences_equal_taking_the_item_out(name: str, case: oracles.Case) -> None:
    """Of every list; a group may be shown nothing else, and most items may be shown to nobody."""
    metric = parse(f"{name}@{case.cutoff}")
    assert isinstance(metric, ExposureMetric)
    known, measure = oracle_case(case), oracles.METRICS[_stem(name)]
    found = metric.item_differences(metric.counts(lists_of(case))).tolist()
    assert len(found) == case.items
    shown = {item for each in known.lists for item in each}
    for item in range(case.items):
        expected = measure(known) - measure(oracles.without_item(known, item))
        assert found[item] == pytest.approx(expected, abs=1e-12)
        assert item in shown or found[item] == 0


@pytest.mark.parametrize("name", EXPOSURE)
def test_own_exposure_moves_metric_and_item_difference_alike(name: str) -> None:
    """One more user is shown item 0 and nothing else changes: G and E_0 move by the same amount."""
    case = random_case(5, users=30, items=12, cutoff=4, whole=True)
    metric = parse(f"{name}@4")
    assert isinstance(metric, ExposureMetric)
    lists = lists_of(case)
    place = next(
        n for n, row in enumerate(lists.items) if 0 not in row and _known(metric, lists, n)
    )
    more = lists.items.clone()
    more[place, -1] = 0
    less = lists.items.clone()
    less[place, -1] = -1
    counts = [metric.counts(replace(lists, items=items)) for items in (less, more)]
    moved = metric.value(counts[1]) - metric.value(counts[0])
    own = metric.item_differences(counts[1])[0] - metric.item_differences(counts[0])[0]
    assert float(moved) == pytest.approx(float(own), abs=1e-12)
    assert name == "item-coverage" or abs(float(moved)) > 1e-6


def _known(metric: ExposureMetric, lists: Lists, place: int) -> bool:
    return not isinstance(metric, GroupMetric) or int(metric.groups(lists)[0][place]) >= 0


def test_single_categories_make_ild_the_share_of_different_pairs() -> None:
    """DVR's form: of the pairs of (a, b, a), two of three differ."""
    found = score(
        "ild-category@3", np.array([[0, 1, 2]]), [np.array([0])], item_categories=["a", "b", "a"]
    )
    assert found == pytest.approx(2 / 3)


def test_gini_is_0_for_equal_and_near_1_for_one_item() -> None:
    """All of 4 items once: 0. One of 4 items only: (2 * 4 - 4 - 1) / 4 = 3/4."""
    lists = np.array([[0], [1], [2], [3]])
    relevant = [np.array([0])] * 4
    assert score("gini@1", lists, relevant, num_items=4) == 0
    assert score("gini@1", np.zeros((4, 1), dtype=int), relevant, num_items=4) == 0.75


def test_a_fair_recommender_has_no_parity_gap_whatever_the_groups_sizes() -> None:
    """70 and 30 users with the same list; counts alone would differ by .4 of their sum."""
    lists = np.tile(np.arange(5), (100, 1))
    groups = ["a"] * 70 + ["b"] * 30
    found = score("sp:gender@5", lists, [np.array([0])] * 100, num_items=9, user_groups=groups)
    assert found == pytest.approx(0, abs=1e-12)


def _random_groups(users: int = 300) -> Lists:
    rng = np.random.default_rng(0)
    case = oracles.Case(
        lists=[rng.permutation(40)[:5].tolist() for _ in range(users)],
        relevant=[set(rng.permutation(40)[:6].tolist()) for _ in range(users)],
        cutoff=5,
        items=40,
        users=users,
        categories=[{"a"}] * 40,
        popularity=[1] * 40,
        groups=rng.choice(["F", "M", "unknown"], users, p=[0.3, 0.6, 0.1]).tolist(),
        embeddings=[[1.0]] * 40,
    )
    return lists_of(case)


@pytest.mark.parametrize("name", ["eo", "sp", "tv", "usermad"])
def test_null_is_what_random_groups_give(name: str) -> None:
    """The groups above are random: the value lies within the spread of other random groups."""
    metric, lists = parse(f"{name}:gender@5"), _random_groups()
    assert isinstance(metric, GroupMetric)
    null = permutation_null(metric, lists)
    assert null == permutation_null(metric, lists) > 0
    value = float(metric.value(metric.counts(lists)))
    error = sampling_error(metric, lists, metric.counts(lists))
    assert abs(value - null) < 5 * max(error, 0.01)


def test_error_of_a_gap_of_means_is_the_textbooks() -> None:
    """For two groups: sqrt(n / (n - 1) sum_g var_g / (n_g - 1)), up to the jackknife's n."""
    metric, lists = parse("eo:gender@5"), _random_groups()
    assert isinstance(metric, GroupMetric)
    recall = lists.hits.sum(1).double() / lists.relevant
    groups = metric.groups(lists)[0]
    parts = [recall[groups == g] for g in (0, 1)]
    expected = math.sqrt(sum(float(p.var(correction=0)) / (len(p) - 1) for p in parts))
    found = sampling_error(metric, lists, metric.counts(lists))
    assert found == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("gini@2", "num_items"), ("novelty@2", "item_popularity"), ("cc-rel@2", "item_categories"),
        ("eo:age@2", "user_groups"), ("ild-embedding@2", "item_embeddings"),
    ],
)  # fmt: skip
def test_score_names_the_argument_that_is_missing(name: str, argument: str) -> None:
    from dvr_ray.errors import DataError

    with pytest.raises(DataError, match=f"{name} needs {argument}"):
        score(name, np.array([[0, 1], [1, 2]]), [np.array([0])] * 2)
