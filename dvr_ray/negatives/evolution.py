"""Evolution strategies on a few parameters that all users share: each user tries out own ones.

In a horizon user u trains with ``theta + e_pu`` on one replica of pair p and ``theta - e_pu`` on
the other, e ~ N(0, s^2). With M the user's own reward,

    g = mean over p and u of (M_p+(u) - M_p-(u)) / (2 s^2) e_pu

is an unbiased estimate of the gradient of E[M(theta + e)], averaged over users, as far as a user's
reward depends on the user's own parameters; what others try is noise of mean 0. The partners of a
pair are each other's baseline: whatever else is subtracted from both cancels. Hundreds of users
are hundreds of trials, so one pair of replicas suffices.

Theta takes one Adam step along g a horizon, so that the metric's unit doesn't matter.

Source: Salimans et al., "Evolution strategies as a scalable alternative to reinforcement
learning", arXiv 1703.03864, section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.state import load_optimiser, optimiser_tensors, prefixed, under

__all__ = ["Evolution"]


class Evolution:
    """The common parameters theta, what users try out around them, and Adam.

    Parameters
    ----------
    size, users : int
        Number c of parameters, and of users.
    spread : float
        Standard deviation s of what is tried out.
    lr : float
        Adam learning rate.
    """

    def __init__(self, size: int, users: int, spread: float, lr: float) -> None:
        self._users, self._spread = users, spread
        self._theta = torch.nn.Parameter(torch.zeros(size, dtype=torch.float64))
        self._adam = torch.optim.Adam([self._theta], lr=lr, maximize=True)
        self._moves: Tensor | None = None

    @property
    def theta(self) -> Tensor:
        """Parameters that all users share, shape (c,), float64."""
        return self._theta.detach()

    def begin(self, replicas: int, generator: torch.Generator) -> None:
        """Draw what users try out on an even number K of replicas."""
        size = (replicas // 2, self._users, len(self.theta))
        self._moves = self._spread * torch.randn(size, dtype=torch.float64, generator=generator)

    def of(self, replica: int) -> Tensor:
        """Parameters of every user on a replica of the open horizon, shape (U, c)."""
        assert self._moves is not None, "begin() comes first"
        move = self._moves[replica // 2]
        return self.theta - move if replica % 2 else self.theta + move

    def end(self, rewards: Tensor) -> Tensor:
        """Take a step.

        Parameters
        ----------
        rewards : Tensor, shape (K, U)
            Reward of users on each replica; NaN where not measured.

        Returns
        -------
        Tensor, shape (c,)
            The estimated gradient in units of its standard error.
        """
        trials = self._trials(rewards)
        count = max(len(trials), 1)
        gradient = trials.sum(0) / count
        self._theta.grad = gradient
        self._adam.step()
        self._moves = None
        error = (trials - gradient).square().sum(0).sqrt() / count
        return torch.where(error > 0, gradient / error, 0.0)

    def _trials(self, rewards: Tensor) -> Tensor:
        """Estimate of every pair and measured user, shape (t, c)."""
        assert self._moves is not None, "begin() comes first"
        gaps = (rewards[::2] - rewards[1::2]).double() / (2 * self._spread**2)
        measured = ~gaps.isnan()
        trials: Tensor = gaps[measured][:, None] * self._moves[measured]
        return trials

    def tensors(self) -> dict[str, Tensor]:
        """State between horizons, for a checkpoint."""
        return {"theta": self.theta} | prefixed("optimiser", optimiser_tensors(self._adam))

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        with torch.no_grad():
            self._theta.copy_(state["theta"])
        load_optimiser(self._adam, under("optimiser", state))
