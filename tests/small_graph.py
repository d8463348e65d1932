"""A graph of a few users and items, one of each without an interaction."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dvr_ray.backbones import BACKBONES, Backbone
from dvr_ray.data.interactions import Interactions

__all__ = ["ITEMS", "PAIRS", "TRAIN", "USERS", "make"]

USERS, ITEMS = 6, 8
PAIRS = [(0, 1), (0, 2), (0, 6), (1, 1), (1, 2), (2, 0), (2, 2), (2, 5), (3, 3), (3, 5), (4, 2)]
TRAIN = Interactions.from_pairs(
    np.array([u for u, _ in PAIRS]), np.array([i for _, i in PAIRS]), USERS, ITEMS
)


def make(name: str, train: Interactions = TRAIN, seed: int = 0, **params: Any) -> Backbone:
    """Build a backbone in float64."""
    cls = BACKBONES.get(name)
    made = cls.build(cls.Params(**params), train, torch.Generator().manual_seed(seed))
    return made.double()
