"""The encoder's inputs: features of interactions, and embeddings where asked for.

Static features were computed once for the data set and gauss-ranked; features of the warm-up's
losses are added when it ends, and on request the squares of them all, as ``(x^2 - 1) / sqrt(2)``,
which has mean 0 and variance 1 where x is normal. ``embeddings`` (e_u, e_i, e_j) and ``products``
(e_u e_i, e_u e_j), the paper's input and a stronger form of it, are read anew for each horizon and
standardised.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dvr_ray.data.features import DYNAMIC, FEATURES, loss_features
from dvr_ray.data.interactions import TrialData
from dvr_ray.weightings.weighting import Horizon

__all__ = ["EncoderInputs", "family_columns"]


class EncoderInputs:
    """Assembles the (r, c) inputs of a horizon's rows.

    Parameters
    ----------
    data : TrialData
        Holds the static features.
    names : tuple of str
        Features in the order of the columns.
    dtype : torch.dtype
        Of the inputs.
    squares : bool
        Whether the static columns are followed by their squares.
    """

    def __init__(
        self,
        data: TrialData,
        names: tuple[str, ...],
        dtype: torch.dtype,
        *,
        squares: bool = False,
    ) -> None:
        self._squares = squares
        self._data, self._names, self._dtype = data, names, dtype
        self._users = torch.from_numpy(data.train.users)
        self._items = torch.from_numpy(data.train.items)
        self._static: Tensor | None = None

    def prepare(self, losses: Tensor) -> None:
        """Fix the static columns; called once, when the warm-up has ended.

        Parameters
        ----------
        losses : Tensor, shape (n,)
            Running mean BPR loss of every training row.
        """
        names = [name for name in self._names if name not in DYNAMIC]
        blocks = [family_columns(self._data, name, losses) for name in names]
        width = sum(block.shape[1] for block in blocks)
        # Filled in place: at 25 million rows every copy takes a gigabyte.
        shape = len(self._data.train), width * (2 if self._squares else 1)
        static = torch.empty(shape, dtype=self._dtype)
        start = 0
        for block in blocks:
            static[:, start : start + block.shape[1]] = torch.from_numpy(block)
            start += block.shape[1]
        if self._squares:
            static[:, width:] = static[:, :width]
            static[:, width:].square_().sub_(1).div_(2**0.5)
        self._static = static

    @property
    def static(self) -> Tensor:
        """The static columns, shape (n, c)."""
        assert self._static is not None, "prepare() comes first"
        return self._static

    @static.setter
    def static(self, values: Tensor) -> None:
        self._static = values

    @property
    def prepared(self) -> bool:
        """Whether the static columns are fixed."""
        return self._static is not None

    def __call__(self, rows: Tensor, horizon: Horizon) -> Tensor:
        """Return the inputs of rows, shape (r,) to (r, c)."""
        blocks = [self.static[rows]]
        if any(name in DYNAMIC for name in self._names):
            user, positive = horizon.embeddings(self._users[rows], self._items[rows])
            _, negative = horizon.embeddings(self._users[rows], horizon.negatives(rows))
            if "embeddings" in self._names:
                blocks += [user, positive, negative]
            if "products" in self._names:
                blocks += [user * positive, user * negative]
            blocks[1:] = [_standardised(block.to(self._dtype).cpu()) for block in blocks[1:]]
        return torch.cat(blocks, dim=1) if len(blocks) > 1 else blocks[0]


def family_columns(data: TrialData, name: str, losses: Tensor) -> np.ndarray:
    """Return the columns of a feature family, gauss-ranked.

    Parameters
    ----------
    data : TrialData
        Holds the static families of ``encoder.features``.
    name : str
        The family.
    losses : Tensor, shape (n,)
        Running mean BPR loss of every training row; read by the family ``loss`` alone.

    Returns
    -------
    ndarray, shape (n, c), float32
    """
    if FEATURES.get(name).needs_losses:
        return loss_features(data.train, losses.cpu().double().numpy())
    return data.features[name]


def _standardised(block: Tensor) -> Tensor:
    if len(block) < 2:
        return block
    return (block - block.mean(0)) / block.std(0).clamp_min(1e-12)
