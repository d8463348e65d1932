"""The interface of negative samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.data.interactions import Interactions
from dvr_ray.registry import Registry

__all__ = ["NEGATIVES", "NegativeSampler"]


class NegativeSampler(ABC):
    """Draws a negative item for every training row.

    Parameters
    ----------
    params : Params
        The sampler's own fields.
    train : Interactions
        Training part; none of its pairs is ever drawn.
    """

    Params: type[Strict]

    @abstractmethod
    def __init__(self, params: Any, train: Interactions) -> None: ...

    @abstractmethod
    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw one negative per training row: int64, shape (n,), in the order of the rows."""


NEGATIVES: Registry[NegativeSampler] = Registry("negative sampler", "dvr_ray.negatives")
