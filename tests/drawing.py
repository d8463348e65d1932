"""What tests of samplers share: a log, models, and whether draws follow a distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import chisquare

from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.data.interactions import Interactions

__all__ = ["Normed", "all_rows", "chance", "liked_by", "model_of", "small_log", "users_of"]


def small_log(users: int, items: int, seed: int, share: float = 0.4) -> Interactions:
    """Everybody likes the first item and nobody the last; the others by chance."""
    rng = np.random.default_rng(seed)
    liked = rng.random((users, items)) < share * np.linspace(1.5, 0.5, items)
    liked[:, 0], liked[:, -1] = True, False
    pairs = np.argwhere(liked)
    return Interactions.from_pairs(pairs[:, 0], pairs[:, 1], users, items)


def all_rows(train: Interactions) -> torch.Tensor:
    return torch.arange(len(train))


def liked_by(train: Interactions, user: int) -> set[int]:
    return set(train.items[train.users == user].tolist())


def chance(drawn: torch.Tensor, expected: Sequence[float]) -> float:
    """Chance of counts as far off as these (chi-square); cells that expect < 5 are merged.

    Impossible items must not have been drawn.
    """
    odds = np.asarray(expected)
    counts = np.bincount(drawn.flatten().numpy(), minlength=len(odds))
    assert len(counts) == len(odds) and not counts[odds == 0].any()
    wanted = odds / odds.sum() * counts.sum()
    rare = wanted < 5
    seen = np.append(counts[~rare], counts[rare].sum())
    due = np.append(wanted[~rare], wanted[rare].sum())
    if due[-1] == 0:
        seen, due = seen[:-1], due[:-1]
    return float(chisquare(seen, due).pvalue)


class Normed(BPRMF):
    """A backbone with a matching of its own: minus the distance."""

    rowwise = False

    def match(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return -(users[:, None] - items).square().sum(2)


def model_of(train: Interactions, cls: type[BPRMF] = BPRMF, dim: int = 3, seed: int = 0) -> BPRMF:
    """A backbone with random weights in float64."""
    draws = torch.Generator().manual_seed(seed)
    return cls(train.num_users, train.num_items, dim, draws).double()


def users_of(train: Interactions) -> torch.Tensor:
    return torch.from_numpy(train.users)
