"""Gauss-ranks: every column becomes normal quantiles of its ranks, ties at mid-rank."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dvr_ray.data.features.feature import FEATURES, FeatureContext
from dvr_ray.data.interactions import Interactions

__all__ = ["NormalQuantiles", "gauss_rank", "loss_features", "raw_columns", "static_features"]


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


def raw_columns(context: FeatureContext, names: Iterable[str]) -> np.ndarray:
    """Compute feature families before they are ranked, ``loss`` among them; shape (n, c)."""
    return np.concatenate([_raw(name, context) for name in names], axis=1)


def _raw(name: str, context: FeatureContext) -> np.ndarray:
    # In float32, so that sums which differ by the order of their terms alone tie.
    return FEATURES.get(name)().compute(context).astype(np.float32, copy=False)


def _ranked(name: str, context: FeatureContext) -> np.ndarray:
    return gauss_rank(_raw(name, context))


class NormalQuantiles:
    """Gauss-ranks by a sample: what a value of the sample got there, others interpolated.

    Parameters
    ----------
    sample : ndarray, shape (m, c), float32
        Columns of some rows, drawn evenly. A rank's standard error is at most ``.5 / sqrt(m)``.
    """

    def __init__(self, sample: np.ndarray) -> None:
        ranked = gauss_rank(sample)
        self._tables = [_table(sample[:, k], ranked[:, k]) for k in range(sample.shape[1])]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Rank columns, shape (n, c) to (n, c), float32."""
        columns = zip(values.T, self._tables, strict=True)
        return np.stack([np.interp(column, *table) for column, table in columns], axis=1).astype(
            np.float32
        )


def _table(values: np.ndarray, ranked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values, increasing, and their quantiles."""
    distinct, place = np.unique(values, return_index=True)
    return distinct, ranked[place]
