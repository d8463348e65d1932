"""From Shapley values to probabilities of keeping a triplet.

* ``sigmoid`` (default): ``sigmoid(phi / (temperature sd) + offset)`` with a running sd of phi. Not
  centred: zero means no marginal value, so that on clean data nearly everything can be kept.
* ``centred``: phi minus its mean over the batch, over ``temperature sd``, and a shift that holds
  the mean probability at ``keep_rate``; the shift is differentiated (implicit function theorem).
* ``minmax``: phi scaled to 0..1 over the batch, the likely choice of the paper, whose own formula
  isn't known. Where all values of a batch are equal, 1/2.

All are clamped to the bounds, so that every triplet stays explorable. Statistics of a batch that is
shared by W workers are those of the whole batch, and gradients flow through them to every worker.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.schema import PolicyConfig

__all__ = ["SelectionPolicy", "draw", "entropy", "highest", "log_prob"]

DECAY = 0.9
SECTIONS, ROUNDS = 16, 15
"""The shift is looked for in 16 sections at a time, 2^60 in all: each round is one sum."""
TINY = 1e-6
"""Keeps logarithms of probabilities finite."""


class SelectionPolicy:
    """Turns values into probabilities; its state is the running sd.

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
        bounds = self.config.bounds
        if self.config.normalisation == "minmax":
            return _minmax(values, group).clamp(*bounds)
        scale = self.config.temperature * self.sd
        if self.config.normalisation == "centred":
            scores = (values - _mean(values, group)) / scale
            scores = scores + _shift(scores, self.config.keep_rate, bounds, group)
        else:
            scores = values / scale + self.config.offset
        return torch.sigmoid(scores).clamp(*bounds)

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
        True where a triplet is kept; on the CPU.
    """
    uniforms = torch.rand(masks, probabilities.shape[-1], generator=generator, dtype=torch.float64)
    return uniforms < probabilities.cpu()


def highest(values: Tensor, share: float) -> Tensor:
    """Tell which rows have the highest values.

    Parameters
    ----------
    values : Tensor, shape (r,)
        Any numbers; of equal ones the first are taken.
    share : float
        Share of the rows, 0 to 1.

    Returns
    -------
    Tensor of bool, shape (r,)
        True for ``round(share * r)`` of them; on the CPU.
    """
    order = values.detach().cpu().argsort(descending=True, stable=True)
    found = torch.zeros(len(values), dtype=torch.bool)
    found[order[: round(share * len(values))]] = True
    return found


def log_prob(selected: Tensor, probabilities: Tensor) -> Tensor:
    """Log-probability, in nats, of each draw.

    Parameters
    ----------
    selected : Tensor, shape (K, r)
        Masks, 0 or 1.
    probabilities : Tensor, shape (r,) or (K, r)
        What they were drawn with.

    Returns
    -------
    Tensor, shape (K, r)
        ``log p`` where kept, ``log(1 - p)`` where not.
    """
    p = probabilities.clamp(TINY, 1 - TINY)
    return selected * p.log() + (1 - selected) * (1 - p).log()


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy of each Bernoulli draw, in nats: any shape to the same."""
    p = probabilities.clamp(TINY, 1 - TINY)
    return -(p * p.log() + (1 - p) * (1 - p).log())


def _mean(values: Tensor, group: Collective) -> Tensor:
    """Mean over the batch, (b,) to a scalar or (b, s) to (s,)."""
    count = values.new_tensor([float(len(values))])
    total = group.sum(torch.cat([values.sum(0).flatten(), count]))
    mean = total[:-1] / total[-1].detach().clamp_min(1)
    return mean if values.dim() > 1 else mean[0]


def _shift(
    scores: Tensor, keep_rate: float, bounds: tuple[float, float], group: Collective
) -> Tensor:
    """Shift c with mean clamp(sigmoid(score + c)) = keep_rate, as near as the bounds allow.

    Found by sections without gradient; one Newton step with gradient then has the derivative of
    the implicit function, ``dc/dscore_b = -s_b / sum s`` with ``s = p (1 - p)`` within the bounds
    and 0 on them.
    """
    low, high = bounds
    target = min(max(keep_rate, low), high)
    with torch.no_grad():
        least, most = _extremes(scores, group)
        left, right = -most - 40, -least + 40
        steps = torch.linspace(0, 1, SECTIONS + 1, dtype=scores.dtype, device=scores.device)
        for _ in range(ROUNDS):
            grid = left + (right - left) * steps
            means = _mean(torch.sigmoid(scores[:, None] + grid).clamp(low, high), group)
            place = (means <= target).sum().clamp(1, SECTIONS)
            left, right = grid[place - 1], grid[place]
        middle = (left + right) / 2
        free = torch.sigmoid(scores + middle)
        inside = (free > low) & (free < high)
        slope = _mean(free * (1 - free) * inside, group)
    gap = _mean(torch.sigmoid(scores + middle).clamp(low, high), group) - target
    step: Tensor = torch.where(slope > 1e-9, gap / slope.clamp_min(1e-9), 0 * gap)
    shift: Tensor = middle - step
    return shift


def _extremes(values: Tensor, group: Collective) -> Tensor:
    """Smallest and largest value over all workers, shape (2,)."""
    far = values.new_tensor([torch.finfo(values.dtype).max])
    # A worker without samples stays in the graph, or it would miss the sum's backward pass.
    least, most = torch.cat([values, far]).min(), torch.cat([values, -far]).max()
    ours = torch.arange(group.size, device=values.device)[:, None] == group.rank
    # One row per worker: a sum that concatenates.
    rows = group.sum(torch.where(ours, torch.stack([least, most]), 0.0))
    return torch.stack([rows[:, 0].min(), rows[:, 1].max()])


def _minmax(values: Tensor, group: Collective) -> Tensor:
    """Scale to 0..1 over the batch; all equal gives 1/2."""
    least, most = _extremes(values, group)
    width = most - least
    return values * 0 + 0.5 if width <= 0 else (values - least) / width
