"""What every registered family of features must hold; blocks of percentiles change nothing.

The contract also runs on a family that breaks it, which must fail.
"""

from __future__ import annotations

import numpy as np
import pytest
from feature_logs import described, random_log, relabelled, small_logs
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.data.features import FEATURES, Feature, FeatureContext, gauss_rank
from dvr_ray.data.features.neighbourhood import left_out_percentiles
from dvr_ray.data.features.pairs import incidence
from dvr_ray.data.interactions import Interactions

NAMES = FEATURES.names()


def check_contract(family: type[Feature], log: Interactions, seed: int) -> None:
    """Finite, of the shape that the columns say, and blind to how users and items are numbered."""
    known = described(log, seed)
    found = family().compute(known.context())
    assert found.shape == (len(log), len(family.columns))
    assert np.isfinite(found).all()
    assert gauss_rank(found).dtype == np.float32
    moved, order = relabelled(known, seed)
    again = family().compute(moved.context())
    np.testing.assert_allclose(again, found[order], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=25)
@given(log=small_logs(), seed=st.integers(0, 2**32 - 1))
def test_family_keeps_the_contract_on_small_logs(name: str, log: Interactions, seed: int) -> None:
    check_contract(FEATURES.get(name), log, seed)


@pytest.mark.parametrize("name", NAMES)
def test_family_keeps_the_contract_on_longer_lists(name: str) -> None:
    check_contract(FEATURES.get(name), random_log(8), 8)


class Numbered(Feature):
    """Breaks the contract: it reads how users are numbered."""

    columns = ("number of the user",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        return context.train.users[:, None].astype(np.float64)


class Undefined(Feature):
    """Breaks the contract: not a number."""

    columns = ("nothing",)

    def compute(self, context: FeatureContext) -> np.ndarray:
        return np.full((len(context.train), 1), np.nan)


@pytest.mark.parametrize("broken", [Numbered, Undefined])
def test_a_broken_family_fails_the_contract(broken: type[Feature]) -> None:
    with pytest.raises(AssertionError):
        check_contract(broken, random_log(8), 8)


@pytest.mark.parametrize("entries", [1, 65, 300, 10**6])
def test_block_size_is_irrelevant_to_percentiles(entries: int) -> None:
    log = random_log(9)
    left = incidence(log)
    right = (left.T @ left).tocsr()
    score = np.random.default_rng(9).random(len(log)) * right.max()
    whole = left_out_percentiles(log, left, right, score)
    assert 0 <= whole.min() < 0.5 < whole.max() <= 1
    np.testing.assert_array_equal(left_out_percentiles(log, left, right, score, entries), whole)
