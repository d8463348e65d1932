"""DVR: Shapley values of a batch's triplets choose which of them train the backbone.

Source: arXiv 2502.08685 (SDM 2025). At the start of a horizon every batch of the partition is
valued by the HarsanyiNet; values become probabilities, probabilities K masks, and each mask is
trained with on its own replica. At the end the metric adapter pays the rows, the same partition is
valued again with gradient, and the valuator takes its steps. Departures from the paper: masks are
held for a horizon and paid per user (`dvr_ray.rewards` says why), the worth is read through an
affine head so that the squared error can't move the zero of the values, and values aren't centred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.config.schema import Strict
from dvr_ray.seeding import generator
from dvr_ray.state import prefixed, under
from dvr_ray.valuation import SelectionPolicy, Valuation
from dvr_ray.valuation.policy import draw, entropy, highest
from dvr_ray.weightings.evidence import BLOCK, chosen_ridge
from dvr_ray.weightings.inputs import EncoderInputs
from dvr_ray.weightings.monitors import valuation_monitors
from dvr_ray.weightings.valuing import ValuingNet
from dvr_ray.weightings.weighting import WEIGHTINGS, Horizon, Weighting, WeightingParts

__all__ = ["Dvr"]


class DvrParams(Strict):
    """Fields of ``method: {name: dvr}``; see also valuator, policy and adapter."""

    pretrained: bool | Annotated[str, Field(min_length=1)] = Field(
        False,
        description="true: the valuator is learned in a run of its own and then held fixed while "
        "the backbone is trained; or the folder of a finished run whose valuator is taken.",
    )


@dataclass(frozen=True)
class _Drawn:
    """The open horizon: r rows, their (r, c) inputs, values (r,), and K masks with their odds.

    ``directed`` is what directions of masks live in: the inputs themselves, or the net's design.
    """

    rows: Tensor
    inputs: Tensor
    directed: Tensor
    values: Tensor
    policy: Tensor
    odds: Tensor
    masks: Tensor


@WEIGHTINGS.add("dvr")
class Dvr(Weighting):
    """Select triplets by the Shapley values of a learned HarsanyiNet."""

    Params = DvrParams
    reads_features = True
    learns = True

    def __init__(self, parts: WeightingParts) -> None:
        super().__init__(parts)
        config = parts.config
        self._dtype = getattr(torch, config.training.dtype)
        encoder = config.encoder
        self._inputs = EncoderInputs(
            parts.data, encoder.features, self._dtype, squares=encoder.squares
        )
        self._net: ValuingNet | None = None
        self._fixed = bool(parts.params.pretrained)
        self._given: dict[str, Tensor] = {}
        self._policy = SelectionPolicy(config.policy)
        # K masks, the policy's own draw, and the rows of the alternatives to it.
        self._own = config.adapter.masks
        rows, draws = len(parts.data.train), 1 + len(config.policy.alternatives)
        self._kept = torch.zeros(self._own + draws, rows, dtype=torch.bool)
        self._drawn: _Drawn | None = None

    def begin(self, horizon: Horizon) -> None:
        """Value the partition and draw the masks."""
        rows = torch.cat(horizon.batches)
        inputs = self._read_inputs(rows, horizon)
        values, policy = self._value(horizon, inputs)
        if self._taught:
            # Scaled by their own sd, random values would select as firmly as learned ones.
            self._policy.observe(values)
        if self.parts.config.policy.normalisation == "sigmoid":
            policy = self._policy.probabilities(values)
        seed = self.parts.config.seed
        directed = self._directed(inputs)
        odds = self.parts.adapter.probabilities(
            policy, directed, generator(seed, "directions", horizon.number)
        )
        masks = draw(odds, self._own, generator(seed, "policy", horizon.number))
        self._previous = self._kept[self._own].clone()
        self._kept[: self._own, rows] = masks
        rates = self.parts.config.policy.alternatives
        for number, rate in enumerate(rates, start=self._own + 1):
            self._kept[number, rows] = highest(values, rate)
        self._drawn = _Drawn(rows, inputs, directed, values, policy, odds, masks)
        self.redraw(horizon.number)

    def redraw(self, counter: int) -> None:
        """Draw from the policy for replica K."""
        drawn = self._drawn
        assert drawn is not None, "begin() comes first"
        numbers = generator(self.parts.config.seed, "selection", counter)
        self._kept[self._own, drawn.rows] = draw(drawn.policy, 1, numbers)[0]

    def select(self, replica: int, rows: Tensor) -> Tensor:
        """Tell which rows the replica's mask keeps; replica K has the policy's own draw.

        Those after K have the rows of ``policy.alternatives``.
        """
        return self._kept[replica, rows]

    def end(self, horizon: Horizon, rewards: Tensor) -> dict[str, Any]:
        """Pay the rows and teach the valuator."""
        drawn = self._drawn
        assert drawn is not None, "begin() comes first"
        outcome = self.parts.adapter.observe(
            drawn.rows, drawn.masks, drawn.odds, drawn.directed, rewards
        )
        targets = torch.stack([horizon.losses[rows].mean() for rows in horizon.batches])
        fit = self._teach(horizon, outcome, targets)
        monitors = valuation_monitors(
            rewards=rewards,
            outcome=outcome,
            policy=drawn.policy,
            values=drawn.values,
            losses=horizon.losses[drawn.rows],
            kept=self._kept[self._own][drawn.rows],
            previous=self._previous[drawn.rows],
        )
        self._drawn = None
        return monitors | fit | {"worth_error_trivial": float(targets.var(correction=0))}

    def values(self, horizon: Horizon) -> tuple[Tensor, Tensor] | None:
        """Value all rows of a partition without drawing."""
        if self._net is None:
            return None
        rows = torch.cat(horizon.batches)
        values, policy = self._value(horizon, self._inputs(rows, horizon))
        scattered = torch.empty(2, len(rows), dtype=values.dtype)
        scattered[:, rows] = torch.stack([values, policy])
        return scattered[0], scattered[1]

    def valuator_tensors(self) -> dict[str, Tensor]:
        """Mean weights of the net, and the policy's scale."""
        if self._net is None:
            return {}
        return prefixed("means", self._net.means()) | prefixed("policy", self._policy_tensors())

    def load_valuator(self, state: dict[str, Tensor]) -> None:
        """Restore what `valuator_tensors` gave, or take it for the net that is still to come."""
        if self._net is None:
            self._given = state
        else:
            self._net.load_means(under("means", state))
            self._policy.load(_numbers(under("policy", state)))

    def _policy_tensors(self) -> dict[str, Tensor]:
        state = self._policy.state()
        return {k: torch.tensor(v, dtype=torch.float64) for k, v in state.items()}

    @property
    def _taught(self) -> bool:
        return self._net is not None and self._net.steps > 0

    def _read_inputs(self, rows: Tensor, horizon: Horizon) -> Tensor:
        if not self._inputs.prepared:
            self._inputs.prepare(horizon.losses)
        inputs = self._inputs(rows, horizon)
        if self._net is None:
            self._net = self._make_net(inputs.shape[1])
            self._net.calibrate(inputs, float(horizon.losses.mean()))
            if self._given:
                self._net.adopt(under("means", self._given))
                self._policy.load(_numbers(under("policy", self._given)))
        return inputs

    def _directed(self, inputs: Tensor) -> Tensor:
        """What random directions of masks live in: inputs (r, c), or the net's design."""
        if self.parts.config.adapter.exploration != "evolution":
            return inputs
        assert self._net is not None
        blocks = [self._net.design(part).to(inputs) for part in torch.split(inputs, BLOCK)]
        return torch.cat(blocks)

    def _make_net(self, columns: int) -> ValuingNet:
        return ValuingNet(self.parts.config, columns, self.parts.collective, self.parts.device)

    def _value(self, horizon: Horizon, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Values and batch-wise probabilities of the whole partition, (r,) each, no gradient."""
        assert self._net is not None
        filled = torch.zeros(2, len(inputs), dtype=self._dtype)
        start = 0
        with torch.no_grad():
            for rows in horizon.batches:
                own = self._share(start, len(rows))
                valuation = self._net.value(inputs[own], len(rows))
                filled[0, own] = valuation.values.cpu()
                filled[1, own] = self._odds(valuation).cpu()
                start += len(rows)
        self.parts.collective.sum_(filled)
        return filled[0], filled[1]

    def _odds(self, valuation: Valuation) -> Tensor:
        return self._policy.probabilities(valuation.values, self.parts.collective)

    def _share(self, start: int, size: int) -> slice:
        """Columns of this worker in a batch that begins at column ``start``."""
        group = self.parts.collective
        return slice(
            start + size * group.rank // group.size, start + size * (group.rank + 1) // group.size
        )

    def _teach(self, horizon: Horizon, outcome: Any, targets: Tensor) -> dict[str, Any]:
        """Take the valuator's steps, one batch of the partition each, in turn.

        One that is fixed looks at each batch once.
        """
        assert self._net is not None and self._drawn is not None
        inputs, batches, learns = self._drawn.inputs, len(horizon.batches), not self._fixed
        ridge, monitors = torch.zeros(2), dict[str, Any]()
        if learns:
            ridge, monitors = chosen_ridge(self.parts, self._net, self._drawn.rows, inputs)
        sizes = [len(rows) for rows in horizon.batches]
        starts = (torch.tensor(sizes).cumsum(0) - torch.tensor(sizes)).tolist()
        errors = []
        for step in range(self.parts.config.valuator.steps if learns else batches):
            place = step % batches
            own = self._share(starts[place], sizes[place])
            with torch.set_grad_enabled(learns):
                valuation = self._net(inputs[own], sizes[place])
                error = self._net.worth_error(valuation, targets[place])
            errors.append(float(error.detach()))
            if learns:
                columns = torch.arange(own.start, own.stop)
                shared = (
                    self.parts.config.adapter.mse_weight * error
                    + (ridge.to(valuation.energy) * valuation.energy).sum()
                )
                self._net.step(self._loss(valuation, columns, outcome, sizes[place]), shared)
        fresh = errors[:batches]
        return monitors | {
            "worth_error": sum(errors) / len(errors),
            "worth_error_fresh": sum(fresh) / len(fresh),
            "coverage": [float(share) for share in valuation.coverage],
            "dead": [float(share) for share in valuation.dead],
        }

    def _loss(self, valuation: Valuation, columns: Tensor, outcome: Any, total: int) -> Tensor:
        """Per-sample terms: sums over own samples / global B."""
        odds = self._odds(valuation)
        rows = outcome.rows[columns]
        loss: Tensor = self.parts.adapter.loss(valuation.values, odds, rows, columns, outcome)
        bonus = self.parts.config.policy.entropy * entropy(odds).sum()
        return (loss - bonus) / total

    def tensors(self) -> dict[str, Tensor]:
        """State of net, policy, adapter and inputs."""
        state = prefixed("adapter", self.parts.adapter.tensors()) | {"kept": self._kept}
        if self._net is not None:
            state |= prefixed("net", self._net.tensors())
            state |= prefixed("policy", self._policy_tensors())
            state |= prefixed("inputs", self._inputs.tensors())
            state |= {"columns": torch.tensor(self._net.columns)}
        return state

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        self.parts.adapter.load_tensors(under("adapter", state))
        self._kept = state["kept"]
        if "columns" in state:
            self._inputs.load_tensors(under("inputs", state))
            self._net = self._make_net(int(state["columns"]))
            self._net.load_tensors(under("net", state))
            self._policy.load(_numbers(under("policy", state)))


def _numbers(state: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in state.items()}
