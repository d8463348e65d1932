"""Graphs of alike rows against a search over all thresholds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles.backbones import cosine_links

import dvr_ray.backbones.similarity as module
from dvr_ray.backbones.similarity import cosine_graph

ROWS = st.lists(st.sets(st.integers(0, 6)), min_size=2, max_size=9)


def _matrix(rows: list[set[int]]) -> sp.csr_matrix:
    dense = np.zeros((len(rows), 7))
    for row, columns in enumerate(rows):
        dense[row, list(columns)] = 1
    return sp.csr_matrix(dense)


# 3 / sqrt(3 * 6) and 1 / sqrt(1 * 2) are equal cosines, but not equal floats.
@example([{0, 1, 2}, {0, 1, 2, 3, 4, 5}, {6}, {6, 0}], 0.5, 1 << 20)
@settings(max_examples=60, deadline=None)
@given(ROWS, st.floats(1, 4), st.sampled_from([1, 10, 1 << 20]))
def test_links_are_those_of_the_best_threshold(
    rows: list[set[int]], degree: float, entries: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ENTRIES", entries)
        graph = cosine_graph(_matrix(rows), degree).toarray()
    expected = np.zeros((len(rows), len(rows)))
    for a, b in cosine_links(rows, degree):
        expected[a, b] = expected[b, a] = 1
    assert np.array_equal(graph, expected)
