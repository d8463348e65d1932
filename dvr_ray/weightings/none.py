"""Plain BPR: every triplet counts one."""

from __future__ import annotations

from dvr_ray.config.schema import Strict
from dvr_ray.weightings.weighting import WEIGHTINGS, Weighting

__all__ = ["KeepAll"]


class KeepAllParams(Strict):
    """Fields of ``method: {name: bpr}``: none."""


@WEIGHTINGS.add("bpr")
class KeepAll(Weighting):
    """Train with every triplet, as plain BPR does."""

    Params = KeepAllParams
    needs_training = False
