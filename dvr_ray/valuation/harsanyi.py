r"""A HarsanyiNet over the samples of a batch, with the exact Shapley value of each.

The players are the B samples of one batch N. Every unit is an AND over a set of samples, its
receptive field; it speaks only when all of them are present::

    samples      b1   b2   b3   b4   b5          encodings e_b
                  \    |    |   /  \   |
    layer 1        [ unit k ]    [ unit k' ]     members: m_kb = 1[g_k . e_b > t_k]
                        \          /
    layer 2             [ unit u ]               children: a few units of the layer below

* Memberships are computed once from ALL encodings and frozen for every coalition T.
* Layer 1: ``z_k(T) = ReLU(sum_{b in T} m_kb <w_k, e_b> + bias_k)`` if T holds all members, else 0.
* Deeper: ``z_u(T) = ReLU(sum_c w_uc z_c(T) + bias_u)`` if all children are open, else 0. Open means
  that the coalition condition holds, whatever z is. A unit without members is empty: z = 0, and
  its parents ignore it; a unit whose children are all empty is empty.
* Worth: ``v(T) = (sum_u v_u z_u(T) + sum_{b in T} a(e_b)) / B`` over the units of all layers.
* The dividend of a unit is ``d_u = v_u z_u(N)``; its field R_u is the UNION of its children's, and
  ``phi_b = (a(e_b) + sum_{u: b in R_u} d_u / |R_u|) / B``. Then ``sum_b phi_b = v(N) - v(empty)``.

v(T) is not the valuator run on the sub-batch T: that would gate anew, which is another game.

Layer 1 is evaluated in the order ``z_k = ReLU(<w_k, S_k> + bias_k)`` with ONE product
``S = m' [e, 1]`` of H x (h + 1) sums, which is also all that workers have to share: the whole net
needs one sum of O(units) floats, whatever B is. Time O(B H (h + L children)), memory O(B h)
beyond a fixed budget (`dvr_ray.valuation.fields`).

With W workers, a loss term that all compute alike from the worth enters as 1/W on each, a term of
own samples as their sum over the global B; parameter gradients are then summed over workers.

Sources: Chen et al., "HarsanyiNet", ICML 2023 (arXiv 2304.01811); DVR, arXiv 2502.08685. Unlike
DVR's published code, which intersects the children's fields from two layers on and loses
exactness, fields are unions; unit biases lie inside the gate and break nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.errors import ConfigError
from dvr_ray.valuation.fields import Fields, pay_fields, sums_over_fields
from dvr_ray.valuation.gates import gate
from dvr_ray.valuation.starts import axes, chosen_children, rates, spread

__all__ = ["HarsanyiValuator", "Valuation", "shared"]

TIED = 1e-5
"""Gate scores nearer than this, in units of their root mean square, count as tied."""


@dataclass(frozen=True)
class Valuation:
    """Values of one worker's b samples of a batch of B.

    Parameters
    ----------
    shapley : Tensor, shape (b,)
        Exact Shapley values phi_b of the game; they sum to the worth over all workers.
    values : Tensor, shape (b,)
        ``B * shapley``, comparable across batch sizes; policy and losses read these.
    worth : Tensor, scalar
        v(N), the same on every worker.
    coverage : Tensor, shape (L,)
        Mean |R| / B of each layer's units that aren't dead; 0 where all are.
    dead : Tensor, shape (L,)
        Share of each layer's units that are empty or silent (z = 0); 0 without units.
    energy : Tensor, shape (2,)
        How strongly singletons and units let values differ, the same on every worker: sum of the
        singletons' squared weights; sum over units of the squared share d_u / |R_u| times the
        variance q (1 - q) of belonging to the field, q = |R_u| / B. Penalised, it is the ridge
        penalty of a linear valuator of standardised inputs and memberships.
    """

    shapley: Tensor
    values: Tensor
    worth: Tensor
    coverage: Tensor
    dead: Tensor
    energy: Tensor


class HarsanyiValuator(nn.Module):
    """Values every sample of a batch in one forward pass.

    Parameters
    ----------
    encoding_dim : int
        Size h of an encoding; append a constant 1 to encodings where an offset is wanted.
    units : int
        Units H per layer; 0 leaves the singletons alone.
    depth : int
        Layers L.
    children : int
        Children that a unit of a deeper layer starts with. Few: at a gate rate of one half, five
        children cover 97% of the batch and pay everybody the same constant.
    member_rate : float
        Mean share of a batch that the units of layer 1 start with; between 0 and 1.
    singletons : bool
        Whether each sample has a linear unit a(e_b) of its own.
    bias : bool
        Whether units have a bias; it lets them express redundancy.
    gated : int, optional
        Number of leading inputs that gates ask for at the start; all by default.
    generator : torch.Generator, optional
        Draws the weights.
    dtype : torch.dtype, optional
        Of the weights.

    Examples
    --------
    >>> valuator = HarsanyiValuator(4, units=8, depth=2, generator=torch.Generator().manual_seed(0))
    >>> valuation = valuator(torch.ones(5, 4))
    >>> valuation.shapley.shape
    torch.Size([5])
    >>> torch.allclose(valuation.shapley.sum(), valuation.worth)
    True
    """

    def __init__(
        self,
        encoding_dim: int,
        units: int,
        depth: int,
        *,
        children: int = 2,
        member_rate: float = 0.5,
        singletons: bool = True,
        bias: bool = True,
        gated: int | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not units and not singletons:
            raise ConfigError(
                "valuator.units",
                "must be >= 1 where valuator.singletons is false, got 0",
                "there would be nothing to learn; give it units or singletons",
            )
        self.units, self.depth, self.member_rate = units, depth, member_rate
        dtype = dtype or torch.get_default_dtype()

        def normal(*shape: int, sd: float) -> Tensor:
            drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
            return (drawn * sd).to(dtype)

        few = min(children, units)
        asked = axes(units, gated or encoding_dim, encoding_dim, generator)
        self.gates = nn.Parameter(asked.to(dtype))
        # Parameters, so that weight decay shrinks them with the gates and moves no membership.
        self.thresholds = nn.Parameter(spread(self.gates.detach(), member_rate))
        # Members score above the average along their gate, so that no unit starts silent.
        self.weights = nn.Parameter(self.gates.detach().clone())
        self.biases = nn.Parameter(torch.zeros(depth, units, dtype=dtype), requires_grad=bias)
        self.heads = nn.Parameter(normal(depth, units, sd=1 / max(units, 1)))
        chosen = chosen_children(depth - 1, units, few, generator)
        self.child_logits = nn.Parameter(chosen.to(dtype))
        self.child_weights = nn.Parameter(normal(depth - 1, units, units, sd=max(few, 1) ** -0.5))
        start = normal(encoding_dim, sd=0.01 if singletons else 0.0)
        self.singletons = nn.Parameter(start, requires_grad=singletons)

    @torch.no_grad()
    def calibrate(self, encodings: Tensor) -> None:
        """Spread layer 1's memberships evenly round ``member_rate``, over 2% to 98% for one half.

        Thresholds are put midway between neighbouring scores. Where scores are tied, the nearest
        gap is taken: a threshold on a tie would leave the membership to rounding.

        Parameters
        ----------
        encodings : Tensor, shape (r, h)
            Some encodings, the same on every worker. A unit that scores them all alike keeps its
            threshold.
        """
        scored, _ = self.scored(encodings)
        for unit, rate in enumerate(rates(self.units, self.member_rate)):
            scores = scored[:, unit].sort(descending=True).values
            size = scores.norm() / max(len(scores), 1) ** 0.5
            cuts = (scores[:-1] - scores[1:] > TIED * size).nonzero()[:, 0]
            if len(cuts):
                place = cuts[(cuts + 1 - rate * len(scores)).abs().argmin()]
                self.thresholds[unit] = (scores[place] + scores[place + 1]) / 2

    def forward(
        self,
        encodings: Tensor,
        collective: Collective | None = None,
        total: int | None = None,
    ) -> Valuation:
        """Value this worker's samples of a batch.

        Parameters
        ----------
        encodings : Tensor, shape (b, h)
            Own samples; b may be 0 on some workers.
        collective : Collective, optional
            The group that holds the batch; alone by default.
        total : int, optional
            Global batch size B; counted if not given.

        Returns
        -------
        Valuation
            Exact for the game of this batch.
        """
        fields = Fields(encodings, self.gates, self.thresholds, self.child_logits.detach() > 0)
        sums, sizes, link = sums_over_fields(encodings, self.gates, self.thresholds, fields)
        own = encodings @ self.singletons
        sums, sizes, alone, counted = shared(sums, sizes, own, collective or OneProcess())
        batch = counted.clamp_min(1) if total is None else counted.new_tensor(float(total))
        outputs = self.outputs((self.weights * sums).sum(1), sizes)
        dividends = self.heads * outputs
        values = own + pay_fields(dividends / sizes.clamp_min(1), link, fields)
        return self._told(values, dividends.sum() + alone, outputs, sizes, batch)

    def members(self, encodings: Tensor) -> Tensor:
        """Which samples are members of which unit of layer 1, (b, h) to (b, H) of bool."""
        return self.scored(encodings)[0] > self.thresholds

    def _told(
        self, values: Tensor, total: Tensor, outputs: Tensor, sizes: Tensor, batch: Tensor
    ) -> Valuation:
        """Divide by B, and say how the units do."""
        speaks = (outputs.detach() > 0).to(values)
        speaking = speaks.sum(1)
        rates = (sizes / batch).clamp_max(1)
        shares = self.heads * outputs / sizes.clamp_min(1)
        return Valuation(
            energy=torch.stack(
                [self.singletons.square().sum(), (shares.square() * rates * (1 - rates)).sum()]
            ),
            shapley=values / batch,
            values=values,
            worth=total / batch,
            coverage=(sizes * speaks).sum(1) / speaking.clamp_min(1) / batch,
            dead=(self.units - speaking) / max(self.units, 1),
        )

    def worth(self, encodings: Tensor, present: Tensor) -> Tensor:
        """Worth v(T) of coalitions, by the open or shut state of every unit.

        Walks the layers and uses neither fields nor dividends, so that values can be checked
        against it.

        Parameters
        ----------
        encodings : Tensor, shape (B, h)
            The whole batch, which fixes the memberships.
        present : Tensor of bool, shape (B,) or (c, B)
            A coalition T, or c of them.

        Returns
        -------
        Tensor, scalar or shape (c,)
            v(T).
        """
        here, absent = present.to(encodings), (~present).to(encodings)
        scores, spoken = self.scored(encodings)
        members = (scores > self.thresholds).to(encodings)  # (B, H)
        empty = members.sum(0) == 0
        shut = (absent @ members > 0) | empty
        spoken = here @ (members * spoken)
        output = torch.relu(spoken + self.biases[0]).masked_fill(shut, 0)  # (..., H)
        total = output @ self.heads[0] + here @ (encodings @ self.singletons)
        for layer in range(1, self.depth):
            linked = (self.child_logits[layer - 1] > 0) & ~empty
            weight = self.child_weights[layer - 1] * linked
            empty = ~linked.any(1)
            shut = (shut.to(weight) @ linked.T.to(weight) > 0) | empty
            output = torch.relu(output @ weight.T + self.biases[layer]).masked_fill(shut, 0)
            total = total + output @ self.heads[layer]
        return total / max(len(encodings), 1)

    def scored(self, encodings: Tensor) -> tuple[Tensor, Tensor]:
        """Gate scores, and what samples say to units, (B, H) each."""
        return encodings @ self.gates.T, encodings @ self.weights.T

    def outputs(self, heard: Tensor, sizes: Tensor) -> Tensor:
        """Compute z(N) of all units from what layer 1 hears, (H,), and (L, H) sizes: (L, H)."""
        alive = (sizes > 0).to(heard)
        outputs = [torch.relu(heard + self.biases[0]) * alive[0]]
        for layer in range(1, self.depth):
            weight = self.child_weights[layer - 1] * gate(self.child_logits[layer - 1])
            outputs.append(torch.relu(weight @ outputs[-1] + self.biases[layer]) * alive[layer])
        return torch.stack(outputs)


def shared(
    sums: Tensor, sizes: Tensor, own: Tensor, group: Collective
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sum over workers, in one go: what layer 1 hears, sizes, sum of singletons, count."""
    count = own.new_tensor([float(len(own))])
    packed = group.sum(torch.cat([sums.flatten(), own.sum()[None], sizes.flatten(), count]))
    ends = [sums.numel(), 1, sizes.numel(), 1]
    first, alone, rest, total = torch.split(packed, ends)
    return first.view_as(sums), rest.detach().view_as(sizes), alone[0], total.detach()[0]
