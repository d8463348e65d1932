"""Weightings of triplets: which of them train the backbone, and how much; one file each."""

from dvr_ray.weightings.weighting import (
    WEIGHTINGS,
    Horizon,
    TripletBatch,
    Weighting,
    WeightingParts,
)

__all__ = ["WEIGHTINGS", "Horizon", "TripletBatch", "Weighting", "WeightingParts"]
