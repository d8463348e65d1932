"""Shapley values of an expensive game from random coalitions; part of `benchmarks/ground_truth.py`.

Coalitions are drawn as in KernelSHAP (Lundberg & Lee, 2017): size s of n players with probability
in proportion to 1 / (s (n - s)), members uniform, each beside its complement. There the weighted
least-squares problem has a known matrix (Covert & Lee, 2021, "unbiased KernelSHAP"), and what it
gives is, with H the harmonic number,

    phi_i = (v(N) - v(0)) / n + H_(n-1) E[(z_i - s/n) (v(S) - v(complement))],  z_i = [i in S].

A mean over pairs, so it is unbiased at any number of them, needs no more pairs than players, and
the estimate from all pairs is the mean of those from two halves, which is what Spearman-Brown's
formula supposes. Subtracting any function of s changes no expectation; a curve fitted to the
contrasts takes out most of what size alone explains (bias O(1 / pairs)).
"""

from __future__ import annotations

import torch
from scipy import stats
from torch import Tensor

__all__ = ["draw_coalitions", "rank_correlation", "shapley", "spearman_brown", "split_half"]


def draw_coalitions(players: int, pairs: int, numbers: torch.Generator) -> Tensor:
    """Draw one coalition of each pair: bool, (pairs, players); the other is its complement."""
    sizes = torch.arange(1, players)
    weights = 1 / (sizes * (players - sizes)).double()
    drawn = sizes[torch.multinomial(weights, pairs, replacement=True, generator=numbers)]
    places = torch.rand(pairs, players, generator=numbers).argsort(1).argsort(1)
    return places < drawn[:, None]


def shapley(coalitions: Tensor, contrasts: Tensor, total: float) -> Tensor:
    """Estimate Shapley values.

    Parameters
    ----------
    coalitions : Tensor of bool, shape (m, n)
        One of each pair, from `draw_coalitions`.
    contrasts : Tensor of float64, shape (m,)
        v(S) - v(complement of S).
    total : float
        v(all) - v(none).

    Returns
    -------
    Tensor of float64, shape (n,)
        They sum to the total.
    """
    members = coalitions.double()
    players = members.shape[1]
    share = members.mean(1, keepdim=True)
    harmonic = (1 / torch.arange(1, players, dtype=torch.float64)).sum()
    rest = contrasts - _curve(2 * share[:, 0] - 1, contrasts)
    return total / players + harmonic * ((members - share) * rest[:, None]).mean(0)


def _curve(imbalance: Tensor, contrasts: Tensor) -> Tensor:
    """Fit an odd cubic of |S| - |complement|, a share of all players, to contrasts (m,)."""
    powers = torch.stack([imbalance, imbalance**3], 1)
    # Sizes may all be alike, so the least-squares problem may be singular.
    return powers @ (torch.linalg.pinv(powers) @ contrasts)


def split_half(
    draws: Tensor, total: float, numbers: torch.Generator, among: Tensor, splits: int = 100
) -> float:
    """Mean rank correlation of the values from one half of the draws with those from the other.

    Parameters
    ----------
    draws : Tensor of float64, shape (T, m, n + 1)
        T independent sets of m pairs: coalitions, then contrasts. A set isn't divided, because its
        retrainings share their random numbers.
    total : float
        v(all) - v(none).
    numbers : torch.Generator
        Draws the halves.
    among : Tensor of bool, shape (n,)
        Players that are correlated.
    splits : int
        Number of random halvings.
    """
    found = []
    for _ in range(splits):
        halves = draws[torch.randperm(len(draws), generator=numbers)].tensor_split(2)
        rows = [half.flatten(0, 1) for half in halves]
        pair = [shapley(part[:, :-1], part[:, -1], total)[among] for part in rows]
        found.append(rank_correlation(*pair))
    return sum(found) / splits


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's rho of two vectors; nan where one of them is constant."""
    if first.min() == first.max() or second.min() == second.max():
        return float("nan")
    return float(stats.spearmanr(first.numpy(), second.numpy()).statistic)


def spearman_brown(correlation: float, factor: float = 2.0) -> float:
    """Reliability of a measurement ``factor`` times as long; at most 0 stays what it is."""
    if correlation <= 0:
        return correlation
    return factor * correlation / (1 + (factor - 1) * correlation)
