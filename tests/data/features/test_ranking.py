"""Gauss-ranks, and which families static features hold."""

from __future__ import annotations

import numpy as np
import pytest
from feature_logs import described, random_log
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import norm

from dvr_ray.data.features import (
    FEATURES,
    FeatureContext,
    gauss_rank,
    loss_features,
    static_features,
)
from dvr_ray.errors import ConfigError

columns = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 25), st.integers(1, 3)),
    elements=st.integers(-4, 4).map(float),
)


@settings(deadline=None, max_examples=80)
@given(values=columns)
def test_gauss_rank_is_the_quantile_of_the_mid_rank(values: np.ndarray) -> None:
    """Mid-rank of a value: as many as lie below, plus half of its equals (itself among them)."""
    found = gauss_rank(values)
    assert found.dtype == np.float32
    for place, value in np.ndenumerate(values):
        column = values[:, place[1]].tolist()
        middle = sum(v < value for v in column) + sum(v == value for v in column) / 2
        assert found[place] == pytest.approx(norm.ppf(middle / len(column)), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(values=columns)
def test_gauss_rank_sees_order_alone_and_is_odd(values: np.ndarray) -> None:
    np.testing.assert_array_equal(gauss_rank(np.exp(values)), gauss_rank(values))
    np.testing.assert_allclose(gauss_rank(-values), -gauss_rank(values), atol=1e-6)


def test_a_constant_column_is_zero() -> None:
    assert not gauss_rank(np.full((7, 2), 3.0)).any()


def test_distinct_values_look_standard_normal() -> None:
    found = gauss_rank(np.random.default_rng(0).random((5000, 1)))
    assert abs(float(found.mean())) < 1e-6
    assert float(found.std()) == pytest.approx(1, abs=0.01)


def test_static_features_are_the_ranked_families() -> None:
    known = described(random_log(3), 3)
    names = [name for name in FEATURES.names() if not FEATURES.get(name).needs_losses]
    found = static_features(known.context(), names)
    assert list(found) == names
    assert "loss" not in names
    for name in names:
        assert found[name].shape == (len(known.log), len(FEATURES.get(name).columns))
        assert found[name].dtype == np.float32


def test_loss_features_rank_both_columns() -> None:
    log = random_log(4)
    losses = np.random.default_rng(4).random(len(log))
    found = loss_features(log, losses)
    assert found.shape == (len(log), 2)
    np.testing.assert_array_equal(np.argsort(found[:, 0]), np.argsort(-losses.astype(np.float32)))


def test_sums_that_differ_by_rounding_alone_tie() -> None:
    """Disjoint copies of one block of users and items: its rows must rank alike in every copy.

    The other rows lie between the copies, so that the copies are summed in different orders.
    """
    block = random_log(5, users=9, items=8, rows=45)
    users = np.concatenate([block.users, 8 - block.users + 9])
    items = np.concatenate([block.items, 7 - block.items + 8])
    log = type(block).from_pairs(users, items, 18, 16)
    mirror = np.searchsorted(
        log.keys, np.concatenate([(17 - log.users) * 16 + 15 - log.items]).astype(np.int64)
    )
    names = ["agreement", "coherence", "overlap"]
    for name, values in static_features(FeatureContext(log), names).items():
        np.testing.assert_array_equal(values, values[mirror], err_msg=name)


def test_an_unknown_family_is_an_error() -> None:
    with pytest.raises(ConfigError, match="unknown feature 'agreemnt'"):
        static_features(FeatureContext(random_log(6)), ["agreemnt"])
