"""Planted noise: rows added to the training part whose place is known, to check values against."""

from dvr_ray.data.noise.kind import NOISES, Draft, NoiseKind, Scene
from dvr_ray.data.noise.newcomers import with_newcomers
from dvr_ray.data.noise.planting import Planting, plant

__all__ = ["NOISES", "Draft", "NoiseKind", "Planting", "Scene", "plant", "with_newcomers"]
