"""Initial weights: drawn from the generator that is handed in, or computed from the data."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from dvr_ray.backbones.graph import adjacency, binary, csr, once
from dvr_ray.data.interactions import Interactions

__all__ = ["Start", "decompose", "truncated_svd", "xavier"]

Start = Literal["normal", "spectral"]
"""How embeddings start: drawn from a normal distribution, or as `decompose` makes them."""

SEED, POWER_ITERATIONS, OVERSAMPLING, RANK_TOLERANCE = 0, 2, 8, 1e-5


def xavier(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    """Draw a matrix uniformly within ``sqrt(6 / (rows + columns))``.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, eq. 16.
    """
    bound = (6 / (rows + columns)) ** 0.5
    return nn.Parameter((2 * torch.rand(rows, columns, generator=generator) - 1) * bound)


def truncated_svd(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest singular values (r,) and their vectors, r = min(rank, R, C).

    Source: Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 2011. Its
    random numbers are the same in every call.

    Parameters
    ----------
    matrix : Tensor, shape (R, C)
        May be sparse.
    rank : int
        Values wanted.

    Returns
    -------
    tuple of Tensor, shapes (R, r), (r,) and (C, r)
        Left vectors, values in decreasing order, right vectors.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        # A few directions more than wanted make the last of them exact enough.
        size = min(rank + OVERSAMPLING, *matrix.shape)
        left, values, right = torch.svd_lowrank(matrix, size, niter=POWER_ITERATIONS)
    return left[:, :rank], values[:rank], right[:, :rank]


def decompose(users: nn.Parameter, items: nn.Parameter, train: Interactions) -> None:
    """Overwrite embeddings by a truncated singular value decomposition of the training part.

    The normalised interactions D_u^-1/2 X D_i^-1/2 are about P S Q'; users become P S^1/2 and
    items D_i^1/2 Q S^1/2, scaled so that the mean score of training pairs is 1 and both tables
    have the same norm. Columns beyond the matrix's rank keep what was drawn. It depends on the
    training part alone, so it is the same for every seed.

    Parameters
    ----------
    users, items : Parameter, shapes (U, d) and (I, d)
        Changed in place.
    train : Interactions
        The training part.
    """
    dim = users.shape[1]
    with torch.no_grad():
        for table, found in zip(
            (users, items),
            once(train, ("decomposed", dim), lambda: _decomposed(train, dim)),
            strict=True,
        ):
            table[:, : found.shape[1]] = found


def _decomposed(train: Interactions, dim: int) -> tuple[Tensor, Tensor]:
    """Users (U, r) and items (I, r), r = min(d, rank)."""
    number = train.num_users
    matrix = csr(adjacency(train)[:number, number:])
    left, values, right = truncated_svd(matrix, dim)
    # A column of zeros on both sides would have no gradient for ever.
    rank = int((values > RANK_TOLERANCE * values[0]).sum())
    root = values[:rank].sqrt()
    degrees = torch.from_numpy(train.item_counts).to(root)
    users, items = left[:, :rank] * root, right[:, :rank] * root * degrees.sqrt()[:, None]
    score = (users * (csr(binary(train)) @ items)).sum() / len(train)
    ratio = items.norm() / users.norm()
    return users * (ratio / score).sqrt(), items / (ratio * score).sqrt()
