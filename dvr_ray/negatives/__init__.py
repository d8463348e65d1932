"""Negative samplers; one file per sampler."""

from dvr_ray.negatives.sampler import NEGATIVES, Negatives, NegativeSampler

__all__ = ["NEGATIVES", "NegativeSampler", "Negatives"]
