"""Gauss-ranks: every column becomes normal quantiles of its ranks, ties at mid-rank."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dvr_ray.data.features.feature import FEATURES, FeatureContext
from dvr_ray.data.interactions import Interactions

__all__ = ["gauss_rank", "loss_features", "static_features"]


def gauss_rank(values: np.ndarray) -> np.ndarray:
    """Map columns to ``ndtri((rank - .5) / n)``.

    Parameters
    ----------
    values : ndarray, shape (n, c)
        Finite numbers.

    Returns
    -------
    ndarray, shape (n, c), float32
        A constant column becomes 0.
    """
    from scipy.special import ndtri  # slow to import; plain BPR never asks for ranks
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=0)
    return np.asarray(ndtri((ranks - 0.5) / len(values)), dtype=np.float32)


def static_features(context: FeatureContext, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Compute feature families that need no losses.

    Parameters
    ----------
    context : FeatureContext
        The training part and what is known of its users, items and times.
    names : iterable of str
        Registered names.

    Returns
    -------
    dict of str to ndarray, shape (n, c), float32
        Gauss-ranked.
    """
    return {name: _ranked(name, context) for name in names}


def loss_features(train: Interactions, losses: np.ndarray) -> np.ndarray:
    """Compute the family ``loss`` from mean losses (n,): shape (n, 2), gauss-ranked."""
    return _ranked("loss", FeatureContext(train, losses))


def _ranked(name: str, context: FeatureContext) -> np.ndarray:
    # In float32, so that sums which differ by the order of their terms alone tie.
    return gauss_rank(FEATURES.get(name)().compute(context).astype(np.float32))
