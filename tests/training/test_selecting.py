"""Which model is kept, and how finely it is picked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.training.learner import Learner
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.selecting import ModelSelection
from dvr_ray.training.stored import read_rows

Make = Callable[..., RunConfig]


def test_models_beside_replicas_are_measured_after_every_epoch(
    small_run: Make, small_data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two models and the three epochs of a horizon, the best is told, and of all kept."""
    measured: list[float] = []
    measure = ModelSelection._measure

    def remember(self: ModelSelection, learner: Learner) -> dict[str, float]:
        found = measure(self, learner)
        measured.append(found["ndcg@20"])
        return found

    monkeypatch.setattr(ModelSelection, "_measure", remember)
    horizon = {"epochs": 3, "start": "scratch"}
    config = small_run(adapter__horizon=horizon, training__epochs=14)
    result = run(RunRequest(config, small_data, tmp_path), Silent())
    told = [row["selection"]["ndcg@20"] for row in read_rows(tmp_path)]
    # Two epochs of warm-up have one model each.
    best = [max(measured[k : k + 6]) for k in range(2, len(measured), 6)]
    assert len(measured) == 2 + 12 * 2 and told == measured[:2] + best
    assert result["selection"]["ndcg@20"] == max(measured)
    first = measured.index(max(measured))
    assert result["best_epoch"] == (first + 1 if first < 2 else 3 + (first - 2) // 2)
    assert result["best_epoch"] % 3 != 2, "at a horizon's end, the test can't tell"
