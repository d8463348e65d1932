"""Runs whose negatives are learned: who trains with which theta, and what rewards do to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.negatives.learned import Learned
from dvr_ray.training.loop import Trainer
from dvr_ray.training.reporter import Silent
from dvr_ray.training.rewarding import RewardMeter

Make = Callable[..., RunConfig]


def rows_of(config: RunConfig, data: TrialData, folder: Path) -> tuple[Trainer, list[Any]]:
    rows: list[Any] = []
    trainer = Trainer(config, data, OneProcess(), torch.device("cpu"))
    trainer.fit(folder, Silent(), rows.append)
    return trainer, rows


def test_plain_bpr_keeps_all_rows_and_logs_theta(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(method__name="bpr", negatives={"name": "learned"}, adapter__masks=4)
    trainer, rows = rows_of(config, small_data, tmp_path)
    assert [row["phase"] for row in rows] == ["warm-up"] * 2 + ["bilevel"] * 3
    assert all("monitors" not in row for row in rows[:2])
    for row in rows[2:]:
        assert set(row["monitors"]) == {
            "theta_score", "theta_popularity", "theta_agreement", "theta_z",
        }  # fmt: skip
        assert "keep_rate" not in row and "keep_all" not in row and row["reward"]
    thetas = [row["monitors"]["theta_score"] for row in rows[2:]]
    assert len(set(thetas)) == 3, "one step a horizon"
    assert trainer.value_rows() is None


@pytest.mark.parametrize("method", ["bpr", "dvr"])
@pytest.mark.parametrize("start", ["current", "scratch"])
def test_replicas_explore_and_all_others_use_the_common_theta(
    method: str, start: str, small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(
        method__name=method, negatives={"name": "learned"}, adapter__horizon__start=start,
        training__epochs=4,
    )  # fmt: skip
    seen: list[tuple[object, Tensor | None]] = []
    choose = Learned.choose

    def spied(self: Learned, backbone: object, *given: Any) -> Any:
        seen.append((backbone, self._theta))
        return choose(self, backbone, *given)  # type: ignore[arg-type]

    with patch.object(Learned, "choose", spied):
        trainer, _ = rows_of(config, small_data, tmp_path)
    main = trainer._replicas.main.backbone
    assert {theta is None for backbone, theta in seen if backbone is main} == {True}
    exploring = {id(theta): theta for _, theta in seen if theta is not None}
    first, second = exploring.values()
    assert first is not None and second is not None
    # Theta is 0 in the first horizon, so partners are mirrored.
    torch.testing.assert_close(first, -second)


def test_a_reward_for_popular_negatives_raises_their_weight(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    """Users are paid by their own second number of theta, plus noise that all replicas share."""
    config = small_run(
        method__name="bpr", negatives={"name": "learned"}, training__epochs=14, adapter__masks=4,
        adapter__horizon__epochs=1,
    )  # fmt: skip
    trainer = Trainer(config, small_data, OneProcess(), torch.device("cpu"))

    def paid(meter: RewardMeter, backbones: Any, masks: int) -> Tensor:
        noise = torch.randn(small_data.train.num_users, dtype=torch.float64)
        negatives = [learner.negatives for learner in trainer._replicas.exploring.values()]
        thetas = [each._theta[:, 1] for each in negatives if isinstance(each, Learned)]
        return torch.stack([theta + noise for theta in thetas])

    rows: list[Any] = []
    with patch.object(RewardMeter, "measure", paid):
        trainer.fit(tmp_path, Silent(), rows.append)
    assert rows[2]["monitors"]["theta_z"][1] > 4
    # Twelve steps of about .1, all in one direction.
    assert rows[-1]["monitors"]["theta_popularity"] == pytest.approx(1.2, abs=0.1)
