"""Masks by keys: their rate, their independence, their shape."""

from __future__ import annotations

import pytest
import torch

from dvr_ray.backbones.dropout import drop

ONES = torch.ones(1, 10, 50, dtype=torch.float64)
KEYS = torch.arange(7_000, 7_400)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_rest_scaled_up(rate: float) -> None:
    """200,000 draws: five standard errors."""
    dropped = drop(ONES, rate, KEYS, 3)
    assert dropped.shape == (400, 10, 50)
    kept = dropped != 0
    assert torch.allclose(dropped[kept], torch.tensor(1 / (1 - rate), dtype=torch.float64))
    error = (rate * (1 - rate) / kept.numel()) ** 0.5
    assert float(1 - kept.double().mean()) == pytest.approx(rate, abs=5 * error)
    # No place and no triplet is special either: 400 and 500 draws each.
    for size, along in ((400, kept.flatten(1).double().mean(0)), (500, kept.double().mean((1, 2)))):
        assert (along - (1 - rate)).abs().max() < 5 * (rate * (1 - rate) / size) ** 0.5


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(drop(ONES, 0.5, KEYS, 4), id="another stream"),
        pytest.param(drop(ONES, 0.5, KEYS + 1, 3), id="the next triplet"),
        pytest.param(drop(ONES, 0.5, KEYS, 3).roll(1, 2), id="the next place"),
    ],
)
def test_masks_of_other_places_are_unrelated(other: torch.Tensor) -> None:
    mask = drop(ONES, 0.5, KEYS, 3) != 0
    agree = float((mask == (other != 0)).double().mean())
    assert agree == pytest.approx(0.5, abs=5 * 0.5 / mask.numel() ** 0.5)


def test_nothing_is_dropped_without_keys_or_rate() -> None:
    assert drop(ONES, 0.5, None, 0) is ONES
    assert drop(ONES, 0.0, KEYS, 0) is ONES


def test_gradients_pass_through_what_is_kept() -> None:
    values = torch.ones(1, 10, 50, dtype=torch.float64, requires_grad=True)
    dropped = drop(values, 0.5, KEYS[:1], 0)
    dropped.sum().backward()
    assert torch.equal(values.grad, (dropped.detach() != 0) * 2.0)
