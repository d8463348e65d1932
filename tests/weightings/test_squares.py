"""The encoder's squares: columns of their own behind the features, of mean 0 and variance 1."""

from __future__ import annotations

import torch

from dvr_ray.config.schema import DataConfig, RunConfig
from dvr_ray.training.prepare import prepare
from dvr_ray.weightings.inputs import EncoderInputs


def test_squares_follow_the_features_and_are_standardised() -> None:
    data, _ = prepare(RunConfig(data=DataConfig(users=60, items=50)))
    losses = torch.rand(len(data.train), dtype=torch.float64)
    names = ("agreement", "loss")
    plain, squared = (
        EncoderInputs(data, names, torch.float64, squares=squares) for squares in (False, True)
    )
    for inputs in (plain, squared):
        inputs.prepare(losses)
    columns = plain.static.shape[1]
    assert torch.equal(squared.static[:, :columns], plain.static)
    assert torch.allclose(squared.static[:, columns:], (plain.static**2 - 1) / 2**0.5)
    # The row's loss has no ties, so its ranks are normal quantiles.
    bent = squared.static[:, -2]
    assert abs(float(bent.mean())) < 0.02
    assert abs(float(bent.std()) - 1) < 0.05
