"""What a gloo group of three adds up and gathers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from gloo import run_group
from torch import Tensor

from dvr_ray.collective import OneProcess, Traffic, concatenated, sum_together_
from dvr_ray.distributed.collective import LostWorkerError, TorchCollective


def everything() -> dict[str, Any]:
    """Run in each process: rank r holds r + 1 rows, except the last, which holds none."""
    group = TorchCollective()
    group.sum_(torch.zeros(30, dtype=torch.float64))
    traffic = [(group.traffic.calls, group.traffic.sent)]
    group.gather(torch.zeros(6, dtype=torch.float64))
    traffic.append((group.traffic.calls, group.traffic.sent))
    own = torch.tensor([1.0, 10.0], dtype=torch.float64) * (group.rank + 1)
    own.requires_grad_()
    total = group.sum(own)
    # Weights differ between workers: d/d own = the sum of all workers' weights.
    (total * (group.rank + 1)).sum().backward()
    counts = torch.tensor([group.rank, 1])
    returned = group.sum_(counts)
    strided = torch.arange(6.0).reshape(2, 3).T[:, :1].clone().expand(3, 2)
    rows = torch.arange(0 if group.rank == 2 else group.rank + 1) + 10 * group.rank
    values = rows[:, None].double() * torch.tensor([1.0, -1.0], dtype=torch.float64)
    together = [torch.full((2, 2), 1.0 + group.rank), torch.tensor(10.0 * group.rank)]
    before = group.traffic.calls
    sum_together_(together, group)
    assert group.traffic.calls == before + 1
    return {
        "traffic": traffic,
        "rank": group.rank,
        "size": group.size,
        "total": total.detach(),
        "gradient": own.grad,
        "counts": counts,
        "in place": returned is counts,
        "strided": group.sum(strided),
        "gathered": group.gather(own * torch.tensor([[1.0], [2.0]], dtype=torch.float64)),
        "rows": concatenated(rows, group),
        "values": concatenated(values, group),
        "nothing": concatenated(torch.zeros(0, 4), group),
        "together": together,
        "own": own.detach(),
    }


@pytest.fixture(scope="module")
def group_of_three() -> list[dict[str, Any]]:
    return run_group(everything, 3)


def test_workers_know_their_place(group_of_three: list[dict[str, Any]]) -> None:
    assert [result["rank"] for result in group_of_three] == [0, 1, 2]
    assert [result["size"] for result in group_of_three] == [3, 3, 3]


def test_sum_adds_forward_and_backward(group_of_three: list[dict[str, Any]]) -> None:
    """1 + 2 + 3 = 6 of what each holds, and of the gradients that flow in."""
    for rank, result in enumerate(group_of_three):
        assert result["total"].tolist() == [6.0, 60.0]
        assert result["gradient"].tolist() == [6.0, 6.0]
        assert result["own"].tolist() == [rank + 1.0, 10.0 * (rank + 1)], "the input is unchanged"
        assert torch.equal(result["strided"], 3 * torch.arange(3.0)[:, None].expand(3, 2))


def test_sum_in_place_returns_its_argument(group_of_three: list[dict[str, Any]]) -> None:
    for result in group_of_three:
        assert result["counts"].tolist() == [3, 3]
        assert result["in place"]


def test_rows_are_put_below_each_other_in_order_of_rank(
    group_of_three: list[dict[str, Any]],
) -> None:
    for result in group_of_three:
        rows, values = result["rows"], result["values"]
        assert rows.tolist() == [0, 10, 11] and rows.dtype == torch.int64
        assert values.tolist() == [[0.0, -0.0], [10.0, -10.0], [11.0, -11.0]]
        assert values.dtype == torch.float64
        assert result["nothing"].shape == (0, 4)
        expected = [[[r * 1.0, r * 10.0], [r * 2.0, r * 20.0]] for r in (1, 2, 3)]
        assert result["gathered"].tolist() == expected


def test_tensors_are_summed_together_as_one_by_one(group_of_three: list[dict[str, Any]]) -> None:
    for result in group_of_three:
        square, number = result["together"]
        assert square.tolist() == [[6.0, 6.0], [6.0, 6.0]] and number == 30.0


def test_traffic_counts_what_rings_send(group_of_three: list[dict[str, Any]]) -> None:
    """Of 3 workers: 2 * 2 / 3 of 240 bytes; twice 48 bytes more."""
    for result in group_of_three:
        assert result["traffic"] == [(1, 320), (2, 416)]


def fails_on_the_last(rank_that_fails: int) -> Tensor:
    group = TorchCollective()
    if group.rank == rank_that_fails:
        raise RuntimeError(f"worker {group.rank} can't go on")
    return group.sum_(torch.ones(1))


def test_a_workers_failure_reaches_the_caller() -> None:
    with pytest.raises(mp.ProcessRaisedException, match="worker 1 can't go on"):
        run_group(fails_on_the_last, 2, 1)


def test_one_process_sums_to_its_argument() -> None:
    group, values = OneProcess(), torch.arange(3.0)
    assert (group.rank, group.size) == (0, 1)
    assert group.sum(values) is values and group.sum_(values) is values
    assert concatenated(values, group).tolist() == [0.0, 1.0, 2.0]
    assert group.gather(values).tolist() == [[0.0, 1.0, 2.0]]
    sum_together_([values], group)
    assert values.tolist() == [0.0, 1.0, 2.0] and group.traffic == Traffic()


def test_a_group_that_is_taken_away_is_a_lost_worker() -> None:
    """As Ray Train does it to workers that still train, when another one is gone."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    group = TorchCollective()
    dist.destroy_process_group()
    assert (group.rank, group.size) == (0, 1)
    for use in (group.sum, group.sum_, group.gather):
        with pytest.raises(LostWorkerError):
            use(torch.ones(2))
