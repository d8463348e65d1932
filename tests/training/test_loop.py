"""The bilevel loop: resuming, early stopping, learning."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracles.backbones import ease
from oracles.ranking import mean_over_users, ndcg, recall
from safetensors.torch import load_file

from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import CheckpointError, RunError
from dvr_ray.training.opened import load_backbone
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import finished, read_rows
from dvr_ray.weightings import evidence

Make = Callable[..., RunConfig]


class Recorder:
    """Keeps rows; can stop the run like a kill would."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self._stop_after = stop_after

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self.rows.append(row)
        if len(self.rows) == self._stop_after:
            raise KeyboardInterrupt


def _train(config: RunConfig, data: TrialData, folder: Path) -> tuple[Recorder, dict[str, Any]]:
    recorder = Recorder()
    return recorder, run(RunRequest(config, data, folder), recorder)


def _without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "bpr": {"method__name": "bpr"},
    "score": {"adapter__estimator": "score", "encoder__name": "mlp"},
    "directional": {"adapter__exploration": "directional", "adapter__credit": "scalar"},
    "evolution": {"adapter__exploration": "evolution", "adapter__credit": "scalar"},
    "batches": {"adapter__horizon__batches": 2, "adapter__users": 20, "policy__gate": False},
    "scratch": {"adapter__horizon__start": "scratch", "adapter__reward": "loss"},
    "lightgcn": {"backbone": {"name": "lightgcn", "dim": 8}, "method__name": "bpr"},
    "neumf": {"backbone": {"name": "neumf", "dropout": 0.3}, "method__name": "bpr"},
    "mgcf": {"backbone": {"name": "mgcf", "degree": 4.0}, "method__name": "bpr"},
    "by user": {"training__sampling": "user"},
    "alternatives": {"policy__alternatives": [0.5, 0.9]},
    "alternatives from scratch": {
        "policy__alternatives": [0.5],
        "policy__gate": False,
        "adapter__horizon__start": "scratch",
    },
    "embeddings": {"encoder__features": ["agreement", "loss", "embeddings", "products"]},
    "tce": {"method": {"name": "tce", "gradual": 30}},
    "til-ui": {"method": {"name": "til-ui", "outer": "reward"}},
    "til-mi": {"method": {"name": "til-mi", "warmup": 1, "every": 2, "clusters": 4}},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_resumed_run_equals_unbroken(
    variant: str, small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(**VARIANTS[variant])
    unbroken, result = _train(config, small_data, tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(config, small_data, tmp_path / "resumed"), Recorder(stop_after=4))
    resumed, again = _train(config, small_data, tmp_path / "resumed")
    assert len(resumed.rows) == len(unbroken.rows) - 4
    rows = [read_rows(tmp_path / name) for name in ("unbroken", "resumed")]
    assert _without_times(rows[0]) == _without_times(rows[1])
    assert {k: v for k, v in result.items() if k != "seconds"} == {
        k: v for k, v in again.items() if k != "seconds"
    }
    learned = (tmp_path / "unbroken" / "valuator.safetensors").exists()
    assert learned == (config.method.name == "dvr")
    for part in ("model", "valuator", "valuator-history") if learned else ("model",):
        weights = [
            load_file(tmp_path / name / f"{part}.safetensors") for name in ("unbroken", "resumed")
        ]
        assert weights[0] and weights[0].keys() == weights[1].keys()
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    "horizon", [{"adapter__horizon__start": "scratch"}, {"adapter__exploration": "directional"}]
)
def test_a_method_that_learns_no_values_has_no_horizons(
    horizon: dict[str, Any], small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    _train(small_run(method__name="bpr"), small_data, tmp_path / "plain")
    _train(small_run(method__name="bpr", **horizon), small_data, tmp_path / "other")
    found = [load_file(tmp_path / name / "model.safetensors") for name in ("plain", "other")]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not (tmp_path / "plain" / "valuator.safetensors").exists()


def test_other_seed_gives_another_run(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    first, _ = _train(small_run(), small_data, tmp_path / "a")
    other, _ = _train(small_run(seed=1), small_data, tmp_path / "b")
    assert first.rows[0]["loss"] != other.rows[0]["loss"]


def test_finished_run_is_returned_without_training(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(method__name="bpr")
    _, result = _train(config, small_data, tmp_path)
    written = (tmp_path / "result.json").stat().st_mtime_ns
    replayed, again = _train(config, small_data, tmp_path)
    assert again == result == finished(tmp_path)
    assert _without_times(replayed.rows) == _without_times(read_rows(tmp_path))
    assert (tmp_path / "result.json").stat().st_mtime_ns == written


def test_patience_ends_a_run(small_run: Make, small_data: TrialData, tmp_path: Path) -> None:
    config = small_run(method__name="bpr", training__patience=2, training__epochs=200)
    _, result = _train(config, small_data, tmp_path)
    assert result["epoch"] == result["best_epoch"] + 2 < 200


def test_the_last_epoch_is_kept_where_that_is_asked_for(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    """A run that patience ended two epochs after its best, trained anew to the same epoch."""
    _, best = _train(
        small_run(method__name="bpr", training__patience=2, training__epochs=200),
        small_data,
        tmp_path / "best",
    )
    config = small_run(
        method__name="bpr",
        training__patience=1,
        training__epochs=best["epoch"],
        training__keep="last",
    )
    recorder, last = _train(config, small_data, tmp_path / "last")
    assert last["epoch"] == last["best_epoch"] == best["best_epoch"] + 2
    assert last["selection"] == recorder.rows[-1]["selection"]
    assert last["selection"]["ndcg@20"] < best["selection"]["ndcg@20"]
    stored = load_file(max(tmp_path.glob("last/checkpoints/epoch-*/*.safetensors")))
    names = [name.removeprefix("best.") for name in stored if name.startswith("best.")]
    assert names
    for name in names:
        assert torch.equal(stored[f"best.{name}"], stored[f"main.weights.{name}"])


@pytest.mark.parametrize("backbone", ["bprmf", "lightgcn", "neumf", "mgcf"])
def test_training_lowers_the_loss(
    backbone: str, small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(method__name="bpr", backbone={"name": backbone})
    recorder, _ = _train(config, small_data, tmp_path)
    assert recorder.rows[-1]["loss"] < 0.8 * recorder.rows[0]["loss"]


def test_a_closed_form_backbone_is_measured_after_one_epoch(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(method__name="bpr", backbone={"name": "ease", "l2": 10.0})
    recorder, result = _train(config, small_data, tmp_path)
    assert [row["epoch"] for row in recorder.rows] == [1]
    train, held_out = small_data.train, small_data.selection
    pairs = list(zip(train.users.tolist(), train.items.tolist(), strict=True))
    scores = ease(pairs, train.num_users, train.num_items, 10.0)
    lists = torch.from_numpy(scores).topk(20).indices
    scores[train.users, train.items] = -np.inf
    ranked = [np.argsort(-row).tolist() for row in scores]
    relevant = [held_out.items[held_out.users == u].tolist() for u in range(train.num_users)]
    for name, measure in (("ndcg@20", ndcg), ("recall@20", recall)):
        expected = mean_over_users(measure, ranked, relevant, 20)
        assert result["selection"][name] == pytest.approx(expected, abs=1e-9)
    best = load_backbone(config, small_data.train, tmp_path)
    assert torch.equal(best.item_scores(torch.arange(train.num_users)).topk(20).indices, lists)
    assert _train(config, small_data, tmp_path)[1] == result


def test_every_report_has_the_monitors(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    recorder, _ = _train(small_run(), small_data, tmp_path)
    monitors = recorder.rows[-1]["monitors"]
    wanted = {
        "reward_per_mask", "baseline", "advantage_variance", "entropy", "keep_rate",
        "value_spread", "policy_spread", "worth_error", "worth_error_trivial",
        "value_loss_cosine", "coverage", "dead", "selection_overlap",
    }  # fmt: skip
    assert wanted <= set(monitors)
    assert len(monitors["reward_per_mask"]) == 2 and len(monitors["coverage"]) == 2
    json.dumps(recorder.rows)


def test_penalties_are_chosen_on_as_many_columns_as_are_worth_it(
    small_run: Make, small_data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of few columns, inputs come first: units then add nothing to what they explain."""
    config = small_run(adapter__masks=4)
    whole = _train(config, small_data, tmp_path / "whole")[0].rows[-1]["monitors"]
    assert whole["held_out_correlation"] != whole["held_out_without_units"]
    assert whole["ridge"][0] <= whole["ridge"][1]
    monkeypatch.setattr(evidence, "COLUMNS", 2)
    few = _train(config, small_data, tmp_path / "few")[0].rows[-1]["monitors"]
    assert few["held_out_correlation"] == pytest.approx(few["held_out_without_units"], abs=0.05)
    monkeypatch.undo()
    monkeypatch.setattr(evidence, "ROWS", 200)
    seen: list[int] = []
    held_out = evidence.held_out

    def counted(pulls: Iterator[Any], columns: int) -> Any:
        blocks = list(pulls)
        seen.append(sum(len(block.design) for block in blocks))
        return held_out(iter(blocks), columns)

    monkeypatch.setattr(evidence, "held_out", counted)
    _train(config, small_data, tmp_path / "rows")
    assert len(small_data.train) > 200 and set(seen) == {200}
    fixed = small_run(adapter__masks=4, valuator__ridge=0.5)
    assert "ridge" not in _train(fixed, small_data, tmp_path / "fixed")[0].rows[-1]["monitors"]


def test_infinite_loss_is_a_failure(small_run: Make, small_data: TrialData, tmp_path: Path) -> None:
    config = small_run(method__name="bpr", training__l2=1e300, training__lr=10.0)
    with pytest.raises(RunError, match=r"epoch \d+: the loss is (nan|inf); lower training.lr"):
        _train(config, small_data, tmp_path)


def test_checkpoint_of_another_config_is_refused(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(small_run(), small_data, tmp_path), Recorder(stop_after=2))
    with pytest.raises(CheckpointError, match="belongs to another config"):
        _train(small_run(seed=5), small_data, tmp_path)


def test_damaged_last_checkpoint_falls_back_to_the_one_before_and_says_so(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    _, unbroken = _train(small_run(), small_data, tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(small_run(), small_data, tmp_path), Recorder(stop_after=4))
    before, newest = sorted((tmp_path / "checkpoints").glob("epoch-*"))
    content = (newest / "state.safetensors").read_bytes()
    (newest / "state.safetensors").write_bytes(content[: len(content) // 2])
    recorder, result = _train(small_run(), small_data, tmp_path)
    said = recorder.rows[0]["warnings"][0]
    assert f"{newest}: damaged checkpoint" in said and f"went on from {before.name}" in said
    assert result["selection"] == unbroken["selection"]
    assert result["best_epoch"] == unbroken["best_epoch"]


def test_run_whose_checkpoints_are_all_damaged_names_one(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(small_run(), small_data, tmp_path), Recorder(stop_after=2))
    saved = sorted((tmp_path / "checkpoints").glob("epoch-*"))
    for path in saved:
        (path / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=rf"{saved[-1].name}: damaged checkpoint .*; delete"):
        _train(small_run(), small_data, tmp_path)


def test_checkpoint_of_another_format_is_refused(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(small_run(), small_data, tmp_path), Recorder(stop_after=2))
    described = max((tmp_path / "checkpoints").glob("epoch-*")) / "state.json"
    described.write_text(described.read_text().replace('"format": 3', '"format": 99'))
    with pytest.raises(CheckpointError, match="must be of format 3, got 99"):
        _train(small_run(), small_data, tmp_path)
