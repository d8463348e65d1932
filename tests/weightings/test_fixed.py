"""Fixed scores: which rows they keep, how often, and the oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_run import SMALL
from triplets import horizon, make_backbone, make_weighting

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.features import loss_features
from dvr_ray.errors import ConfigError
from dvr_ray.metrics.auc import roc_auc
from dvr_ray.training.build import check
from dvr_ray.weightings.fixed import FixedScore
from dvr_ray.weightings.inputs import EncoderInputs
from dvr_ray.weightings.supervised import supervised_scores


def _kept(weighting: FixedScore, number: int) -> torch.Tensor:
    weighting.begin(horizon(make_backbone(), number))
    return weighting.select(0, torch.arange(len(weighting.parts.data.train)))


def _mapped(score: str, **policy: Any) -> FixedScore:
    """One with a policy of its own."""
    parts = make_weighting(FixedScore, score=score).parts
    fields = {f"policy.{name}": value for name, value in policy.items()}
    return FixedScore(replace(parts, config=apply(parts.config, fields)))


def _check_draws(weighting: FixedScore, odds: torch.Tensor) -> None:
    """Rows are kept as often as their odds say, each and all together, in 400 draws."""
    drawn = torch.stack([_kept(weighting, number) for number in range(2, 402)]).double().mean(0)
    errors = (odds * (1 - odds) / 400).sqrt()
    # Of some 1,000 rows none is 5 standard errors off, nor their mean.
    assert ((drawn - odds).abs() / errors).max() < 5
    assert abs(float((drawn - odds).mean())) < 5 * float(errors.square().mean().sqrt()) / (
        len(odds) ** 0.5
    )
    # The sum of squares of n standard normal numbers: n, with a standard error of sqrt(2 n).
    chi = float(((drawn - odds) / errors).square().sum())
    assert abs(chi - len(odds)) < 5 * (2 * len(odds)) ** 0.5


def test_everything_is_kept_until_the_warm_up_ends() -> None:
    weighting = make_weighting(FixedScore, score="loss")
    assert isinstance(weighting, FixedScore)
    assert _kept(weighting, 0).all() and _kept(weighting, 1).all()
    assert weighting.values(horizon(make_backbone())) is None
    assert not _kept(weighting, 2).all()


@pytest.mark.parametrize("score", ["loss", "features"])
def test_rows_are_kept_as_often_as_their_standardised_score_says(score: str) -> None:
    weighting = _mapped(score, temperature=0.5, offset=0.5)
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
    _check_draws(weighting, values[1])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("family", "number"), [("counts", 1), ("loss", 1)])
def test_a_column_is_a_rule_in_either_direction(family: str, number: int, sign: int) -> None:
    """Centred: sigmoid(z / temperature + c) within the bounds, their mean the keep-rate."""
    named = f"{'-' if sign < 0 else ''}{family}.{number}"
    weighting = _mapped(named, normalisation="centred", keep_rate=0.7, temperature=2.0)
    first = horizon(make_backbone(), 2)
    weighting.begin(first)
    values = weighting.values(first)
    data = weighting.parts.data
    block = data.features["counts"]
    if family == "loss":
        block = loss_features(data.train, first.losses.numpy())
    score = sign * block[:, number].astype(float)
    assert values is not None and values[0].numpy() == pytest.approx(score)
    odds = values[1].numpy()
    assert odds.mean() == pytest.approx(0.7, abs=1e-9)
    inside = (odds > 0.05) & (odds < 0.95)
    shifts = np.log(odds / (1 - odds)) - (score - score.mean()) / score.std(ddof=1) / 2
    assert inside.sum() > 100 and np.ptp(shifts[inside]) < 1e-9
    _check_draws(weighting, values[1])


def test_a_score_that_is_constant_drops_at_random() -> None:
    weighting = _mapped("agreement.0", normalisation="centred", keep_rate=0.7)
    features = {"agreement": np.ones_like(weighting.parts.data.features["agreement"])}
    same = FixedScore(
        replace(weighting.parts, data=replace(weighting.parts.data, features=features))
    )
    first = horizon(make_backbone(), 2)
    same.begin(first)
    values = same.values(first)
    assert values is not None and values[1].numpy() == pytest.approx(0.7)


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


@pytest.mark.parametrize(
    ("score", "wanted"),
    [
        ("features", ["needs the feature 'neighbourhood', got agreement, counts", "add it to enc"]),
        ("skew.0", ["skew.0 needs the feature 'skew', got agreement, counts", "add it to encoder"]),
        ("-loss.0", ["-loss.0 needs the feature 'loss'", "add it to encoder.features"]),
        ("cuonts.0", ["unknown feature 'cuonts'", "counts"]),
        ("products.3", ["unknown feature 'products'"]),
        ("-counts.2", ["'counts' has 2 columns", "got '-counts.2'", "counts.0 to counts.1"]),
        ("counts", ["must be features, loss, planted, supervised, or a column", "got 'counts'"]),
        ("-features", ["or a column, as skew.0 or -skew.0", "got '-features'"]),
    ],
)
def test_scores_that_are_not_there_are_refused(score: str, wanted: list[str]) -> None:
    fields = {
        "method": {"name": "fixed-score", "score": score},
        "encoder.features": ["agreement", "counts"],
    }
    with pytest.raises(ConfigError) as refused:
        check(apply(RunConfig(), SMALL | fields), "file.yaml")
    line = str(refused.value)
    assert line.startswith("file.yaml: method.score: ")
    assert all(part in line for part in wanted), line
