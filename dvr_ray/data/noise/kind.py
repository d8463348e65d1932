"""The interface of kinds of noise, and what they work on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np

from dvr_ray.config.schema import NoiseConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.registry import Registry

__all__ = ["NOISES", "NONE", "Draft", "NoiseKind", "Scene"]

NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Scene:
    """What a kind of noise works on.

    Parameters
    ----------
    train : Interactions
        Real training rows, n of them.
    taken : ndarray, shape (t,)
        Keys ``user * I + item`` that can't be planted, increasing: rows of all parts, at least one.
    config : NoiseConfig
        Amounts.
    rng : Generator
        Of the kind's own stream.
    times : ndarray, shape (n,), or None
        When the training rows took place.
    """

    train: Interactions
    taken: np.ndarray
    config: NoiseConfig
    rng: np.random.Generator
    times: np.ndarray | None

    @property
    def wanted(self) -> int:
        """Number of rows that ``share`` asks for."""
        return round(self.config.share * len(self.train))

    def free(self, keys: np.ndarray) -> np.ndarray:
        """Tell which keys aren't taken; any shape."""
        place = np.minimum(np.searchsorted(self.taken, keys), len(self.taken) - 1)
        return np.asarray(self.taken[place] != keys)

    def items_of(self, user: int) -> np.ndarray:
        """Return the items that can't be planted for a user, increasing."""
        first = user * self.train.num_items
        start, stop = np.searchsorted(self.taken, [first, first + self.train.num_items])
        return np.asarray(self.taken[start:stop] - first)

    def having(self, keys: np.ndarray) -> Scene:
        """Return the same with more keys taken."""
        return replace(self, taken=np.sort(np.concatenate([self.taken, keys])))


@dataclass(frozen=True)
class Draft:
    """What a kind of noise plants.

    Parameters
    ----------
    keys : ndarray, shape (p,)
        ``user * I + item`` of the planted rows, none of them taken, each once. Users from U on are
        newcomers.
    times : ndarray, shape (p,), or None
        When they took place; None for a random time within the user's own.
    removed : ndarray
        Training rows that the planted ones stand in for.
    targets : ndarray
        Items that were pushed, increasing.
    newcomers : ndarray, shape (c,)
        For every user that is added, the user it is a copy of, or -1.
    """

    keys: np.ndarray = field(default_factory=NONE.copy)
    times: np.ndarray | None = None
    removed: np.ndarray = field(default_factory=NONE.copy)
    targets: np.ndarray = field(default_factory=NONE.copy)
    newcomers: np.ndarray = field(default_factory=NONE.copy)


class NoiseKind(ABC):
    """A kind of noise."""

    reads: tuple[str, ...] = ("share",)
    """Fields of ``data.noise`` that mean something to it."""

    @abstractmethod
    def draft(self, scene: Scene) -> Draft:
        """Choose what is planted.

        Raises
        ------
        DataError
            If the log has no room for it.
        """


NOISES: Registry[NoiseKind] = Registry("kind of noise", "dvr_ray.data.noise")
