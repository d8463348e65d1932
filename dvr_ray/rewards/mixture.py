"""What a reward is made of: ``ndcg@20``, ``loss``, or ``0.7*ndcg@20 + 0.3*gini@20``.

Every part is oriented so that more is better. Metrics differ in size a hundredfold, so each part of
a mix is divided by the running root mean square of its advantages (deviations from the mean over
masks): a weight says how much of the signal a part makes, whatever its unit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from dvr_ray.errors import ConfigError
from dvr_ray.metrics import Metric, parse
from dvr_ray.registry import canonical

__all__ = ["LOSS", "Mixture", "RewardPart", "parse_reward"]

LOSS = "loss"
DECAY = 0.9
ROUNDING = 1e-9


@dataclass(frozen=True)
class RewardPart:
    """One part of a reward.

    Parameters
    ----------
    name : str
        As `dvr_ray.registry.canonical` writes it.
    weight : float
        Above 0.
    metric : Metric or None
        None for ``loss``, the held-out loss.
    """

    name: str
    weight: float
    metric: Metric | None

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.metric is not None and self.metric.higher_is_better else -1


def parse_reward(text: str, place: str = "adapter.reward") -> tuple[RewardPart, ...]:
    """Return the parts of a reward: joined by ``+``, each a name or ``weight*name``.

    Parameters
    ----------
    text : str
        What was written.
    place : str
        Where, for messages.

    Raises
    ------
    ConfigError
        If a weight isn't a number above 0, a name is unknown, or a part comes twice.
    """
    if not all(each.strip() for each in text.split("+")):
        raise ConfigError(place, f"a part of the reward is empty, got {text!r}", "name a metric")
    # A plus within a number, as in 1e+2, joins nothing.
    parts = [_part(each.strip(), place) for each in re.split(r"(?<!\de)\+", text)]
    names = [part.name for part in parts]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(place, f"{name} must come once, got {text!r}", "add its weights")
    return tuple(parts)


def _part(text: str, place: str) -> RewardPart:
    weight, star, name = text.rpartition("*")
    try:
        factor = float(weight) if star else 1.0
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ConfigError(
            place,
            f"a weight must be a number above 0, got {text!r}",
            "write 0.7*ndcg@20 + 0.3*gini@20; the direction of a metric is known",
        )
    name = canonical(name.strip())
    metric = None if name == LOSS else parse(name, place, also=(LOSS,))
    return RewardPart(name, factor, metric)


class Mixture:
    """Adds the parts of a reward up.

    Parameters
    ----------
    parts : tuple of RewardPart
        The parts. One alone is left in its own unit.
    """

    def __init__(self, parts: tuple[RewardPart, ...]) -> None:
        self._weights = torch.tensor([part.weight for part in parts], dtype=torch.float64)
        self._squares = torch.zeros(len(parts), dtype=torch.float64)

    def __call__(self, rewards: Tensor) -> Tensor:
        """Mix.

        Parameters
        ----------
        rewards : Tensor, shape (K, P, C)
            Every part for every mask and user, or user and item, more is better; NaN where there
            is none.

        Returns
        -------
        Tensor, shape (K, C)
            NaN for those who have no part; a part that one lacks under some mask adds nothing.
        """
        if rewards.shape[1] == 1:
            return rewards[:, 0]
        lacking = rewards.isnan().any(0)
        filled = rewards.where(~lacking, 0.0)
        moved = filled - filled.mean(0) if len(filled) > 1 else filled
        number = (len(filled) * (~lacking).sum(1)).clamp_min(1)
        squares = moved.square().sum((0, 2)) / number
        kept = torch.where(self._squares > 0, DECAY, 0.0)
        self._squares = kept * self._squares + (1 - kept) * squares
        size = self._squares.sqrt()
        # What no mask moves but by rounding has no say.
        told = size > ROUNDING * filled.abs().amax((0, 2))
        scale = torch.where(told, self._weights / size, 0.0)
        mixed = (filled * scale[:, None]).sum(1)
        return mixed.where(~lacking.all(0), torch.nan)

    def tensors(self) -> dict[str, Tensor]:
        """State for a checkpoint."""
        return {"squares": self._squares}

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self._squares = state["squares"]
