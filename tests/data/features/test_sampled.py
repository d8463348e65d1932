"""Features of large logs: samples against the exact path, whose own oracles are elsewhere."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from feature_logs import described, random_log, small_logs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.features import FEATURES, FeatureContext
from dvr_ray.data.features.cosines import Cosines
from dvr_ray.data.features.nearest import nearest_cosines
from dvr_ray.data.features.percentiles import sampled_percentiles
from dvr_ray.data.features.sampled import sampled_cosines
from dvr_ray.data.interactions import Interactions, TrialData
from dvr_ray.metrics.auc import roc_auc
from dvr_ray.training.prepare import prepare

NAMES = [field.name for field in fields(Cosines)]
NOISE = {
    "push": {"kind": "push", "targets": 5, "users_per_target": 120},
    "uniform": {"kind": "uniform", "share": 0.3},
}


def exact(log: Interactions) -> FeatureContext:
    return FeatureContext(log, exact_rows=len(log))


def planted(kind: str) -> TrialData:
    changes = {"data.users": 600, "data.items": 300, "method": {"name": "bpr"}}
    return prepare(apply(RunConfig(), changes | {"data.noise": NOISE[kind]}))[0]


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Tastes and popularity: 600 users, 300 items, lists of 10 to 75."""
    return planted("push").train


def giants() -> Interactions:
    """One user with everything, one item of everybody, and users with that item alone."""
    rest = random_log(3, users=50, items=40, rows=200)
    users = np.concatenate([rest.users, np.full(45, 60), np.arange(61)])
    items = np.concatenate([rest.items, np.arange(45), np.full(61, 44)])
    return Interactions.from_pairs(users, items, 62, 46)


@settings(deadline=None, max_examples=60)
@given(log=small_logs())
def test_lists_that_are_compared_whole_are_exact(log: Interactions) -> None:
    found, wanted = sampled_cosines(log, most=log.num_items), exact(log).cosines
    for name in NAMES:
        values = getattr(found, name)
        np.testing.assert_allclose(values, getattr(wanted, name), atol=2e-6, err_msg=name)


def test_a_giant_user_and_a_giant_item_are_exact_too() -> None:
    log = giants()
    found, wanted = sampled_cosines(log, most=45), exact(log).cosines
    for name in NAMES:
        values = getattr(found, name)
        np.testing.assert_allclose(values, getattr(wanted, name), atol=5e-6, err_msg=name)
    few = sampled_cosines(log, most=2)
    assert all(np.isfinite(getattr(few, name)).all() for name in NAMES)


@pytest.mark.parametrize("most", [4, 12])
def test_sampled_sums_keep_their_scale(log: Interactions, most: int) -> None:
    """Every item of a list is taken as often as any other, so means over a list are unbiased."""
    found, wanted = sampled_cosines(log, most=most), exact(log).cosines
    # A row's standard error is at most sd / sqrt(most); over 600 lists it is far less.
    for name in ("item_sum", "item_mean", "user_mean"):
        ratio = getattr(found, name).mean() / getattr(wanted, name).mean()
        assert abs(ratio - 1) < 0.01, name
    np.testing.assert_array_equal(found.largest_share, wanted.largest_share)


def test_the_top_of_a_sample_stands_for_the_top_of_the_list(log: Interactions) -> None:
    """Uncorrected, the mean of the five largest of 12 lies well below that of 40 others."""
    long = log.user_counts[log.users] > 40
    found, wanted = sampled_cosines(log, most=12).item_top, exact(log).cosines.item_top
    assert abs(found[long].mean() / wanted[long].mean() - 1) < 0.08
    assert spearmanr(found[long], wanted[long]).statistic > 0.7


@pytest.mark.parametrize(
    ("name", "least"),
    [("item_mean", 0.93), ("item_top", 0.85), ("user_mean", 0.88), ("item_coherence", 0.93)],
)
def test_ranks_of_half_a_list_are_those_of_all(log: Interactions, name: str, least: float) -> None:
    """Of 30 others on average 16 are taken; with 4 of them every rank correlation is below."""
    found, wanted = sampled_cosines(log, most=16), exact(log).cosines
    assert spearmanr(getattr(found, name), getattr(wanted, name)).statistic > least


@pytest.mark.parametrize("entries", [1, 300, 5000])
def test_blocks_and_repeats_change_nothing(log: Interactions, entries: int) -> None:
    few = random_log(2)
    whole, blocked = sampled_cosines(few, 3), sampled_cosines(few, 3, entries)
    for name in NAMES:
        np.testing.assert_allclose(getattr(blocked, name), getattr(whole, name), rtol=1e-5)
    score = exact(log).cosines.item_sum
    placed = sampled_percentiles(log, score, 40)
    np.testing.assert_array_equal(sampled_percentiles(log, score, 40, entries), placed)
    nearest = nearest_cosines(log)
    np.testing.assert_array_equal(nearest_cosines(log, block_entries=entries * 100), nearest)


@settings(deadline=None, max_examples=60)
@given(log=small_logs())
def test_percentiles_among_all_are_exact_to_half_a_place(log: Interactions) -> None:
    """Interpolation moves a row within the gap between two scores, which is one place wide."""
    context = exact(log)
    wanted = FEATURES.get("neighbourhood")().compute(context)
    found = sampled_percentiles(log, context.cosines.item_sum, samples=10**6)
    others = log.num_items - log.user_counts[log.users], log.num_users - log.item_counts[log.items]
    places = np.maximum(np.stack(others, axis=1), 1)
    assert (np.abs(found - wanted) * places).max() <= 0.5 + 1e-3
    assert found.min() >= 0 and found.max() <= 1


def test_percentiles_among_few_are_near(log: Interactions) -> None:
    """The standard error among S uniform samples is at most .5 / sqrt(S), by size it is less."""
    context = exact(log)
    wanted = FEATURES.get("neighbourhood")().compute(context)
    found = sampled_percentiles(log, context.cosines.item_sum, samples=64)
    assert np.sqrt(((found - wanted) ** 2).mean(0)).max() < 0.5 / 8
    assert abs((found - wanted).mean(0)).max() < 0.02
    assert min(spearmanr(found[:, side], wanted[:, side]).statistic for side in (0, 1)) > 0.97


def test_nearest_users_are_found_and_never_too_near(log: Interactions) -> None:
    found, wanted = nearest_cosines(log), exact(log).nearest
    assert (found <= wanted + 1e-6).all()
    assert (found > wanted - 1e-6).mean() > 0.8
    assert spearmanr(found, wanted).statistic > 0.97


@pytest.mark.parametrize("compared", [10**9, 600 * 100])
def test_copies_of_a_list_are_found(log: Interactions, compared: int) -> None:
    """Also where users are compared in groups of 100 only."""
    copied = np.arange(0, 600, 20)
    rows = np.flatnonzero(np.isin(log.users, copied))
    users = np.concatenate([log.users, 600 + log.users[rows] // 20])
    items = np.concatenate([log.items, log.items[rows]])
    both = Interactions.from_pairs(users, items, 630, log.num_items)
    found = nearest_cosines(both, compared)
    np.testing.assert_allclose(found[600:], 1, atol=1e-5)
    assert (found[np.setdiff1d(np.arange(600), copied)] < 0.999).all()


def test_nearest_of_logs_with_nobody_to_compare() -> None:
    alone = Interactions.from_pairs(np.zeros(3), np.arange(3), 2, 3)
    assert nearest_cosines(alone).tolist() == [0, 0]
    same = giants()
    np.testing.assert_allclose(nearest_cosines(same), exact(same).nearest, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(NOISE))
def test_planted_rows_are_told_as_well_from_samples(kind: str) -> None:
    """Half of the lists, a fifth of the items and a tenth of the users are drawn."""
    data = planted(kind)
    train, real = data.train, data.planted
    assert real is not None
    real = ~real
    context, few = exact(train), sampled_cosines(train, most=16)
    placed = sampled_percentiles(train, few.item_sum, samples=60)
    wanted = FEATURES.get("neighbourhood")().compute(context)
    pairs = [(placed[:, side], wanted[:, side]) for side in (0, 1)]
    pairs += [
        (getattr(few, name), getattr(context.cosines, name))
        for name in ("item_mean", "item_top", "user_mean")
    ]
    pairs += [(nearest_cosines(train)[train.users], context.nearest[train.users])]
    pairs += [(few.item_coherence[train.items], context.cosines.item_coherence[train.items])]
    for column, (found, true) in enumerate(pairs):
        assert roc_auc(found, real) == pytest.approx(roc_auc(true, real), abs=0.03), column
    if kind == "push":
        assert roc_auc(few.largest_share[train.items], real) > 0.95


@pytest.mark.parametrize("name", FEATURES.names())
@settings(deadline=None, max_examples=25)
@given(log=small_logs(), seed=st.integers(0, 2**32 - 1))
def test_families_are_finite_and_repeatable(name: str, log: Interactions, seed: int) -> None:
    known = described(log, seed)
    tables = {"user_table": known.user_table, "item_table": known.item_table}
    found = [
        FEATURES.get(name)().compute(
            FeatureContext(log, known.losses, **tables, times=known.times, exact_rows=0)
        )
        for _ in range(2)
    ]
    assert found[0].shape == (len(log), len(FEATURES.get(name).columns))
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(found[0], found[1])


def test_samples_begin_beyond_the_exact_rows() -> None:
    log = random_log(4)
    assert FeatureContext(log, exact_rows=len(log)).exact
    assert not FeatureContext(log, exact_rows=len(log) - 1).exact
    assert FeatureContext(log).exact
