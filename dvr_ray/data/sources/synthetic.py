"""Embedded data: a seeded log with tastes, popularity, categories, genders and age groups.

Fixed before any result of DVR on it was looked at. For U users and I items, from ``data.seed``:

* 12 categories with sizes from Dirichlet(2); each has a centre c ~ N(0, I) in R^8; an item of
  category k has traits ``q_i = c_k + .7 N(0, I)``.
* 40% of users are "F", 60% "M"; age groups 18-24, 25-34, 35-49, 50+ have shares .3, .35, .25, .1.
  Gender and age group each shift tastes by a fixed vector ``.4 N(0, I)`` of theirs:
  ``p_u = N(0, I) + shift(gender) + shift(age)``.
* Popularity: ``log`` of an item's pull is ``-.8 log(rank)`` in a random order (Zipf with exponent
  .8), as real logs have it.
* Activity: list length ``m_u = 10 + LogNormal(2.6, .8)``, times 1.15 for the two younger groups,
  at most a quarter of the catalogue (at least 2, less than I / 2 + 1).
* User u takes the m_u items with the largest ``2 <p_u, q_i> / sqrt(8) + log pull_i + Gumbel``:
  sampling without replacement from the softmax of taste and pull.

Planted noise isn't part of the generator: `dvr_ray.data.noise` adds it to the training part of any
data set, so that its place is known.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from dvr_ray import seeding
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.sources.source import SOURCES, Source

__all__ = ["Synthetic"]

CATEGORIES = (
    "ambient", "blues", "classical", "country", "electronic", "folk",
    "hip-hop", "jazz", "metal", "pop", "rock", "soul",
)  # fmt: skip
TRAITS = 8
GENDERS, GENDER_SHARES = ("F", "M"), (0.4, 0.6)
AGES, AGE_SHARES = ("18-24", "25-34", "35-49", "50+"), (0.3, 0.35, 0.25, 0.1)
VERSION = 1
BLOCK = 1024


@SOURCES.add("synthetic")
class Synthetic(Source):
    """The generator; sizes and seed from `DataConfig`."""

    def fingerprint(self) -> str:
        """Hash of version, sizes and seed."""
        config = self.config
        text = f"synthetic/{VERSION}/{config.users}/{config.items}/{config.seed}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def load(self) -> Dataset:
        """Generate the log, in about a second for 10^6 pairs of user and item."""
        users, items = self.config.users, self.config.items
        rng = seeding.numpy_generator(self.config.seed, "synthetic")
        category = rng.choice(len(CATEGORIES), items, p=rng.dirichlet(np.full(12, 2.0)))
        traits = rng.normal(size=(12, TRAITS))[category] + 0.7 * rng.normal(size=(items, TRAITS))
        gender = rng.choice(len(GENDERS), users, p=GENDER_SHARES)
        age = rng.choice(len(AGES), users, p=AGE_SHARES)
        tastes = (
            rng.normal(size=(users, TRAITS))
            + 0.4 * rng.normal(size=(len(GENDERS), TRAITS))[gender]
            + 0.4 * rng.normal(size=(len(AGES), TRAITS))[age]
        )
        pull = -0.8 * np.log(rng.permutation(items) + 1)
        lengths = _lengths(users, items, age, rng)
        chosen = [
            _choose(tastes[start : start + BLOCK], traits, pull, lengths[start : start + BLOCK], rng)
            for start in range(0, users, BLOCK)
        ]
        log = Interactions.from_pairs(
            np.repeat(np.arange(users), lengths), np.concatenate(chosen), users, items
        )
        return Dataset(
            name="synthetic",
            interactions=log,
            test=None,
            user_ids=np.arange(users),
            item_ids=np.arange(items),
            user_table=pd.DataFrame(
                {"gender": np.array(GENDERS)[gender], "age_group": np.array(AGES)[age]}
            ),
            item_table=pd.DataFrame({"category": np.array(CATEGORIES)[category]}),
            fingerprint=self.fingerprint(),
        )


def _lengths(users: int, items: int, age: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Length of every user's list, shape (U,)."""
    activity = np.where(age < 2, 1.15, 1.0)
    wanted = (10 + activity * rng.lognormal(2.6, 0.8, users)).astype(np.int64)
    most = min(max(items // 4, 10), max(2, items // 2))
    return np.clip(wanted, 1, min(most, items - 1))


def _choose(
    tastes: np.ndarray,
    traits: np.ndarray,
    pull: np.ndarray,
    lengths: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Items of a block of users, concatenated in the order of users."""
    utility = 2 * tastes @ traits.T / np.sqrt(TRAITS) + pull
    utility += rng.gumbel(size=utility.shape)
    order = np.argsort(-utility, axis=1)
    return order[np.arange(order.shape[1]) < lengths[:, None]]
