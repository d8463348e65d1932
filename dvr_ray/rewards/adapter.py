"""REINFORCE with a black-box metric: masks, credits and the loss that teaches the valuator.

Two estimators of the same policy gradient:

* ``score``: ``-(1/K) sum_k c_ki log pi(s_ki | p_i)``, the paper's form (arXiv 2502.08685);
* ``natural`` (default): with running means N of ``mean_k c_ki (s_ki - p_i)`` and D of
  ``p_i (1 - p_i)``, minimise ``mean(D phi^2 - 2 phi N / sc) / mean(D)``, ``sc = sd(N / D)``. Its
  minimiser is phi = N / (D sc), the natural gradient step, which is also the least-squares
  marginal value of keeping the row. It needs no step size for the policy and didn't collapse in
  any trial, where the score form did.

Credits are divided by their root mean square, so that the weights of the other loss terms mean
the same for every metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dvr_ray.config.schema import AdapterConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.rewards.credit import CreditRule, advantages
from dvr_ray.rewards.directional import DirectionalHistory, directional_probabilities

__all__ = ["MetricAdapter", "Outcome"]

EXPLORED = 0.7
"""Probability of keeping a row where replicas only explore: horizons add up to one estimate."""
HALVES = slice(0, None, 2), slice(1, None, 2)
"""Every other mask."""


@dataclass(frozen=True)
class Outcome:
    """What one horizon taught about r training rows.

    Parameters
    ----------
    rows : Tensor, shape (r,)
        The rows.
    selected : Tensor, shape (K, r)
        Masks, 0 or 1.
    credit : Tensor, shape (K, r)
        Credits in units of their root mean square.
    advantage : Tensor, shape (K, C)
        Advantages of users, or of users and items, in units of the metric.
    explained : float, optional
        With directional masks and scalar credit: leave-one-pair-out R2 of the total metric, at most
        1; 0 and less: directions explain nothing.
    """

    rows: Tensor
    selected: Tensor
    credit: Tensor
    advantage: Tensor
    explained: float | None = None


class MetricAdapter:
    """Draws masks, pays interactions and turns the pay into a loss.

    Parameters
    ----------
    config : AdapterConfig
        Choices of credit, baseline, exploration and estimator.
    train, held_out : Interactions
        Training rows, and the validation-reward part.
    dtype : torch.dtype
        Of running sums.
    """

    def __init__(
        self,
        config: AdapterConfig,
        train: Interactions,
        held_out: Interactions,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config = config
        self._credit = CreditRule(config.credit, train, held_out)
        self._numerator = torch.zeros(len(train), dtype=dtype)
        self._fisher = torch.zeros(len(train), dtype=dtype)
        self._seen = torch.zeros(len(train), dtype=torch.int64)
        # Pulls of either half of the masks alone.
        self._halves = torch.zeros(2, len(train), dtype=dtype)
        self._history = DirectionalHistory()
        self._scale = 1.0

    def probabilities(self, policy: Tensor, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Probabilities to draw from: the policy's, or where replicas only explore, their own.

        Replicas from scratch keep every row alike; directional ones draw random directions.

        Parameters
        ----------
        policy : Tensor, shape (r,)
            The policy's probabilities.
        inputs : Tensor, shape (r, c)
            What directions live in: features, or the design of the valuator.
        generator : torch.Generator
            Draws directions.

        Returns
        -------
        Tensor, shape (K, r)
            One row per mask.
        """
        if self.config.directional:
            return directional_probabilities(inputs, self.config.masks, generator)
        if self.config.horizon.start == "scratch":
            policy = torch.full_like(policy, EXPLORED)
        return policy.expand(self.config.masks, -1)

    def hold(self, lists: Tensor | None) -> None:
        """Say whom items are paid by, as `dvr_ray.rewards.credit.CreditRule.hold`."""
        self._credit.hold(lists)

    def observe(
        self,
        rows: Tensor,
        selected: Tensor,
        probabilities: Tensor,
        inputs: Tensor,
        metric: Tensor,
    ) -> Outcome:
        """Pay the rows of a horizon and update the running sums.

        Parameters
        ----------
        rows : Tensor, shape (r,)
            Training rows of the horizon.
        selected, probabilities : Tensor, shape (K, r)
            Masks drawn and the probabilities they were drawn with.
        inputs : Tensor, shape (r, c)
            What the directions live in.
        metric : Tensor, shape (K, C)
            Metric of users, or with own-item credit of users and items, under each mask, oriented
            so that more is better; NaN: not measured.

        Returns
        -------
        Outcome
            What `loss` learns from.
        """
        advantage = advantages(metric, self.config.baseline)
        credit = self._credit(advantage, rows).to(self._numerator)
        size = credit.square().mean().sqrt()
        credit = credit / size if size > 0 else credit
        selected = selected.to(self._numerator)
        fisher = (probabilities * (1 - probabilities)).mean(0)
        explained = None
        if self.config.directional and self.config.credit == "scalar":
            self._history.add(selected, inputs, advantage.sum(1))
            slope, explained = self._history.slope()
            pull = fisher * (inputs @ slope.to(inputs))
            self._seen[rows] = 0  # what the slope says stands for all masks so far
            halves = pull.expand(2, -1)
        else:
            moved = selected - probabilities
            pull = (credit * moved).mean(0)
            halves = torch.stack([self._pull(metric[h], rows, moved[h]) for h in HALVES])
        self._accumulate(rows, pull, fisher, halves)
        ratio = (self._numerator / self._fisher.clamp_min(1e-12))[self._seen > 0]
        self._scale = max(float(ratio.std(correction=0)), 1e-12)
        return Outcome(rows, selected, credit, advantage, explained)

    def _pull(self, metric: Tensor, rows: Tensor, moved: Tensor) -> Tensor:
        """Pull of some masks on rows, by themselves; 0 where they are too few for a baseline."""
        if len(metric) < 2:
            return moved.new_zeros(len(rows))
        credit = self._credit(advantages(metric, self.config.baseline), rows).to(moved)
        return (credit * moved).mean(0)

    def _accumulate(self, rows: Tensor, pull: Tensor, fisher: Tensor, halves: Tensor) -> None:
        """Move the running means; at first they are plain means, so that no horizon counts most."""
        times = self._seen[rows]
        keep = (times / (times + 1)).clamp_max(self.config.decay).to(pull)
        self._numerator[rows] = keep * self._numerator[rows] + (1 - keep) * pull
        self._fisher[rows] = keep * self._fisher[rows] + (1 - keep) * fisher
        self._halves[:, rows] = keep * self._halves[:, rows] + (1 - keep) * halves
        self._seen[rows] = times + 1

    def evidence(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What two halves of the masks say of rows by themselves.

        Parameters
        ----------
        rows : Tensor, shape (r,)
            Training rows.

        Returns
        -------
        Tensor, shape (2, r), and Tensor, shape (r,)
            Running means N of each half, 0 with fewer than 4 masks, and D.
        """
        return self._halves[:, rows], self._fisher[rows]

    def loss(
        self, values: Tensor, probabilities: Tensor, rows: Tensor, columns: Tensor, outcome: Outcome
    ) -> Tensor:
        """Return the sum of the estimator's loss over rows; divide it by the global batch size.

        Parameters
        ----------
        values : Tensor, shape (b,)
            Shapley values times B, with gradient.
        probabilities : Tensor, shape (b,)
            The policy's probabilities of these values, with gradient.
        rows : Tensor, shape (b,)
            Training rows.
        columns : Tensor, shape (b,)
            Their places in ``outcome.rows``.
        outcome : Outcome
            What `observe` returned.
        """
        if self.config.estimator == "score":
            selected = outcome.selected[:, columns].to(values)
            credit = outcome.credit[:, columns].to(values)
            likelihood = torch.where(selected > 0, probabilities, 1 - probabilities)
            return -(credit * likelihood.clamp_min(1e-12).log()).mean(0).sum()
        fisher = self._fisher[rows].to(values)
        target = (self._numerator[rows] / self._scale).to(values)
        mean_fisher = self._fisher[self._seen > 0].mean().clamp_min(1e-12).to(values)
        return (fisher * values.square() - 2 * values * target).sum() / mean_fisher

    def tensors(self) -> dict[str, Tensor]:
        """State for a checkpoint."""
        own = {
            "numerator": self._numerator,
            "fisher": self._fisher,
            "seen": self._seen,
            "halves": self._halves,
            "scale": torch.tensor(self._scale, dtype=torch.float64),
        }
        return own | {f"history.{k}": v for k, v in self._history.tensors().items()}

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self._numerator, self._fisher = state["numerator"], state["fisher"]
        self._seen, self._scale = state["seen"], float(state["scale"])
        self._halves = state["halves"]
        self._history.load_tensors(
            {k.removeprefix("history."): v for k, v in state.items() if k.startswith("history.")}
        )
