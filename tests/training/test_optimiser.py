"""Row-wise Adam: the numbers of torch's SparseAdam."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import embedding

from dvr_ray.training.exchange import sum_rows
from dvr_ray.training.optimiser import RowAdam

ROWS = 7


@settings(max_examples=30, deadline=None)
@given(batches=st.lists(st.lists(st.integers(0, ROWS - 1), max_size=12), min_size=1, max_size=8))
def test_row_adam_steps_as_sparse_adam(batches: list[list[int]]) -> None:
    start = torch.randn(ROWS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected, found = (start.clone().requires_grad_() for _ in range(2))
    reference, ours = torch.optim.SparseAdam([expected], lr=0.1), RowAdam(found, lr=0.1)
    ours.BLOCK = 2
    for batch in batches:
        rows = torch.tensor(batch, dtype=torch.int64)
        reference.zero_grad()
        embedding(rows, expected, sparse=True).cos().sum().backward()
        reference.step()
        ours.step(*sum_rows(rows, -found.detach()[rows].sin()))
    assert torch.allclose(expected, found, rtol=1e-12, atol=1e-12)
    state = reference.state[expected]
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.allclose(state[name], ours.tensors()[name], rtol=1e-12, atol=1e-12)


def test_rows_that_no_gradient_names_stay_as_they_are() -> None:
    table = torch.ones(ROWS, 2)
    adam = RowAdam(table, lr=0.1)
    adam.step(torch.tensor([1]), torch.ones(1, 2))
    adam.step(torch.tensor([4]), torch.ones(1, 2))
    moved = (table != 1).any(1)
    assert moved.nonzero()[:, 0].tolist() == [1, 4]
    before = table[1].clone()
    adam.step(torch.tensor([4]), torch.ones(1, 2))
    assert torch.equal(table[1], before)


def test_state_restored_in_another_optimiser_goes_on_alike() -> None:
    tables = [torch.ones(ROWS, 2), torch.ones(ROWS, 2)]
    first, second = (RowAdam(table, lr=0.1) for table in tables)
    step = torch.tensor([0, 3]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    first.step(*step)
    second.load_tensors(first.tensors())
    tables[1].copy_(tables[0])
    for adam in (first, second):
        adam.step(*step)
    assert torch.equal(*tables)
