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
        self._own: dict[str, Tensor] | None = None

    def prepare(self, losses: Tensor) -> None:
        """Fix the static columns; called once, when the warm-up has ended.

        Parameters
        ----------
        losses : Tensor, shape (n,)
            Running mean BPR loss of every training row.
        """
        self._own = {
            name: torch.from_numpy(family_columns(self._data, name, losses))
            for name in self._names
            if name not in DYNAMIC and FEATURES.get(name).needs_losses
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return the static columns that this run has made; the others are the data set's."""
        assert self._own is not None, "prepare() comes first"
        return self._own

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self._own = state

    @property
    def static(self) -> Tensor:
        """The static columns of all rows, shape (n, c), as a copy."""
        return self._fixed(slice(None))

    def _fixed(self, rows: Tensor | slice) -> Tensor:
        """Static columns of rows: gathered, since those of all rows are shared by all trials."""
        own, names = self.tensors(), [name for name in self._names if name not in DYNAMIC]
        blocks = [
            (own[name] if name in own else torch.from_numpy(self._data.features[name]))[rows]
            for name in names
        ]
        if not blocks:
            return torch.empty(len(self._users[rows]), 0, dtype=self._dtype)
        plain = torch.cat(blocks, 1).to(self._dtype)
        if not self._squares:
            return plain
        return torch.cat([plain, plain.square().sub_(1).div_(2**0.5)], 1)

    @property
    def prepared(self) -> bool:
        """Whether the static columns are fixed."""
        return self._own is not None

    def __call__(self, rows: Tensor, horizon: Horizon) -> Tensor:
        """Return the inputs of rows, shape (r,) to (r, c)."""
        blocks = [self._fixed(rows)]
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
