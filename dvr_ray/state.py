"""States of optimisers as flat dictionaries of tensors, as safetensors stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["load_optimiser", "optimiser_tensors", "prefixed", "under"]


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put ``prefix.`` before every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries below ``prefix.``, without it."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return moments and step counts as ``number of parameter.name``."""
    import torch

    return {
        f"{number}.{name}": value if isinstance(value, torch.Tensor) else torch.tensor(value)
        for number, parameter in enumerate(_parameters(optimiser))
        for name, value in optimiser.state[parameter].items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Restore what `optimiser_tensors` gave; moments go to their parameter's device."""
    for number, parameter in enumerate(_parameters(optimiser)):
        optimiser.state[parameter] = {
            # Step counts stay on the CPU.
            name: (value if name == "step" else value.to(parameter.device)).clone()
            for name, value in under(str(number), state).items()
        }


def _parameters(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimiser.param_groups for p in group["params"]]
