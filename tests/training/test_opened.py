"""A finished run is opened from its folder alone, and is what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import CheckpointError
from dvr_ray.training.build import build
from dvr_ray.training.opened import OpenedRun, open_run
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run

Make = Callable[..., RunConfig]
KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "graph and mlp": {"backbone": {"name": "lightgcn", "dim": 8}, "encoder__name": "mlp"},
    "paper": {"valuator__membership": "positional", "policy__normalisation": "minmax"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_come_again_from_the_folder_alone(
    kind: str, small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(training__epochs=3, **KINDS[kind])
    # Ids that aren't the internal numbers.
    ids = np.array([f"u{number}" for number in range(60)], dtype=object)
    data = replace(small_data, user_ids=ids, item_ids=small_data.item_ids * 7 + 1)
    run(RunRequest(config, data, tmp_path), Silent())
    opened = open_run(tmp_path)
    assert np.array_equal(opened.train.keys, data.train.keys)
    assert np.array_equal(opened.catalogue.items.ids, data.item_ids)
    trained = build(config, data, OneProcess(), torch.device("cpu")).learner(0).backbone
    trained.load_state_dict(load_file(tmp_path / "model.safetensors"))
    best, again = trained.frozen(), opened.backbone.frozen()
    assert torch.equal(best.users, again.users) and torch.equal(best.items, again.items)
    table = pd.read_parquet(tmp_path / "values.parquet")
    values, odds = _valued(opened, table)
    np.testing.assert_allclose(values, table["value"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(odds, table["probability"], rtol=1e-9)


def _valued(opened: OpenedRun, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Value the training rows as the run says it does, from the features of its table."""
    from dvr_ray.data.features import loss_features
    from dvr_ray.seeding import generator

    families = {
        name: table[[c for c in table if c.startswith(f"feature.{name}.")]].to_numpy()
        for name in opened.config.encoder.features
    }
    families["loss"] = loss_features(opened.train, table["mean_loss"].to_numpy())
    columns = np.concatenate([families[name] for name in opened.config.encoder.features], axis=1)
    inputs = torch.from_numpy(columns).double()
    net, policy = opened.valuing
    sums = torch.zeros(2, len(inputs), dtype=torch.float64)
    for number in range(4):
        draws = generator(opened.config.seed, "valuation", number)
        order = torch.randperm(len(inputs), generator=draws)
        for rows in torch.split(order, opened.config.training.batch_size):
            found = net.value(inputs[rows], len(rows)).values
            sums[:, rows] += torch.stack([found, policy.probabilities(found)])
    values, odds = (sums / 4).numpy()
    return values, odds


def test_a_run_without_values_is_opened_by_its_data(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    run(RunRequest(small_run(method__name="bpr"), small_data, tmp_path), Silent())
    opened = open_run(tmp_path)
    assert np.array_equal(opened.train.keys, small_data.train.keys)
    assert opened.backbone.frozen().users.shape == (60, 8)
    with pytest.raises(CheckpointError, match="method bpr learned no valuator"):
        _ = opened.valuing


def test_what_is_no_finished_run_is_refused(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(training__epochs=3)
    folder = tmp_path / "sweep" / "trials" / "one"
    run(RunRequest(config, small_data, folder), Silent())
    for wrong, rule in (
        (tmp_path / "none", "no such folder"),
        (folder / "config.yaml", "got a file"),
        (tmp_path / "sweep", "runs in it: trials/one"),
    ):
        with pytest.raises(CheckpointError, match=rule):
            open_run(wrong)
    whole = (folder / "valuator.safetensors").read_bytes()
    (folder / "valuator.safetensors").write_bytes(whole[:-9])
    with pytest.raises(CheckpointError, match=r"valuator\.safetensors: can't be read"):
        _ = open_run(folder).valuing
    (folder / "users.parquet").unlink()
    with pytest.raises(CheckpointError, match="older version"):
        open_run(folder)


@pytest.mark.parametrize("name", ["users.parquet", "values.parquet", "model.safetensors"])
def test_a_damaged_part_is_named(
    name: str, small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    run(RunRequest(small_run(training__epochs=3), small_data, tmp_path), Silent())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(Exception, match=name):
        _ = open_run(tmp_path).backbone
