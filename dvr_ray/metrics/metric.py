"""The interface of ranking metrics and the reading of names such as ``ndcg@20``.

A metric looks at one user's list at a time, through which of its places are hits, and gives a value
per user, so that values of many users (and of many workers) merge by sums and reduce the variance
of a reward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from dvr_ray.errors import ConfigError, nearest
from dvr_ray.registry import Registry

__all__ = ["METRICS", "Metric", "parse"]


class Metric(ABC):
    """A metric of a user's top-K list.

    Parameters
    ----------
    cutoff : int
        K, at least 1.
    """

    higher_is_better: bool

    def __init__(self, cutoff: int) -> None:
        self.cutoff = cutoff

    @abstractmethod
    def per_user(self, hits: Tensor, relevant: Tensor) -> Tensor:
        """Measure users.

        Parameters
        ----------
        hits : Tensor of bool, shape (u, k)
            Whether each place of the list, best first, holds a relevant item. Places beyond K
            are ignored; k < K is a list cut short by a small catalogue.
        relevant : Tensor of int64, shape (u,)
            Number of relevant items.

        Returns
        -------
        Tensor, shape (u,), float64
            Value of each user, 0 to 1; NaN for users without relevant items.
        """


METRICS: Registry[Metric] = Registry("metric", "dvr_ray.metrics")


def parse(name: str, place: str = "metric", *, also: Sequence[str] = ()) -> Metric:
    """Return the metric that a name such as ``ndcg@20`` asks for.

    Parameters
    ----------
    name : str
        Metric and cutoff; case doesn't matter but in ``package.module:Class@20``.
    place : str
        Where the name was written, for messages.
    also : sequence of str
        Other names that are right at that place, for messages.

    Raises
    ------
    ConfigError
        If the metric is unknown or the cutoff isn't a positive integer.
    """
    base, at, cutoff = name.strip().partition("@")
    base = base if ":" in base else base.lower()
    known = METRICS.names()
    if base not in known and ":" not in base:
        listing = [f"{metric}@K" for metric in known] + list(also)
        raise ConfigError(place, f"unknown metric {name!r}", nearest(f"{base}@K", listing))
    if not at or not cutoff.isdecimal() or int(cutoff) < 1:
        raise ConfigError(
            place, f"a cutoff >= 1 must follow {base}@, got {name!r}", f"write {base}@20"
        )
    return METRICS.get(base, place)(int(cutoff))
