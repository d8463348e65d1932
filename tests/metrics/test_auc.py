"""Area under the ROC curve against a loop over pairs and scikit-learn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.ranking import auc_by_pairs
from sklearn.metrics import roc_auc_score

from dvr_ray.metrics.auc import chance_half_width, roc_auc, roc_curve

cases = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=20).filter(
    lambda rows: len({positive for _, positive in rows}) == 2
)


@settings(deadline=None, max_examples=80)
@given(rows=cases)
def test_auc_equals_the_loop_over_pairs(rows: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([s for s, _ in rows], float), np.array([p for _, p in rows])
    expected = auc_by_pairs(scores.tolist(), positive.tolist())
    assert roc_auc(scores, positive) == pytest.approx(expected, abs=1e-12)
    assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(rows=cases)
def test_the_area_below_the_curve_is_the_auc(rows: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([s for s, _ in rows], float), np.array([p for _, p in rows])
    false, true = roc_curve(scores, positive)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    area = float(np.trapezoid(true, false))
    assert area == pytest.approx(roc_auc(scores, positive), abs=1e-12)


def test_a_curve_of_few_points_keeps_its_ends_and_stays_on_the_curve() -> None:
    random = np.random.default_rng(0)
    scores, positive = random.random(500), random.random(500) < 0.3
    whole = set(zip(*roc_curve(scores, positive, 500), strict=True))
    false, true = roc_curve(scores, positive, 10)
    assert len(false) == 11
    assert set(zip(false, true, strict=True)) <= whole
    assert (false[-1], true[-1]) == (1, 1)


def test_order_of_rows_does_not_break_ties() -> None:
    scores = np.zeros(6)
    assert roc_auc(scores, np.array([True] * 3 + [False] * 3)) == 0.5
    assert roc_auc(scores, np.array([False] * 3 + [True] * 3)) == 0.5


@pytest.mark.parametrize("positive", [True, False])
def test_one_kind_of_rows_has_no_auc(positive: bool) -> None:
    assert np.isnan(roc_auc(np.arange(4.0), np.full(4, positive)))


@pytest.mark.parametrize(("positives", "negatives"), [(1, 4), (3, 3), (2, 5)])
def test_chance_band_is_1_96_sd_over_all_orders(positives: int, negatives: int) -> None:
    """Every choice of places for the positives is equally likely under chance."""
    size = positives + negatives
    areas = []
    for chosen in combinations(range(size), positives):
        areas.append(auc_by_pairs(list(range(size)), [place in chosen for place in range(size)]))
    assert chance_half_width(positives, negatives) == pytest.approx(1.96 * np.std(areas))


def test_no_band_without_both_kinds() -> None:
    assert np.isnan(chance_half_width(0, 5))
    assert np.isnan(chance_half_width(5, 0))
