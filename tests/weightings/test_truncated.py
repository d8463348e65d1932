"""The truncated loss keeps the smallest losses of the global batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles.losses import truncated_weights
from triplets import make_backbone, make_batch, make_weighting

from dvr_ray.weightings.truncated import Truncated, _smallest


@pytest.mark.parametrize("step", [0, 1, 7, 10, 500])
@pytest.mark.parametrize("count", [1, 3])
def test_weights_are_those_of_the_slow_version(step: int, count: int) -> None:
    weighting = make_weighting(Truncated, rate=0.3, gradual=10)
    rows = torch.randperm(400, generator=torch.Generator().manual_seed(step))[:57]
    triplets = make_batch(make_backbone(), rows, count=count, step=step)
    expected = truncated_weights(rows.tolist(), triplets.losses.tolist(), 0.3, 10, step)
    found = weighting.weigh(0, triplets)
    assert found is not None and not found.requires_grad
    assert found.tolist() == pytest.approx(expected, rel=1e-12)
    if step >= 10:
        assert int((found == 0).sum()) == 57 - 39


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 1000), st.data())
def test_ties_break_by_row_whatever_the_order(
    losses: list[int], seed: int, data: st.DataObject
) -> None:
    """Then it doesn't matter who holds which triplet."""
    count = data.draw(st.integers(1, len(losses)))
    rows, values = torch.arange(len(losses)) * 3, torch.tensor(losses).double()
    order = torch.randperm(len(losses), generator=torch.Generator().manual_seed(seed))
    first = _smallest(rows, values, count)
    assert first.tolist() == _smallest(rows[order], values[order], count).tolist()
    assert first.tolist() == [
        row for _, row in sorted(zip(losses, rows.tolist(), strict=True))
    ][:count]  # fmt: skip


def test_one_triplet_is_always_kept() -> None:
    weighting = make_weighting(Truncated, rate=0.9, gradual=1)
    found = weighting.weigh(0, make_batch(make_backbone(), torch.tensor([5]), step=1))
    assert found is not None and found.tolist() == [1.0]


def test_rounding_costs_no_triplet() -> None:
    """A tenth of ten is kept, though 1 - 0.9 is a little less than a tenth in binary."""
    weighting = make_weighting(Truncated, rate=0.9, gradual=1)
    rows = torch.arange(20)
    found = weighting.weigh(0, make_batch(make_backbone(), rows, step=1))
    assert found is not None and int((found > 0).sum()) == 2
