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
    ranked = np.empty(values.shape, dtype=np.float32)
    for column in range(values.shape[1]):
        ranked[:, column] = _normal_quantiles(values[:, column])
    return ranked


def _normal_quantiles(values: np.ndarray) -> np.ndarray:
    """Normal quantiles of the mid-ranks, shape (n,); one quantile per group of ties."""
    from scipy.special import ndtri  # slow to import; plain BPR never asks for ranks

    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(starts, append=len(values))
    # In place, and let go of: these are as long as the log where nothing ties.
    quantiles = sizes / 2
    quantiles += starts
    del ordered, starts
    quantiles /= len(values)
    found = np.empty(len(values), dtype=np.float32)
    found[order] = np.repeat(ndtri(quantiles, out=quantiles).astype(np.float32), sizes)
    return found


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
    return gauss_rank(FEATURES.get(name)().compute(context).astype(np.float32, copy=False))
