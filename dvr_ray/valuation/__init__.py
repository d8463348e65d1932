"""Exact Shapley values of a batch: encoder, HarsanyiNet and selection policy."""

from dvr_ray.valuation.encoder import build_encoder
from dvr_ray.valuation.harsanyi import HarsanyiValuator, Valuation
from dvr_ray.valuation.policy import SelectionPolicy

__all__ = ["HarsanyiValuator", "SelectionPolicy", "Valuation", "build_encoder"]
