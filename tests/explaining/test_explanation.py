"""Explanations against loops, autograd and the stored values."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracles.harsanyi as oracle
import pandas as pd
import pytest
import torch
from finished import finished_run
from games import as_lists
from small_run import SMALL
from torch.nn.functional import softplus

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import CheckpointError, DataError
from dvr_ray.explaining import Explainer, ValuedRun
from dvr_ray.explaining.influence import influence, payers
from dvr_ray.explaining.neighbours import alike, nearest_items
from dvr_ray.explaining.over_training import over_training, why_no_past
from dvr_ray.explaining.sentences import brief, reasons, sentences
from dvr_ray.explaining.taking_apart import take_apart
from dvr_ray.seeding import generator
from dvr_ray.training.opened import open_run
from dvr_ray.training.parts import parts_of
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.valuation import HarsanyiValuator

KINDS: dict[str, dict[str, Any]] = {
    "mlp and squares": {
        "encoder.name": "mlp", "encoder.squares": True, "backbone": {"name": "lightgcn", "dim": 8},
    },
    "by place": {
        "valuator.membership": "positional", "policy.normalisation": "minmax",
        "backbone": {"name": "neumf", "dropout": 0.3},
    },
    "products": {"encoder.features": ("agreement", "products")},
}  # fmt: skip


@pytest.fixture(scope="module")
def valued(tmp_path_factory: pytest.TempPathFactory) -> ValuedRun:
    return ValuedRun.open(finished_run(tmp_path_factory))


@pytest.fixture(scope="module")
def explainer(valued: ValuedRun) -> Explainer:
    return Explainer(valued)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ValuedRun]:
    def make(kind: str) -> ValuedRun:
        config = apply(RunConfig(), SMALL | {"training.epochs": 3} | KINDS[kind])
        folder = tmp_path_factory.mktemp("kind")
        run(RunRequest(config, prepare(config)[0], folder), Silent())
        return ValuedRun.open(folder)

    return make


def test_parts_add_up_to_the_stored_value_and_to_its_difference(valued: ValuedRun) -> None:
    for row in (0, 77, len(valued.values) - 1):
        parts = take_apart(valued, row)
        total = parts.alone + sum(unit.share for unit in parts.units)
        assert total == pytest.approx(valued.values[row], rel=1e-9)
        assert parts.value == pytest.approx(valued.values[row], rel=1e-9)
        gap = parts.alone_difference + sum(unit.difference for unit in parts.units)
        assert gap == pytest.approx(parts.value - parts.mean, rel=1e-9)
        assert sum(parts.inputs.values()) == pytest.approx(parts.alone_difference, rel=1e-9)
        sizes = [abs(unit.share) for unit in parts.units]
        assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_add_up_for_every_kind_of_net(kind: str, made: Callable[[str], ValuedRun]) -> None:
    valued = made(kind)
    parts = take_apart(valued, 40)
    assert parts.alone + sum(u.share for u in parts.units) == pytest.approx(parts.value, rel=1e-9)
    assert all(check.holds for check in parts.checks)
    assert len(valued.labels) == valued.net.columns
    assert bool(why_no_past(valued)) == (kind == "products")
    if kind != "products":
        assert parts.value == pytest.approx(valued.values[40], rel=1e-9)
    told = Explainer(valued).explain(40)
    assert all(sentences(told)) and bool(told.parts.inputs) == (kind != "mlp and squares")
    assert told.influence is not None and told.influence.better and told.influence.worse


def _batch(valued: ValuedRun, row: int, partition: int) -> torch.Tensor:
    draws = generator(valued.config.seed, "valuation", partition)
    order = torch.randperm(len(valued.values), generator=draws)
    parts = torch.split(order, valued.config.training.batch_size)
    return next(part for part in parts if row in part)


def test_values_and_units_are_those_of_the_loops(valued: ValuedRun) -> None:
    """In every batch of the row, by the definition of the game alone."""
    row, net = 91, as_lists(_alone(valued))
    parts = take_apart(valued, row)
    shares: dict[tuple[int, int], float] = {}
    values, worths = [], []
    for partition in range(4):
        batch = _batch(valued, row, partition)
        place = batch.tolist().index(row)
        rows = valued.net.encoder(valued.inputs[batch]).tolist()
        everybody = set(range(len(rows)))
        values.append(oracle.values(net, rows)[place])
        worths.append(oracle.worth(net, rows, everybody))
        for layer, heads in enumerate(net.heads):
            for unit, head in enumerate(heads):
                field = oracle.field(net, rows, layer, unit)
                z = oracle.output(net, rows, layer, unit, everybody) or 0.0
                if place in field:
                    key = layer + 1, unit
                    shares[key] = shares.get(key, 0.0) + head * z / len(field) / 4
    assert parts.value == pytest.approx(np.mean(values), rel=1e-9)
    assert [check.worth for check in parts.checks] == pytest.approx(worths, rel=1e-9)
    found = {(unit.layer, unit.number): unit.share for unit in parts.units if unit.inside}
    wanted = {key: share for key, share in shares.items() if share}
    assert found.keys() == wanted.keys() and found
    assert all(found[key] == pytest.approx(wanted[key], rel=1e-9) for key in wanted)


def _alone(valued: ValuedRun) -> HarsanyiValuator:
    found: HarsanyiValuator = valued.net.valuator
    return found


def test_who_else_is_in_a_unit_is_in_it(valued: ValuedRun) -> None:
    row = 91
    parts, train = take_apart(valued, row), valued.train
    batch = _batch(valued, row, 0)
    members = _alone(valued).members(valued.net.encoder(valued.inputs[batch]))
    first = [unit for unit in parts.units if unit.layer == 1 and unit.inside]
    assert first
    for unit in first:
        inside = [int(r) for r, m in zip(batch, members[:, unit.number], strict=True) if m]
        assert row in inside and row not in unit.examples
        assert set(unit.examples) <= set(inside)
        others = [each for each in inside if each != row]
        assert unit.same_user == sum(train.users[each] == train.users[row] for each in others)
        assert unit.same_item == sum(train.items[each] == train.items[row] for each in others)


def test_influence_is_the_product_of_gradients(valued: ValuedRun) -> None:
    """Of the loss of the row and of each user's held-out loss, both by autograd over loops."""
    data, row = parts_of(valued.opened)[0], 91
    found = influence(valued, data, row)
    assert found.own is not None and found.users == found.of
    train, backbone = valued.train, valued.opened.backbone
    user, item = int(train.users[row]), int(train.items[row])
    frozen = backbone.frozen()
    users = frozen.users.clone().requires_grad_()
    items = frozen.items.clone().requires_grad_()

    def loss(whose: int, wanted: int) -> torch.Tensor:
        has = {int(i) for i in train.items[train.users == whose]} | {wanted}
        lacks = [j for j in range(train.num_items) if j not in has]
        return softplus(items[lacks] @ users[whose] - items[wanted] @ users[whose]).mean()

    own = torch.autograd.grad(loss(user, item), (users, items))
    wanted = {}
    for each in np.flatnonzero(data.selection.user_counts).tolist():
        held = data.selection.items[data.selection.users == each]
        total = torch.stack([loss(each, int(i)) for i in held]).mean()
        theirs = torch.autograd.grad(total, (users, items))
        dot = sum(float((a * b).sum()) for a, b in zip(own, theirs, strict=True))
        wanted[each] = valued.config.training.lr * dot
    assert found.own == pytest.approx(wanted.pop(user), rel=1e-4)
    ranked = sorted(wanted.items(), key=lambda pair: -pair[1])
    for (who, effect), (other, exact) in zip(found.most_better, ranked, strict=False):
        assert who == other and effect == pytest.approx(exact, rel=1e-4)
    assert found.better == sum(v > 0 for v in wanted.values()) + (found.own > 0)


def test_the_last_kept_valuator_gives_the_stored_value(valued: ValuedRun) -> None:
    past = over_training(valued, 30)
    by_epoch = {each.epoch: each for each in past}
    assert list(by_epoch) == sorted(by_epoch) and len(by_epoch) > 1
    best = by_epoch[valued.opened.result["best_epoch"]]
    assert best.value == pytest.approx(valued.values[30], rel=1e-9)
    told = valued.table["probability"].iloc[30]
    assert best.probability == pytest.approx(float(told), rel=1e-6)
    # The net is as it was.
    assert take_apart(valued, 30).value == pytest.approx(valued.values[30], rel=1e-9)


def test_neighbours_are_the_nearest(valued: ValuedRun) -> None:
    row, inputs = 12, valued.inputs
    far = sorted(
        (float((inputs[other] - inputs[row]).square().sum()) ** 0.5, other)
        for other in range(len(inputs))
        if other != row
    )
    assert [each for each, _ in alike(valued, row)] == [other for _, other in far[:5]]
    user = valued.train.users[row]
    assert all(valued.train.users[other] == user for other, _ in nearest_items(valued, row))
    assert row not in dict(nearest_items(valued, row))


def test_payers_go_by_the_validation_reward_part(valued: ValuedRun) -> None:
    data = parts_of(valued.opened)[0]
    found = payers(valued, data, 91)
    user, item = valued.train.users[91], valued.train.items[91]
    pairs = list(zip(data.reward.users.tolist(), data.reward.items.tolist(), strict=True))
    assert found.own_items == sum(u == user for u, _ in pairs)
    assert found.holders == len({u for u, i in pairs if i == item and u != user})


def test_sentences_follow_from_the_numbers(explainer: Explainer) -> None:
    values = explainer.run.values
    low, high = (explainer.explain(int(row)) for row in (values.argmin(), values.argmax()))
    assert "valued lower than 99" in sentences(low)[0]
    assert "valued higher than 99" in sentences(high)[0]
    for told in (low, high):
        gap = told.parts.value - told.parts.mean
        found = reasons(told)
        assert found and all(part * gap > 0 for _, part in found)
        sizes = [abs(part) for _, part in found]
        assert sizes == sorted(sizes, reverse=True)
        assert "doesn't say why" in sentences(told)[-1]
    assert brief(low).startswith("valued lower")
    # All families together are the whole difference.
    everything = {name.rpartition("(")[2][:-1] for name in low.parts.inputs}
    assert {text.partition(" ")[0] for text, _ in reasons(low)} <= everything | {"other"}


def test_values_of_another_run_are_refused(valued: ValuedRun, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(valued.opened.folder, folder)
    table = pd.read_parquet(folder / "values.parquet")
    table["value"] = table["value"].sample(frac=1, random_state=0).to_numpy()
    table.to_parquet(folder / "values.parquet", index=False)
    explainer = Explainer(ValuedRun.open(folder))
    with pytest.raises(CheckpointError, match=r"values\.parquet: must be of this run, but has the"):
        explainer.explain(5)


@pytest.mark.parametrize("column", ["mean_loss", "feature.counts.0"])
def test_values_without_a_column_are_refused(
    column: str, valued: ValuedRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(valued.opened.folder, folder)
    table = pd.read_parquet(folder / "values.parquet").drop(columns=column)
    table.to_parquet(folder / "values.parquet", index=False)
    with pytest.raises(CheckpointError, match=f"no column {column}"):
        Explainer(ValuedRun.open(folder)).explain(5)


def test_without_the_log_all_else_is_told(valued: ValuedRun) -> None:
    data = valued.config.data.model_copy(update={"seed": 99})
    config = valued.config.model_copy(update={"data": data})
    other = ValuedRun(replace(open_run(valued.opened.folder), config=config))
    explainer = Explainer(other)
    assert "other training rows" in explainer.no_log
    told = explainer.explain(5)
    assert told.influence is None and told.payers is None and told.adds_up
    assert told.no_log == explainer.no_log and sentences(told)


def test_rows_are_found_by_original_ids(valued: ValuedRun) -> None:
    user, item = int(valued.train.users[40]), int(valued.train.items[40])
    assert valued.row_of(str(user), str(item)) == 40
    lacking = next(
        i for i in range(50) if not valued.train.contains(np.array([user]), np.array([i]))[0]
    )
    with pytest.raises(DataError, match=f"--item: user {user} has no training interaction"):
        valued.row_of(str(user), str(lacking))
    with pytest.raises(DataError, match="--user: the run knows 60 users, not 'ann'"):
        valued.row_of("ann", "1")
    rows = valued.rows_of(None, str(item))
    assert (valued.train.items[rows] == item).all()
    assert len(rows) == valued.train.item_counts[item]
