"""Blocks bound memory and change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from feature_logs import random_log, small_logs
from hypothesis import given, settings

from dvr_ray.data.features.pairs import incidence, pair_statistics, transposed
from dvr_ray.data.interactions import Interactions

FIELDS = (
    "left_out_sum",
    "left_out_mean",
    "left_out_top",
    "plain_mean",
    "largest_cosine",
    "largest_share",
)


@pytest.mark.parametrize("entries", [1, 31, 200, 10**6])
def test_block_size_is_irrelevant_to_pairs(entries: int) -> None:
    log = random_log(2)
    whole, blocked = pair_statistics(log), pair_statistics(log, entries)
    for name in FIELDS:
        np.testing.assert_allclose(
            getattr(blocked, name), getattr(whole, name), rtol=1e-12, err_msg=name
        )


@settings(deadline=None, max_examples=40)
@given(log=small_logs())
def test_transposing_twice_gives_the_log_back(log: Interactions) -> None:
    flipped = transposed(log)
    assert (flipped.num_users, flipped.num_items) == (log.num_items, log.num_users)
    assert (np.diff(flipped.keys) > 0).all()
    back = transposed(flipped)
    np.testing.assert_array_equal(back.keys, log.keys)
    np.testing.assert_array_equal(incidence(flipped).toarray(), incidence(log).toarray().T)
