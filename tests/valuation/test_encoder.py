"""Encodings end with a constant 1, and the same seed gives the same encoder."""

from __future__ import annotations

import pytest
import torch

from dvr_ray.config.schema import EncoderConfig
from dvr_ray.valuation import build_encoder
from dvr_ray.valuation.encoder import Encoder


def make_encoder(seed: int = 0, dtype: torch.dtype = torch.float64, **options: object) -> Encoder:
    config = EncoderConfig.model_validate(options)
    return build_encoder(config, 4, generator=torch.Generator().manual_seed(seed), dtype=dtype)


INPUTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_none_hands_inputs_on() -> None:
    encoder = make_encoder(name="none")
    encodings = encoder(INPUTS)
    assert encoder.size == 5 and encodings.shape == (6, 5)
    assert torch.equal(encodings[:, :4], INPUTS) and (encodings[:, 4] == 1).all()
    assert list(encoder.parameters()) == []


def test_mlp_is_linear_relu_linear() -> None:
    encoder = make_encoder(name="mlp", hidden=7, size=3)
    encodings = encoder(INPUTS)
    first, _, second = encoder.body
    with torch.no_grad():
        first.bias += 0.1
        expected = (INPUTS @ first.weight.T + 0.1).clamp_min(0) @ second.weight.T + second.bias
    assert encoder.size == 4 and encodings.shape == (6, 4)
    torch.testing.assert_close(encoder(INPUTS)[:, :3], expected)
    assert (encodings[:, 3] == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_encodings_have_the_asked_dtype(dtype: torch.dtype) -> None:
    assert make_encoder(dtype=dtype, name="mlp")(INPUTS.to(dtype)).dtype == dtype


def test_seed_fixes_the_weights_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (make_encoder(seed, name="mlp")(INPUTS) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_reach_every_weight() -> None:
    encoder = make_encoder(name="mlp", hidden=16)
    encoder(INPUTS).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())
