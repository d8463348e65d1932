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
needs one sum of O(units) floats, whatever B is. Time O(B H h), memory O(B H).

Sources: Chen et al., "HarsanyiNet", ICML 2023 (arXiv 2304.01811); DVR, arXiv 2502.08685. Unlike
DVR's published code, which intersects the children's fields from two layers on and loses
exactness, fields are unions; unit biases lie inside the gate and break nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.valuation.gates import gate

__all__ = ["HarsanyiValuator", "Valuation"]

LOWEST, HIGHEST = 0.02, 0.98


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
        Mean |R| / B of each layer's units that aren't empty.
    dead : Tensor, shape (L,)
        Share of each layer's units that are empty or silent (z = 0).
    """

    shapley: Tensor
    values: Tensor
    worth: Tensor
    coverage: Tensor
    dead: Tensor


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
    singletons : bool
        Whether each sample has a linear unit a(e_b) of its own.
    bias : bool
        Whether units have a bias; it lets them express redundancy.
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
        singletons: bool = True,
        bias: bool = True,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.units, self.depth = units, depth

        def normal(*shape: int, scale: float) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype) * scale

        dtype = dtype or torch.get_default_dtype()
        width = encoding_dim**-0.5
        self.gates = nn.Parameter(normal(units, encoding_dim, scale=width))
        self.register_buffer("thresholds", _spread(self.gates.detach()))
        self.thresholds: Tensor
        self.weights = nn.Parameter(normal(units, encoding_dim, scale=width))
        self.biases = nn.Parameter(torch.zeros(depth, units, dtype=dtype), requires_grad=bias)
        self.heads = nn.Parameter(normal(depth, units, scale=1 / max(units, 1)))
        few = min(children, units)
        self.child_logits = nn.Parameter(
            _chosen_children(depth - 1, units, few, generator).to(dtype)
        )
        self.child_weights = nn.Parameter(
            normal(depth - 1, units, units, scale=max(few, 1) ** -0.5)
        )
        start = normal(encoding_dim, scale=0.01) if singletons else torch.zeros(encoding_dim)
        self.singletons = nn.Parameter(start.to(dtype), requires_grad=singletons)

    def calibrate(self, encodings: Tensor) -> None:
        """Spread layer 1's memberships evenly over 2% to 98% of the batch.

        Parameters
        ----------
        encodings : Tensor, shape (r, h)
            Some encodings, from whichever batch.
        """
        if not self.units or not len(encodings):
            return
        with torch.no_grad():
            scores = (encodings @ self.gates.T).sort(0).values
            rates = torch.linspace(LOWEST, HIGHEST, self.units)
            place = ((1 - rates) * (len(encodings) - 1)).round().long()
            low = scores[place, torch.arange(self.units)]
            high = scores[(place + 1).clamp_max(len(encodings) - 1), torch.arange(self.units)]
            self.thresholds.copy_((low + high) / 2)

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
            Own samples.
        collective : Collective, optional
            The group that holds the batch; alone by default.
        total : int, optional
            Global batch size B; counted if not given.

        Returns
        -------
        Valuation
            Exact for the game of this batch.
        """
        group = collective or OneProcess()
        own = encodings @ self.singletons
        members = gate(encodings @ self.gates.T - self.thresholds)
        fields = self._fields(members.detach() > 0)
        sums, counts, alone, size = self._share(encodings, members, fields, own, group)
        batch = float(total if total is not None else size)
        outputs = self._outputs(sums, counts)
        dividends = self.heads * outputs
        worth = (dividends.sum() + alone) / batch
        values = own + self._pay(members, fields, dividends / counts.clamp_min(1))
        alive = counts > 0
        coverage = counts.sum(1) / alive.sum(1).clamp_min(1) / batch
        return Valuation(
            shapley=values / batch,
            values=values,
            worth=worth,
            coverage=coverage,
            dead=(outputs == 0).to(values).mean(1) if self.units else coverage,
        )

    def worth(self, encodings: Tensor, present: Tensor) -> Tensor:
        """Worth v(T) of a coalition, by the open or shut state of every unit.

        Walks the layers and uses neither fields nor dividends, so that values can be checked
        against it.

        Parameters
        ----------
        encodings : Tensor, shape (B, h)
            The whole batch, which fixes the memberships.
        present : Tensor of bool, shape (B,)
            The coalition T.

        Returns
        -------
        Tensor, scalar
            v(T).
        """
        members = encodings @ self.gates.T > self.thresholds
        empty = ~members.any(0)
        shut = (members & ~present[:, None]).any(0) | empty
        spoken = (members & present[:, None]).to(encodings) * (encodings @ self.weights.T)
        output = torch.relu(spoken.sum(0) + self.biases[0]).masked_fill(shut, 0)
        total = (self.heads[0] * output).sum() + (encodings @ self.singletons)[present].sum()
        for layer in range(1, self.depth):
            linked = (self.child_logits[layer - 1] > 0) & ~empty
            weight = self.child_weights[layer - 1] * linked
            empty = ~linked.any(1)
            shut = (linked & shut).any(1) | empty
            output = torch.relu(weight @ output + self.biases[layer]).masked_fill(shut, 0)
            total = total + (self.heads[layer] * output).sum()
        return total / len(encodings)

    def _fields(self, members: Tensor) -> list[Tensor]:
        """Own samples' membership in the fields of layers 2 to L, each bool (b, H)."""
        fields, below = [], members
        with torch.no_grad():
            for layer in range(1, self.depth):
                below = _union(below, self.child_logits[layer - 1] > 0)
                fields.append(below)
        return fields

    def _share(
        self,
        encodings: Tensor,
        members: Tensor,
        fields: list[Tensor],
        own: Tensor,
        group: Collective,
    ) -> tuple[Tensor, Tensor, Tensor, int]:
        """Sum over workers, at once, all that the units need of the samples.

        Returns
        -------
        tuple
            Sums of members' encodings (H, h), field sizes (L, H), sum of singletons, B.
        """
        ones = encodings.new_ones(len(encodings), 1)
        local = members.T @ torch.cat([encodings, ones], dim=1)
        deeper = [field.sum(0).to(local) for field in fields]
        size = local.new_full((1,), float(len(encodings)))
        packed = group.sum(torch.cat([local.flatten(), *deeper, own.sum()[None], size]))
        first = packed[: local.numel()].view_as(local)
        rest = packed[local.numel() : -2].view(self.depth - 1, self.units).detach()
        counts = torch.cat([first[None, :, -1].detach(), rest])
        return first[:, :-1], counts, packed[-2], round(float(packed[-1].detach()))

    def _outputs(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Outputs z of all units in the full coalition, (L, H)."""
        alive = counts > 0
        outputs = [torch.relu((self.weights * sums).sum(1) + self.biases[0]) * alive[0]]
        for layer in range(1, self.depth):
            linked = gate(self.child_logits[layer - 1])
            incoming = (self.child_weights[layer - 1] * linked) @ outputs[-1]
            outputs.append(torch.relu(incoming + self.biases[layer]) * alive[layer])
        return torch.stack(outputs)

    def _pay(self, members: Tensor, fields: list[Tensor], shares: Tensor) -> Tensor:
        """Hand every unit's share d_u / |R_u| to the own samples in its field, (b,)."""
        paid = members @ shares[0]
        for field, share in zip(fields, shares[1:], strict=True):
            paid = paid + field.to(paid) @ share
        return paid


def _union(members: Tensor, linked: Tensor) -> Tensor:
    """Union of children's fields: bool (b, H) and (H, H) to bool (b, H)."""
    return members.float() @ linked.T.float() > 0


def _spread(gates: Tensor) -> Tensor:
    """Thresholds for encodings of unit variance: memberships from 2% to 98%."""
    rates = torch.linspace(LOWEST, HIGHEST, len(gates), dtype=torch.float64)
    return (gates.norm(dim=1) * -torch.special.ndtri(rates)).to(gates)


def _chosen_children(
    layers: int, units: int, children: int, generator: torch.Generator | None
) -> Tensor:
    """Logits (layers, H, H): +1 for a few random children of each unit, -1 for all others."""
    drawn = torch.rand(layers, units, units, generator=generator)
    logits = torch.full((layers, units, units), -1.0)
    if children:
        logits.scatter_(2, drawn.topk(children, dim=2).indices, 1.0)
    return logits
