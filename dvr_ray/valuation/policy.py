"""From Shapley values to probabilities of keeping a triplet.

* ``sigmoid`` (default): ``sigmoid(phi / (temperature sd) + offset)`` with a running sd of phi. Not
  centred: zero means no marginal value, so that on clean data nearly everything can be kept.
* ``centred``: phi minus its mean over the batch, and a shift that holds the mean probability at
  ``keep_rate``; the shift is differentiated (implicit function theorem).
* ``minmax``: phi scaled to 0..1 over the batch, the likely choice of the paper, whose own formula
  isn't known.

All are clamped to the bounds, so that every triplet stays explorable.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.schema import PolicyConfig

__all__ = ["SelectionPolicy", "draw", "entropy"]

DECAY = 0.9
BISECTIONS = 60


class SelectionPolicy:
    """Turns values into probabilities.

    Parameters
    ----------
    config : PolicyConfig
        Normalisation, temperature, offset, keep-rate and bounds.
    """

    def __init__(self, config: PolicyConfig) -> None:
        self.config = config
        self._sd: float | None = None

    @property
    def sd(self) -> float:
        """Running sd of values; 1 before any were observed."""
        return 1.0 if self._sd is None else self._sd

    def observe(self, values: Tensor) -> None:
        """Update the running sd with the values (n,) of a whole partition."""
        latest = max(float(values.std(correction=0)), 1e-12)
        self._sd = latest if self._sd is None else DECAY * self._sd + (1 - DECAY) * latest

    def probabilities(self, values: Tensor, collective: Collective | None = None) -> Tensor:
        """Probabilities of keeping this worker's triplets of a batch.

        Parameters
        ----------
        values : Tensor, shape (b,)
            ``B * shapley``.
        collective : Collective, optional
            The group that holds the batch.

        Returns
        -------
        Tensor, shape (b,)
            Within the bounds, differentiable.
        """
        group = collective or OneProcess()
        low, high = self.config.bounds
        if self.config.normalisation == "minmax":
            return _minmax(values, group).clamp(low, high)
        scale = self.config.temperature * self.sd
        if self.config.normalisation == "centred":
            scores = (values - _mean(values, group)) / scale
            shifted = scores + _shift(scores, self.config.keep_rate, group)
            return torch.sigmoid(shifted).clamp(low, high)
        return torch.sigmoid(values / scale + self.config.offset).clamp(low, high)

    def state(self) -> dict[str, float]:
        """State for a checkpoint."""
        return {} if self._sd is None else {"sd": self._sd}

    def load(self, state: dict[str, float]) -> None:
        """Restore what `state` gave."""
        self._sd = state.get("sd")


def draw(probabilities: Tensor, masks: int, generator: torch.Generator) -> Tensor:
    """Draw independent Bernoulli masks.

    Parameters
    ----------
    probabilities : Tensor, shape (r,) or (K, r)
        In an order that is the same on every worker.
    masks : int
        Number K of masks.
    generator : torch.Generator
        Uniforms are drawn on the CPU, so that every worker and device draws the same.

    Returns
    -------
    Tensor of bool, shape (K, r)
    """
    uniforms = torch.rand(
        masks, probabilities.shape[-1], generator=generator, dtype=torch.float64
    )
    return uniforms < probabilities.cpu()


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy of each Bernoulli draw, in nats: shape (b,) to (b,)."""
    p = probabilities.clamp(1e-7, 1 - 1e-7)
    return -(p * p.log() + (1 - p) * (1 - p).log())


def _mean(values: Tensor, group: Collective) -> Tensor:
    size = values.new_tensor([float(len(values))])
    total = group.sum(torch.cat([values.sum()[None], size]))
    return total[0] / total[1].detach()


def _shift(scores: Tensor, keep_rate: float, group: Collective) -> Tensor:
    """Shift c with mean sigmoid(score + c) = keep_rate.

    Found by bisection without gradient; one Newton step with gradient then has the derivative of
    the implicit function, ``dc/dscore_b = -s_b / sum s`` with ``s = p (1 - p)``.
    """
    with torch.no_grad():
        extreme = _extremes(scores, group)
        low, high = -extreme[1] - 40, -extreme[0] + 40
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            above = _mean(torch.sigmoid(scores + middle), group) > keep_rate
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        slope = torch.sigmoid(scores + middle)
        slope = _mean(slope * (1 - slope), group).clamp_min(1e-12)
    gap = _mean(torch.sigmoid(scores + middle), group) - keep_rate
    return middle - gap / slope


def _extremes(values: Tensor, group: Collective) -> Tensor:
    """Smallest and largest value over all workers, shape (2,), outside autograd."""
    own = values.detach()
    padded = values.new_full((group.size, 2), 0.0)
    empty = values.new_tensor([torch.inf, -torch.inf])
    mine = torch.stack([own.min(), own.max()]) if len(own) else empty
    padded[group.rank] = mine.nan_to_num(posinf=1e30, neginf=-1e30)
    gathered = group.sum_(padded)
    return torch.stack([gathered[:, 0].min(), gathered[:, 1].max()])


def _minmax(values: Tensor, group: Collective) -> Tensor:
    """Scale to 0..1 over the batch; the ends are treated as constants; all equal gives .5."""
    low, high = _extremes(values, group)
    if high <= low:
        return values * 0 + 0.5
    return (values - low) / (high - low)
