"""Fixed scores: which rows they keep, how often, and the oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from triplets import horizon, make_backbone, make_weighting

from dvr_ray.data.features import loss_features
from dvr_ray.errors import ConfigError
from dvr_ray.metrics.auc import roc_auc
from dvr_ray.weightings.fixed import FixedScore
from dvr_ray.weightings.inputs import EncoderInputs
from dvr_ray.weightings.supervised import supervised_scores


def _kept(weighting: FixedScore, number: int) -> torch.Tensor:
    weighting.begin(horizon(make_backbone(), number))
    return weighting.select(0, torch.arange(len(weighting.parts.data.train)))


def test_everything_is_kept_until_the_warm_up_ends() -> None:
    weighting = make_weighting(FixedScore, score="loss")
    assert isinstance(weighting, FixedScore)
    assert _kept(weighting, 0).all() and _kept(weighting, 1).all()
    assert weighting.values(horizon(make_backbone())) is None
    assert not _kept(weighting, 2).all()


@pytest.mark.parametrize("score", ["loss", "features"])
def test_rows_are_kept_as_often_as_their_standardised_score_says(score: str) -> None:
    weighting = make_weighting(FixedScore, score=score, sharpness=2.0, offset=0.5)
    assert isinstance(weighting, FixedScore)
    first = horizon(make_backbone(), 2)
    weighting.begin(first)
    data = weighting.parts.data
    losses = loss_features(data.train, first.losses.numpy())[:, :1]
    blocks = [losses]
    if score == "features":
        blocks += [data.features["agreement"], data.features["neighbourhood"]]
    mean = np.concatenate(blocks, axis=1).astype(float).mean(1)
    z = (mean - mean.mean()) / mean.std(ddof=1)
    odds = np.clip(1 / (1 + np.exp(-(2 * z + 0.5))), 0.05, 0.95)
    values = weighting.values(first)
    assert values is not None
    assert values[1].numpy() == pytest.approx(odds, abs=1e-9)
    drawn = torch.stack([_kept(weighting, number) for number in range(2, 402)]).double().mean(0)
    # 400 draws: a standard error of at most .025.
    assert (drawn - values[1]).abs().max() < 0.12
    assert abs(float(drawn.mean() - values[1].mean())) < 0.005


def test_planted_drops_what_was_planted_from_the_start() -> None:
    weighting = make_weighting(FixedScore, score="planted")
    assert isinstance(weighting, FixedScore)
    planted = torch.from_numpy(weighting.parts.data.planted)
    assert planted.any()
    assert torch.equal(_kept(weighting, 0), ~planted)


def test_supervised_score_sees_the_losses_of_the_warm_up_and_the_labels() -> None:
    weighting = make_weighting(FixedScore, score="supervised")
    assert isinstance(weighting, FixedScore)
    assert _kept(weighting, 1).all()
    first = horizon(make_backbone(), 2)
    weighting.begin(first)
    values = weighting.values(first)
    assert values is not None
    parts = weighting.parts
    inputs = EncoderInputs(parts.data, parts.config.encoder.features, torch.float64)
    inputs.prepare(first.losses)
    planted, users = (torch.from_numpy(a) for a in (parts.data.planted, parts.data.train.users))
    expected = supervised_scores(inputs.static, planted, users, seed=parts.config.seed)
    assert torch.equal(values[0], expected)
    # A push attack on a small log: labels of other users tell which items are pushed.
    assert roc_auc(values[0].numpy(), ~parts.data.planted) > 0.8
    restored = make_weighting(FixedScore, score="supervised")
    restored.load_tensors(weighting.tensors())
    assert torch.equal(_kept(restored, 3), _kept(weighting, 3))


@pytest.mark.parametrize("score", ["planted", "supervised"])
def test_labels_without_planted_rows_are_refused(score: str) -> None:
    parts = make_weighting(FixedScore, score=score).parts
    data = replace(parts.data, planted=None)
    with pytest.raises(ConfigError, match=rf"{score} needs .* got none; set data\.noise\.kind"):
        FixedScore(replace(parts, data=data))


def test_features_without_the_features_is_refused() -> None:
    parts = make_weighting(FixedScore, score="features").parts
    features = {"counts": parts.data.features["counts"]}
    params = FixedScore.Params(score="features")
    with pytest.raises(ConfigError, match=r"add it to encoder\.features"):
        FixedScore(replace(parts, params=params, data=replace(parts.data, features=features)))
