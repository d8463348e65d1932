"""From the inputs of a triplet to its encoding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dvr_ray.config.schema import EncoderConfig

__all__ = ["Encoder", "build_encoder"]


class Encoder(nn.Module):
    """Applies a body and appends a constant 1, which lets gates and singletons have an offset.

    Parameters
    ----------
    body : nn.Module
        Maps inputs (b, c) to (b, h - 1).
    size : int
        Size h of an encoding, the constant included.
    """

    def __init__(self, body: nn.Module, size: int) -> None:
        super().__init__()
        self.body, self.size = body, size

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode inputs, (b, c) to (b, h)."""
        return torch.cat([self.body(inputs), inputs.new_ones(len(inputs), 1)], dim=1)


def build_encoder(
    config: EncoderConfig, inputs: int, *, generator: torch.Generator, dtype: torch.dtype
) -> Encoder:
    """Return the encoder that a config asks for.

    Parameters
    ----------
    config : EncoderConfig
        ``none`` hands inputs on; ``mlp`` is linear, ReLU, linear.
    inputs : int
        Number c of inputs.
    generator : torch.Generator
        Draws the weights, N(0, 1 / fan-in).
    dtype : torch.dtype
        Of the weights.
    """
    if config.name == "none":
        return Encoder(nn.Identity(), inputs + 1)
    first = _linear(inputs, config.hidden, generator, dtype)
    second = _linear(config.hidden, config.size, generator, dtype)
    return Encoder(nn.Sequential(first, nn.ReLU(), second), config.size + 1)


def _linear(inputs: int, outputs: int, generator: torch.Generator, dtype: torch.dtype) -> nn.Linear:
    layer: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, inputs, outputs, dtype=dtype
    )
    weight = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(weight * inputs**-0.5)
        layer.bias.zero_()
    return layer
