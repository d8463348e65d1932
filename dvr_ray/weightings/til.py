"""Triplet importance learning (TIL): a small net weighs triplets, and learns by looking ahead.

    min_Phi  L_out(theta'(Phi)),   theta' = theta - alpha d/dtheta sum_b w_b(Phi, theta) l_b(theta)

Source: Wu et al., "Adapting triplet importance of implicit feedback for personalized
recommendation", CIKM 2022 (arXiv 2208.01709), and its published code. At each step

1. w = G_Phi(state of the triplet), G = Linear - ReLU - Linear - Softplus;
2. theta' = one plain gradient step on sum w l; 3. L_out = sum l at theta', unweighted;
4. Phi takes an Adam step on L_out, through theta'; 5. theta takes its own step on mean w l, with
the weights as they were before 4, whose dependence on theta isn't detached.

States are made of embeddings before propagation, of n negatives by their mean; l is the sampler's
loss of the row. As published (``outer: batch``) the outer loss is that of the same triplets, so
nothing held out says which triplets are worth training on: weights learn which triplets lower the
training loss soonest. ``outer: reward`` is ours: L_out is of the triplets' users with one of their
items in validation-reward. Departures: `docs/concepts/differences.md`.

With W workers each holds a share of the triplets: gradients of 2 and 4 are sums over own triplets,
summed over workers, so nothing enters as 1/W.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from dvr_ray.backbones import Tables
from dvr_ray.collective import sum_together_
from dvr_ray.config.schema import Strict
from dvr_ray.errors import ConfigError
from dvr_ray.seeding import generator
from dvr_ray.state import load_optimiser, optimiser_tensors, prefixed, under
from dvr_ray.weightings.held_out import HeldOut
from dvr_ray.weightings.look_ahead import LookAhead, Rows, rows_of
from dvr_ray.weightings.weighting import Horizon, TripletBatch, Weighting, WeightingParts

__all__ = ["TilParams", "TripletImportance", "mean_negative"]

HIDDEN = 64


class TilParams(Strict):
    """Fields that both forms share."""

    alpha: float = Field(1e-3, gt=0, le=10, description="Learning rate of the look-ahead step.")
    lr: float = Field(1e-3, gt=0, le=1, description="Adam learning rate of the net.")
    weight_decay: float = Field(0.1, ge=0, le=100, description="Adam's L2 term of the net.")
    trick: Literal["raw", "norm", "clip"] = Field(
        "raw", description="norm: weights of a batch have mean 1; clip: weights are cut at clip."
    )
    clip: float = Field(5.0, gt=0, le=1e6, description="trick clip: largest weight.")
    outer: Literal["batch", "reward"] = Field(
        "batch",
        description="Outer loss: of the same triplets, as published; or of the users' items in "
        "validation-reward, our own variant.",
    )
    warmup: int | None = Field(
        0, ge=0, description="Epochs of plain BPR before weights are learned; null is a tenth."
    )


class _Importance(nn.Module):
    """G_Phi: states (b, c) to weights (b,), above 0."""

    def __init__(self, inputs: int, numbers: torch.Generator, dtype: torch.dtype) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, HIDDEN, dtype=dtype)
        self.out = nn.Linear(HIDDEN, 1, bias=False, dtype=dtype)
        with torch.no_grad():
            for parameter, fan_in in (
                (self.hidden.weight, inputs),
                (self.hidden.bias, inputs),
                (self.out.weight, HIDDEN),
            ):
                parameter.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=numbers)

    def forward(self, states: Tensor) -> Tensor:
        weights: Tensor = nn.functional.softplus(self.out(self.hidden(states).relu()))
        return weights[:, 0]


class TripletImportance(Weighting):
    """Weighs triplets by a net of their states; subclasses say what a state is."""

    one_model = True

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        params: TilParams = parts.params
        self._params = params
        self._warmup = _warmup(params.warmup, parts.config.training.epochs)
        self._held_out = HeldOut(parts) if params.outer == "reward" else None
        self._net: _Importance | None = None
        self._epoch, self._fresh = 0, False

    @abstractmethod
    def refresh(self, tables: Tables, epoch: int) -> None:
        """Read what states need of the model at the start of an epoch; no gradient.

        Parameters
        ----------
        tables : Tables
            Embeddings before propagation.
        epoch : int
            Epochs since the warm-up.
        """

    @abstractmethod
    def state(self, triplets: TripletBatch, rows: Rows) -> Tensor:
        """Return states, shape (b, c), of triplets by their embeddings."""

    def begin(self, horizon: Horizon) -> None:
        """Remember the epoch: horizons of weightings without rewards are epochs."""
        self._epoch, self._fresh = horizon.number, False

    def weigh(self, replica: int, triplets: TripletBatch) -> Tensor | None:
        """Weigh by the net as it is, and teach it by looking one step ahead."""
        if self._epoch < self._warmup:
            return None
        backbone = triplets.backbone
        if not self._fresh:
            with torch.no_grad():
                tables = backbone.regularised(backbone.represent())
                self.refresh(tables, self._epoch - self._warmup)
            self._fresh = True
        rows = rows_of(backbone, triplets.users, triplets.positives, triplets.negatives)
        states = self.state(triplets, rows)
        net = self._net or self._make(states.shape[1])
        # Copies, since the step below changes Phi and the backbone's gradient runs through it.
        before = {name: p.detach().clone() for name, p in net.named_parameters()}
        weights = self._weights(functional_call(net, before, (states,)), triplets.total)
        self._teach(net, triplets)
        return weights

    def _make(self, inputs: int) -> _Importance:
        config = self.parts.config
        dtype = getattr(torch, config.training.dtype)
        net = _Importance(inputs, generator(config.seed, "importance"), dtype).to(self.parts.device)
        self._optimiser = torch.optim.Adam(
            net.parameters(), lr=self._params.lr, weight_decay=self._params.weight_decay
        )
        self._net = net
        return net

    def _weights(self, raw: Tensor, total: int) -> Tensor:
        if self._params.trick == "clip":
            return raw.clamp_max(self._params.clip)
        if self._params.trick == "norm":
            # As published, the sum is a number: no gradient runs through it.
            mass = self.parts.collective.sum_(raw.detach().sum())
            return raw * (total / mass.clamp_min(torch.finfo(raw.dtype).tiny))
        return raw

    def _teach(self, net: _Importance, triplets: TripletBatch) -> None:
        """Steps 2 to 4 of the module's docstring."""
        outer = self._outer_loss(net, triplets)
        gradients = torch.autograd.grad(outer, list(net.parameters()))
        sum_together_(gradients, self.parts.collective)
        for parameter, gradient in zip(net.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self._optimiser.step()

    def _outer_loss(self, net: _Importance, triplets: TripletBatch) -> Tensor:
        """Return this worker's part of L_out, a scalar, with the graph of the look-ahead."""
        users, negatives = triplets.users, triplets.negatives
        targets, counted = triplets.positives, None
        if self._held_out is not None:
            targets, counted = self._held_out(triplets)
        items = torch.cat([triplets.positives, targets, negatives.flatten()])
        ahead = LookAhead(triplets.backbone, users, items, self.parts.collective)
        gaps, rows = ahead.read(ahead.now(), users, triplets.positives, negatives)
        weights = self._weights(net(self.state(triplets, rows)), triplets.total)
        after = ahead.after((weights * triplets.loss(gaps)).sum(), self._params.alpha)
        gaps, _ = ahead.read(after, users, targets, negatives)
        losses = triplets.loss(gaps)
        return losses.sum() if counted is None else (losses * counted).sum()

    def tensors(self) -> dict[str, Tensor]:
        """Phi and its optimiser."""
        if self._net is None:
            return {}
        weights = {name: tensor.detach() for name, tensor in self._net.state_dict().items()}
        return prefixed("net", weights) | prefixed("optimiser", optimiser_tensors(self._optimiser))

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        if weights := under("net", state):
            self._make(weights["hidden.weight"].shape[1]).load_state_dict(weights)
            load_optimiser(self._optimiser, under("optimiser", state))


def _warmup(wanted: int | None, epochs: int) -> int:
    if wanted is None:
        return epochs // 10
    if wanted >= epochs:
        raise ConfigError(
            "run: method.warmup",
            f"must be < training.epochs {epochs}, got {wanted}",
            "lower it or raise training.epochs",
        )
    return wanted


def mean_negative(rows: Tensor, triplets: TripletBatch) -> Tensor:
    """Mean over the usable negatives of their rows: (b, n, c) or (1, n, c) to (b, c)."""
    if triplets.usable is None:
        return rows.mean(1).expand(len(triplets.users), -1)
    usable = triplets.usable.to(rows)
    shares = usable / usable.sum(1, keepdim=True).clamp_min(1)
    return shares @ rows[0] if len(rows) == 1 else torch.einsum("bn,bnc->bc", shares, rows)
