"""Exact Shapley values of a batch: encoder, HarsanyiNet and selection policy."""

from dvr_ray.valuation.encoder import build_encoder
from dvr_ray.valuation.harsanyi import HarsanyiValuator, Valuation
from dvr_ray.valuation.policy import SelectionPolicy
from dvr_ray.valuation.positional import PositionalValuator

__all__ = [
    "HarsanyiValuator",
    "PositionalValuator",
    "SelectionPolicy",
    "Valuation",
    "build_encoder",
]
