"""Encoder, HarsanyiNet and affine head with their optimiser: the part of DVR that learns.

Values are read from a running mean of the weights (Polyak and Juditsky, "Acceleration of stochastic
approximation by averaging", 1992): the reward is so noisy that the last weights turn with every
horizon, and with them would turn the selection.

The head reads the worth as ``alpha + beta v(N)``, so that the squared error against the batch's
loss can't move the zero or the sign of the values; ``mse_head: literal`` compares v(N) itself with
the loss, as the paper does, which pushes all values up until nearly everything is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dvr_ray.collective import Collective, sum_together_
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import ConfigError
from dvr_ray.seeding import generator
from dvr_ray.state import load_optimiser, optimiser_tensors, prefixed, under
from dvr_ray.valuation import HarsanyiValuator, PositionalValuator, Valuation, build_encoder

__all__ = ["ValuingNet"]

CALIBRATION_ROWS = 8192


class ValuingNet(nn.Module):
    """Values the rows of one batch, sharded over a group of workers.

    Parameters
    ----------
    config : RunConfig
        Reads encoder, valuator and adapter.
    columns : int
        Number c of inputs.
    collective : Collective
        The group; parameter gradients are summed over it.
    device : torch.device
        Where the net lives.
    """

    def __init__(
        self, config: RunConfig, columns: int, collective: Collective, device: torch.device
    ) -> None:
        super().__init__()
        self.columns = columns
        self._config, self._collective, self._device = config, collective, device
        dtype, seed = getattr(torch, config.training.dtype), config.seed
        wanted = config.valuator
        self.encoder = build_encoder(
            config.encoder, columns, generator=generator(seed, "encoder"), dtype=dtype
        )
        make: Callable[..., HarsanyiValuator] = HarsanyiValuator
        if wanted.membership == "positional":
            make = partial(PositionalValuator, places=config.training.batch_size)
        self.valuator = make(
            self.encoder.size,
            wanted.units,
            wanted.depth,
            children=wanted.children,
            member_rate=wanted.member_rate,
            singletons=wanted.singletons,
            bias=wanted.bias,
            gated=self.encoder.size - 1,  # not the constant
            generator=generator(seed, "valuator"),
            dtype=dtype,
        )
        self.head = nn.Parameter(torch.tensor([0.0, 1.0], dtype=dtype))
        self.to(device)
        self._optimiser = self._make_optimiser()
        self.steps = 0
        self.load_means(dict(self.named_parameters()))

    def _make_optimiser(self) -> torch.optim.AdamW:
        body = [*self.encoder.parameters(), *self.valuator.parameters()]
        # The head is a change of units: shrinking it would only bias the fit.
        groups = [
            {"params": body, "weight_decay": self._config.valuator.weight_decay},
            {"params": [self.head], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self._config.valuator.lr)

    def calibrate(self, inputs: Tensor, mean_loss: float) -> None:
        """Spread the units' memberships over the data and start the head at the mean loss.

        Parameters
        ----------
        inputs : Tensor, shape (r, c)
            Inputs of some rows.
        mean_loss : float
            Mean BPR loss of the rows.
        """
        with torch.no_grad():
            sample = inputs[:CALIBRATION_ROWS].to(self._device)
            self.valuator.calibrate(self.encoder(sample))
            self.head[0] = mean_loss
        self.load_means(dict(self.named_parameters()))

    def value(self, inputs: Tensor, total: int) -> Valuation:
        """Value as `forward` does, by the running mean of the weights; no gradient."""
        with torch.no_grad():
            valuation: Valuation = functional_call(self, self._means, (inputs, total))
        return valuation

    def design(self, inputs: Tensor) -> Tensor:
        """What values are about linear in: encodings, and memberships of layer 1.

        Parameters
        ----------
        inputs : Tensor, shape (r, c)
            Inputs of rows.

        Returns
        -------
        Tensor, shape (r, h + H), float64, on the CPU
            Memberships centred and divided by their sd: a ridge penalty on the weights of this
            linear map is one on `Valuation.energy`. Memberships by place are left out.
        """
        with torch.no_grad():
            encodings = self.encoder(inputs.to(self._device))
            members = self.valuator.members(encodings).double()
            rate = members.mean(0)
            members = (members - rate) / (rate * (1 - rate)).sqrt().clamp_min(1e-6)
            return torch.cat([encodings.double(), members], dim=1).cpu()

    def forward(self, inputs: Tensor, total: int) -> Valuation:
        """Value this worker's share, inputs (b, c), of a batch of ``total`` rows."""
        encodings = self.encoder(inputs.to(self._device))
        valuation: Valuation = self.valuator(encodings, self._collective, total)
        return valuation

    def worth_error(self, valuation: Valuation, target: Tensor) -> Tensor:
        """Squared error of the worth against the batch's mean loss, a scalar."""
        worth = valuation.worth
        if self._config.adapter.mse_head == "affine":
            worth = self.head[0] + self.head[1] * worth
        return (worth - target.to(worth)).square()

    def step(self, per_sample: Tensor, shared: Tensor) -> None:
        """Take one step.

        Parameters
        ----------
        per_sample : Tensor, scalar
            This worker's sum over own samples, divided by the global batch size.
        shared : Tensor, scalar
            The same on every worker; enters as 1/W, since gradients are summed.
        """
        self._optimiser.zero_grad()
        (per_sample + shared / self._collective.size).backward()  # type: ignore[no-untyped-call]
        for parameter in self.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        sum_together_(gradients, self._collective)
        nn.utils.clip_grad_norm_(self.parameters(), self._config.valuator.clip)
        self._optimiser.step()
        self._average()

    def _average(self) -> None:
        """Move the means towards the weights; at first they are plain means of all steps."""
        self.steps += 1
        rate = max(1 - self._config.valuator.averaging, 1 / self.steps)
        for name, parameter in self.named_parameters():
            self._means[name].lerp_(parameter.detach(), rate)

    def means(self) -> dict[str, Tensor]:
        """Return a copy of the running means of the weights."""
        return {name: tensor.clone() for name, tensor in self._means.items()}

    def load_means(self, state: dict[str, Tensor]) -> None:
        """Restore what `means` gave."""
        self._means = {name: t.detach().to(self._device).clone() for name, t in state.items()}

    def adopt(self, state: dict[str, Tensor]) -> None:
        """Take what `means` of another net gave for weights and means alike.

        Raises
        ------
        ConfigError
            If it reads other inputs.
        """
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            rule = f"its valuator must fit this log's {self.columns} inputs, got another shape"
            raise ConfigError("run: method.pretrained", rule, "take another run") from error
        self.load_means(dict(self.named_parameters()))

    def tensors(self) -> dict[str, Tensor]:
        """Weights, their means and moments for a checkpoint."""
        weights = {name: tensor.detach() for name, tensor in self.state_dict().items()}
        return (
            prefixed("weights", weights)
            | prefixed("means", self._means)
            | prefixed("optimiser", optimiser_tensors(self._optimiser))
            | {"steps": torch.tensor(self.steps)}
        )

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self.load_state_dict(under("weights", state))
        self.load_means(under("means", state))
        self.steps = int(state["steps"])
        load_optimiser(self._optimiser, under("optimiser", state))
