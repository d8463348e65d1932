"""Graphs of alike rows: pairs whose cosine is high enough for a wanted average degree."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

__all__ = ["cosine_graph"]

# Products of a block of rows with all others stay near this many entries, at some 20 bytes each.
ENTRIES = 1 << 23


def cosine_graph(matrix: sp.csr_matrix, degree: float) -> sp.csr_matrix:
    """Link the rows of a binary matrix whose cosine reaches a threshold.

    The threshold is the cosine at which the average degree comes nearest to the wanted one; pairs
    of equal cosine are linked together or not at all. Rows without a common column never are.

    Parameters
    ----------
    matrix : sparse matrix, shape (R, C)
        Zeros and ones.
    degree : float
        Wanted average number of neighbours.

    Returns
    -------
    sparse matrix, shape (R, R)
        Ones; symmetric, nothing on the diagonal.

    Notes
    -----
    Rows are multiplied in blocks, and of all pairs seen the best ``degree * R / 2`` are kept with
    those that tie, so memory holds one block and the kept pairs, never all pairs.
    """
    sizes = np.diff(matrix.indptr).astype(np.float64)
    wanted = round(degree * matrix.shape[0] / 2)
    kept = np.empty((2, 0), dtype=np.int64), np.empty(0)
    transposed = matrix.T.tocsr()
    for start, stop in _blocks(matrix, transposed):
        common = sp.triu(matrix[start:stop] @ transposed, k=start + 1, format="coo")
        pairs = np.stack([common.row + start, common.col]).astype(np.int64)
        # Squares of cosines are ratios of whole numbers, so equal ones are equal floats.
        squares = common.data**2 / (sizes[pairs[0]] * sizes[pairs[1]])
        kept = _best(np.hstack([kept[0], pairs]), np.concatenate([kept[1], squares]), wanted)
    rows, columns = _nearest(*kept, wanted)
    ones = np.ones(2 * len(rows))
    both = np.concatenate([rows, columns]), np.concatenate([columns, rows])
    return sp.csr_matrix((ones, both), (matrix.shape[0], matrix.shape[0]))


def _blocks(matrix: sp.csr_matrix, transposed: sp.csr_matrix) -> list[tuple[int, int]]:
    """Cut rows so that the entries of a block's product are bounded, but for single rows."""
    counts = np.diff(transposed.indptr).astype(np.float64)
    upper = np.cumsum(matrix @ counts)
    places = np.searchsorted(upper, np.arange(ENTRIES, upper[-1], ENTRIES)) + 1
    cuts = np.unique(np.concatenate([[0], places, [matrix.shape[0]]]))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def _best(pairs: np.ndarray, squares: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Drop pairs below the cosine of the best ``wanted``; ties stay."""
    if len(squares) <= wanted:
        return pairs, squares
    good = squares >= np.partition(squares, -wanted)[-wanted]
    return pairs[:, good], squares[good]


def _nearest(pairs: np.ndarray, squares: np.ndarray, wanted: int) -> np.ndarray:
    """Leave out the pairs at the threshold where that comes nearer to the wanted number."""
    if len(squares) <= wanted:
        return pairs
    above = squares > squares.min()
    without = int(above.sum())
    nearer = wanted - without < len(squares) - wanted and without > 0
    return pairs[:, above] if nearer else pairs
