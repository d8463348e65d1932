"""Row gradients summed over workers: the sums of whole tables, whatever is sent for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threads import run_threads
from torch import Tensor
from torch.nn.functional import embedding

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.training.build import build
from dvr_ray.training.exchange import RowExchange, Rows, sum_rows
from dvr_ray.training.learner import LossRecord
from dvr_ray.training.planning import Planner
from dvr_ray.training.replicas import Replicas
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.sharing import Sharing
from dvr_ray.training.stored import read_rows

CPU = torch.device("cpu")
WORKERS = 3
shares = st.lists(st.lists(st.integers(0, 5), max_size=9), min_size=WORKERS, max_size=WORKERS)


class _Noted(RowExchange):
    """Notes whether whole tables were sent."""

    def _whole(self, own: list[Rows], widths: list[int]) -> list[Rows]:
        self.whole = True
        return super()._whole(own, widths)


@settings(max_examples=15, deadline=None)
@given(
    batches=st.lists(shares, min_size=1, max_size=4),
    factor=st.sampled_from([1, 50]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_sums_are_those_of_whole_gradients(
    batches: list[list[list[int]]], factor: int, dtype: torch.dtype
) -> None:
    """Of two tables, against autograd; rows are 0 to 5, or those times 50 of a larger catalogue."""
    tables = [torch.linspace(-1, 1, 6 * factor * d, dtype=dtype).view(-1, d) for d in (2, 3)]

    def work(group: Collective) -> list[list[Rows]]:
        exchange = RowExchange(group, [len(table) for table in tables])
        own = [_by_rows(tables, torch.tensor(b[group.rank]).long() * factor) for b in batches]
        return [exchange.sum(gradients, n == 0) for n, gradients in enumerate(own)]

    read = [[row for share in batch for row in share] for batch in batches]
    expected = [_whole(tables, torch.tensor(rows).long() * factor) for rows in read]
    for found in run_threads(work, WORKERS):
        for sums, rows, wholes in zip(found, read, expected, strict=True):
            touched = sorted({row * factor for row in rows})
            for one, whole in zip(sums, wholes, strict=True):
                assert one.rows.tolist() == touched, "a touched row may have a gradient of 0"
                table = torch.zeros_like(whole).index_copy_(0, one.rows, one.values)
                assert torch.allclose(table, whole, rtol=1e-5, atol=1e-6)


def _by_rows(tables: Sequence[Tensor], rows: Tensor) -> list[Rows]:
    """What a worker hands over: the gradient of each table by rows."""
    return [sum_rows(g._indices()[0], g._values()) for g in _gradients(tables, rows, sparse=True)]


def _whole(tables: Sequence[Tensor], rows: Tensor) -> list[Tensor]:
    return _gradients(tables, rows, sparse=False)


def _gradients(tables: Sequence[Tensor], rows: Tensor, *, sparse: bool) -> list[Tensor]:
    leaves = [table.clone().requires_grad_() for table in tables]
    torch.stack(
        [embedding(rows, leaf, sparse=sparse).cos().sum() for leaf in leaves]
    ).sum().backward()
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def test_a_step_takes_one_operation_and_a_second_for_more_rows_than_there_is_room_for() -> None:
    """The first batch also says how many rows there are; the third has ten times as many."""

    def work(group: Collective) -> list[int]:
        exchange, calls = RowExchange(group, [1000]), []
        for step, count in enumerate((10, 10, 100, 100, 10)):
            rows = torch.arange(count)
            exchange.sum([Rows(rows, torch.ones(count, 2))], step == 0)
            calls.append(group.traffic.calls)
        return calls

    assert run_threads(work, 2) == [[2, 3, 5, 6, 7]] * 2


@pytest.mark.parametrize(
    ("workers", "items", "whole"), [(2, 44, False), (4, 44, True), (4, 90, False)]
)
def test_what_is_smaller_is_sent(workers: int, items: int, whole: bool) -> None:
    """Each worker has all of 40 rows: W messages of 40 against 2 tables."""

    def work(group: Collective) -> bool:
        exchange = _Noted(group, [items])
        exchange.whole = False
        exchange.sum([Rows(torch.arange(40), torch.ones(40, 3))], True)
        return exchange.whole

    assert run_threads(work, workers) == [whole] * workers


@pytest.mark.parametrize("name", ["bprmf", "neumf"])
def test_four_workers_train_as_one(
    name: str, small_run: Callable[..., RunConfig], small_data: TrialData
) -> None:
    """With as few items as here whole tables are sent."""
    backbone = {"name": name, "dim": 8} | ({"tower_dim": 8} if name == "neumf" else {})
    config = small_run(method__name="bpr", backbone=backbone)
    alone = _trained(config, small_data, OneProcess())
    assert alone["weights.users"].abs().sum() > 0
    for found in run_threads(lambda group: _trained(config, small_data, group), 4):
        for key, tensor in alone.items():
            assert torch.allclose(tensor, found[key], rtol=1e-9, atol=1e-9), key


def _trained(config: RunConfig, data: TrialData, group: Collective) -> dict[str, Tensor]:
    """Weights and moments after an epoch of BPR."""
    sharing = Sharing.of(config, group)
    parts = build(config, data, sharing.batches, CPU)
    replicas = Replicas(config, parts, len(data.train), sharing)
    planner = Planner(config, data.train, parts.negatives, CPU)
    record = LossRecord(len(data.train), group)
    replicas.train(planner.walk(planner.order(0), 0), record)
    return replicas.main.tensors()


def test_bytes_follow_the_batch_and_not_the_catalogue(
    small_run: Callable[..., RunConfig], small_data: TrialData
) -> None:
    """At most 1,500 rows of 9 numbers a batch; one table alone has 20,000 or 200,000 of 8."""
    config = small_run(method__name="bpr", training__batch_size=500)

    def sent(items: int) -> list[int]:
        train = replace(small_data.train, num_items=items)

        def work(group: Collective) -> int:
            _trained(config, replace(small_data, train=train), group)
            return group.traffic.sent

        return run_threads(work, 2)

    few, many = sent(20_000), sent(200_000)
    assert many == pytest.approx(few, rel=0.02)
    assert max(many) < 2 * 1500 * 9 * 8 * 17 / 16


def test_a_run_says_what_was_sent(
    small_run: Callable[..., RunConfig], small_data: TrialData, tmp_path: Path
) -> None:
    """Losses of n rows, 16 bytes each, are the least of it; alone nothing is said."""
    config = small_run(method__name="bpr", training__epochs=2)

    def work(group: Collective) -> dict[str, Any]:
        folder = tmp_path / str(group.size)
        return run(RunRequest(config, small_data, folder), Silent(), group)

    result = run_threads(work, 2)[0]
    rows = read_rows(tmp_path / "2")
    assert len(rows) == 2 and all(r["sent_mb"] * 1e6 > 16 * len(small_data.train) for r in rows)
    assert result["sent_mb"] == pytest.approx(sum(row["sent_mb"] for row in rows))
    assert "sent_mb" not in work(OneProcess()) and "sent_mb" not in read_rows(tmp_path / "1")[0]
