"""The interval of an AUC against loops over pairs, and how often it holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.clustered import influences, two_way
from scipy.stats import norm, t

from dvr_ray.metrics.auc import roc_auc
from dvr_ray.metrics.auc_interval import Rows, auc_difference, auc_interval

CASES = st.lists(
    st.tuples(
        st.integers(-3, 3), st.integers(-3, 3), st.booleans(), st.integers(0, 3), st.integers(0, 2)
    ),
    min_size=4,
    max_size=14,
).filter(lambda rows: len({row[2] for row in rows}) == 2)
Case = list[tuple[int, int, bool, int, int]]


def _columns(case: Case) -> tuple[np.ndarray, np.ndarray, Rows]:
    first, second, real, users, items = (np.array(column) for column in zip(*case, strict=True))
    return first.astype(float), second.astype(float), Rows(real, users, items)


def _half_width(pulls: list[float], case: Case) -> float:
    """By the oracle: standard error, small-sample factor and Student's t."""
    _, _, real, users, items = (list(column) for column in zip(*case, strict=True))
    clusters = [
        len({o for o, r in zip(owners, real, strict=True) if not r}) for owners in (users, items)
    ]
    fewest = max(min(clusters), 2)
    variance = two_way(pulls, users, items) * fewest / (fewest - 1)
    return float(t.ppf(0.975, fewest - 1)) * math.sqrt(variance)


@settings(deadline=None, max_examples=80)
@given(case=CASES)
def test_interval_equals_the_loops(case: Case) -> None:
    scores, _, rows = _columns(case)
    found = auc_interval(scores, rows)
    width = _half_width(influences(scores.tolist(), rows.real.tolist()), case)
    assert found.value == roc_auc(scores, rows.real)
    assert found.low == pytest.approx(max(found.value - width, 0), abs=1e-9)
    assert found.high == pytest.approx(min(found.value + width, 1), abs=1e-9)


@settings(deadline=None, max_examples=80)
@given(case=CASES)
def test_difference_equals_the_loops(case: Case) -> None:
    first, second, rows = _columns(case)
    real = rows.real.tolist()
    pulls = [
        a - b
        for a, b in zip(
            influences(first.tolist(), real), influences(second.tolist(), real), strict=True
        )
    ]
    found = auc_difference(first, second, rows)
    assert found.value == pytest.approx(roc_auc(first, rows.real) - roc_auc(second, rows.real))
    assert found.high - found.low == pytest.approx(2 * _half_width(pulls, case), abs=1e-9)


def test_a_score_has_no_lead_over_itself() -> None:
    rng = np.random.default_rng(0)
    rows = Rows(np.arange(60) % 3 > 0, rng.integers(0, 9, 60), rng.integers(0, 7, 60))
    scores = rng.normal(size=60)
    found = auc_difference(scores, scores.copy(), rows)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_scaling_and_order_of_rows_change_nothing() -> None:
    rng = np.random.default_rng(1)
    scores, order = rng.normal(size=80), rng.permutation(80)
    rows = Rows(rng.random(80) < 0.6, rng.integers(0, 9, 80), rng.integers(0, 7, 80))
    moved = Rows(rows.real[order], rows.users[order], rows.items[order])
    first, second = auc_interval(scores, rows), auc_interval(3 * scores[order] + 1, moved)
    assert first.value == pytest.approx(second.value) and first.low == pytest.approx(second.low)


def _push(rng: np.random.Generator) -> tuple[np.ndarray, Rows]:
    """A push of 12 targets, whose values have a part that all rows of a target share.

    Real rows: N(0, 1). Planted rows: -.5 + .8 N(target) + .6 N(row), so that a real row lies above
    a planted one with probability Phi(.5 / sqrt(2)) = .638.
    """
    real = np.arange(520) < 400
    users, items = rng.integers(0, 80, 520), rng.integers(12, 150, 520)
    items[~real] = np.repeat(np.arange(12), 10)
    planted = -0.5 + 0.8 * rng.normal(size=12)[items[~real]] + 0.6 * rng.normal(size=120)
    return np.concatenate([rng.normal(size=400), planted]), Rows(real, users, items)


def test_interval_covers_the_truth_where_targets_share_their_values() -> None:
    """95% of 400 draws, less three standard errors of such a count, .033; rows alone fail."""
    rng, truth = np.random.default_rng(3), float(norm.cdf(0.5 / math.sqrt(2)))
    covered, alone = 0, 0
    for _ in range(400):
        scores, rows = _push(rng)
        found = auc_interval(scores, rows)
        covered += found.low <= truth <= found.high
        each = np.arange(len(scores))
        naive = auc_interval(scores, Rows(rows.real, each, each))
        alone += naive.low <= truth <= naive.high
    assert covered / 400 > 0.95 - 0.033
    assert alone / 400 < 0.8
