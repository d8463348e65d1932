"""Sparse matrices that graph backbones multiply their tables by.

A product with CSR matrices takes a third of the time that torch's COO takes (64 columns, Gowalla).
torch's own backward of it transposes the matrix anew at every step, so the backward here
multiplies by a transpose that is kept; it can be differentiated again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from dvr_ray.data.interactions import Interactions

__all__ = ["SparseMatrix", "adjacency", "binary", "csr", "once"]

_KEPT: WeakKeyDictionary[Interactions, dict[Any, Any]] = WeakKeyDictionary()


def once(train: Interactions, key: Any, make: Callable[[], Any]) -> Any:
    """Return what ``make`` returns, made once per training part and key.

    Replicas of a run share it for as long as their training part lives, unless it is moved to
    another device or type: then each has its copy.
    """
    kept = _KEPT.setdefault(train, {})
    if key not in kept:
        kept[key] = make()
    return kept[key]


def csr(matrix: sp.csr_matrix) -> Tensor:
    """Return a CSR tensor, rounded to float32: 12 bytes an entry and 8 a row."""
    with warnings.catch_warnings():
        # torch says once in every process that its CSR tensors are in beta.
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            matrix.shape,
        )


def binary(train: Interactions) -> sp.csr_matrix:
    """Return the matrix X of interactions, shape (U, I), float64."""
    offsets, items = train.user_offsets, train.items
    return sp.csr_matrix((np.ones(len(items)), items, offsets), (train.num_users, train.num_items))


def adjacency(train: Interactions) -> sp.csr_matrix:
    """Return ``D^-1/2 A D^-1/2`` of the bipartite graph, shape (U + I, U + I), users first.

    A user or item without interactions has a row of zeros.
    """
    known = binary(train)
    both = sp.bmat([[None, known], [known.T, None]], format="csr")
    degree = np.concatenate([train.user_counts, train.item_counts])
    scale = sp.diags(1 / np.sqrt(np.maximum(degree, 1)))
    return (scale @ both @ scale).tocsr()


class SparseMatrix(nn.Module):
    """A fixed sparse matrix, moved with its backbone and left out of its state.

    Parameters
    ----------
    matrix : Tensor, sparse CSR, shape (R, C)
        What `csr` returned.
    transposed : Tensor, sparse CSR, shape (C, R), or None
        Its transpose; None where it is symmetric.
    """

    _matrix: Tensor
    _transposed: Tensor | None

    def __init__(self, matrix: Tensor, transposed: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("_matrix", matrix, persistent=False)
        self.register_buffer("_transposed", transposed, persistent=False)

    def forward(self, dense: Tensor) -> Tensor:
        """Multiply by a dense matrix: shape (C, D) to (R, D)."""
        transposed = self._matrix if self._transposed is None else self._transposed
        return _product(self._matrix, transposed, dense)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
        ctx.matrices = matrix, transposed
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        matrix, transposed = ctx.matrices
        return None, None, _product(transposed, matrix, gradient)


def _product(matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
    product: Tensor = _Product.apply(matrix, transposed, dense)  # type: ignore[no-untyped-call]
    return product
