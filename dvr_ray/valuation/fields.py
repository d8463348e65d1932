"""Receptive fields of all units over a worker's own samples, and the two passes that need them.

The fields are B x H numbers per layer, the only large thing in a valuation. They are made block by
block, in the processor's cache, from encodings and gates. Up to `KEPT` bytes in all they are kept
for the next pass; beyond that each pass makes them anew, so that memory stays O(B h) however large
the batch is, at about 1.4 times the time.

* `sums_over_fields`: ``S = m [e, 1]``, the sum of members' encodings and the number of members of
  every unit of layer 1, and the sizes of the deeper units' unions;
* `pay_fields`: ``sum_u m_ub c_u`` for every sample b, the units' shares handed to their fields.

Both are differentiable. The gradient of a membership is passed straight through to its gate logit
``x = <g_k, e_b> - t_k`` with the derivative of a line that climbs from 0 to 1 on (-1, 1), that is
1/2 inside and 0 beyond. Unions and sizes have no gradient.

Layout: units are rows and samples are columns, so that the union of a few children's fields is a
copy and a maximum of whole rows instead of a B x H x H product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Fields", "pay_fields", "sums_over_fields"]

SLOPE = 0.5
CACHED = 800 * 1024
"""Bytes of a block on the CPU; from one megabyte on, allocation and products slow down."""
KEPT = 2**27
"""Bytes of all blocks up to which they are kept between passes."""
LAUNCHED = 2**26
"""Bytes of a block elsewhere, where few large kernels are faster."""


class Fields:
    """Makes the fields of one batch's own samples, block by block.

    Parameters
    ----------
    encodings : Tensor, shape (b, h)
        Own samples.
    gates : Tensor, shape (H, h)
        Gates of layer 1.
    thresholds : Tensor, shape (H,)
        A sample is a member of unit k where ``<g_k, e_b> > t_k``.
    linked : Tensor of bool, shape (L - 1, H, H)
        ``linked[l, u, c]``: unit c of layer l + 1 is a child of unit u of the layer above.
    """

    def __init__(
        self, encodings: Tensor, gates: Tensor, thresholds: Tensor, linked: Tensor
    ) -> None:
        samples, units = len(encodings), len(gates)
        self.inputs = torch.cat([encodings.detach().T, encodings.new_ones(1, samples)])
        self.gates = torch.cat([gates.detach(), -thresholds.detach()[:, None]], dim=1)
        self.depth = len(linked) + 1
        self.tables = [_children(layer) for layer in linked] if units else []
        size = CACHED if encodings.device.type == "cpu" else LAUNCHED
        width = max(size // (encodings.element_size() * max(units, 1)) // 64 * 64, 64)
        self.parts = [slice(start, start + width) for start in range(0, samples, width)]
        # One number per unit of layer 1 that `pay_fields` leaves for the backward pass.
        self.shares: Tensor | None = None
        needed = samples * units * (self.depth + 1) * encodings.element_size()
        self._keep = needed <= KEPT
        self._kept: dict[int, tuple[Tensor, list[Tensor]]] = {}

    def block(self, part: slice) -> tuple[Tensor, list[Tensor]]:
        """Gate logits (H, block), and each of L layers' fields (H, block), 0 or 1, of a block."""
        if part.start in self._kept:
            return self._kept[part.start]
        logits = self.gates @ self.inputs[:, part]
        fields = [torch.gt(logits, 0, out=torch.empty_like(logits))]
        for table, childless in self.tables:
            fields.append(_union(fields[-1], table, childless))
        if self._keep:
            self._kept[part.start] = logits, fields
        return logits, fields


class _Sums(torch.autograd.Function):
    """Sums of members' encodings, sizes of all fields, and the link to `_Pay`.

    The link is a zero per sample whose only use is its gradient: `_Pay` sends the gradient of
    what it paid along it, so that both ways in which a membership matters, through the sums and
    through the payment, reach the gates in one pass: as one more column of one product.
    """

    @staticmethod
    def forward(
        ctx: Any, encodings: Tensor, gates: Tensor, thresholds: Tensor, fields: Fields
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sum over own samples: (H, h), (L, H) and the link (b,)."""
        rows, units = len(fields.inputs), len(gates)
        sums = encodings.new_zeros(rows, units)
        sizes = encodings.new_zeros(fields.depth, units)
        for part in fields.parts:
            _, layers = fields.block(part)
            sums.addmm_(fields.inputs[:, part], layers[0].T)
            for size, field in zip(sizes[1:], layers[1:], strict=False):
                size += field.sum(1)
        sizes[0] = sums[-1]
        ctx.fields = fields
        ctx.mark_non_differentiable(sizes)
        return sums[:-1].T.contiguous(), sizes, encodings.new_zeros(len(encodings))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, into_sums: Tensor, _: Tensor, paid: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Pass gradients to encodings (b, h), gates (H, h) and thresholds (H,)."""
        fields: Fields = ctx.fields
        shares = into_sums.new_zeros(len(into_sums)) if fields.shares is None else fields.shares
        left = torch.cat([into_sums, shares[:, None]], dim=1) * SLOPE
        right = torch.cat([fields.inputs[:-1], paid[None]])
        into_gates = torch.zeros_like(fields.gates.T)
        into_encodings = torch.zeros_like(fields.inputs[:-1]) if ctx.needs_input_grad[0] else None
        for part in fields.parts:
            logits, (members, *_deeper) = fields.block(part)
            pull = (left @ right[:, part]).mul_(logits.abs().lt_(1))
            into_gates.addmm_(fields.inputs[:, part], pull.T)
            if into_encodings is not None:
                into_encodings[:, part] = into_sums.T @ members
                into_encodings[:, part] += fields.gates[:, :-1].T @ pull
        moved = None if into_encodings is None else into_encodings.T
        return moved, into_gates[:-1].T, -into_gates[-1], None


class _Pay(torch.autograd.Function):
    """Shares of units handed to the samples in their fields."""

    @staticmethod
    def forward(ctx: Any, shares: Tensor, link: Tensor, fields: Fields) -> Tensor:
        """Pay own samples, (L, H) to (b,)."""
        assert fields.shares is None, "fields pay once"
        ctx.fields, fields.shares = fields, shares[0].detach()
        paid = torch.zeros_like(link)
        for part in fields.parts:
            for share, field in zip(shares, fields.block(part)[1], strict=False):
                paid[part] += share @ field
        return paid

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, paid: Tensor) -> tuple[Tensor, Tensor, None]:
        """Pass gradients to shares, (L, H), and along the link, (b,)."""
        fields: Fields = ctx.fields
        into_shares = paid.new_zeros(fields.depth, len(fields.gates))
        for part in fields.parts:
            for row, field in zip(into_shares, fields.block(part)[1], strict=False):
                row += field @ paid[part]
        return into_shares, paid, None


def sums_over_fields(
    encodings: Tensor, gates: Tensor, thresholds: Tensor, fields: Fields
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over own samples all that the units need of them.

    Parameters
    ----------
    encodings : Tensor, shape (b, h)
        Own samples.
    gates : Tensor, shape (H, h)
        Gates of layer 1.
    thresholds : Tensor, shape (H,)
        Thresholds of layer 1.
    fields : Fields
        Made from these three.

    Returns
    -------
    tuple of Tensor
        Sums of members' encodings (H, h); local sizes of all fields (L, H), without gradient;
        the link (b,) that `pay_fields` wants.
    """
    made: tuple[Tensor, Tensor, Tensor]
    made = _Sums.apply(encodings, gates, thresholds, fields)  # type: ignore[no-untyped-call]
    return made


def pay_fields(shares: Tensor, link: Tensor, fields: Fields) -> Tensor:
    """Hand every unit's share to the own samples in its field; once for each `Fields`.

    Parameters
    ----------
    shares : Tensor, shape (L, H)
        What a unit pays to each sample in its field.
    link : Tensor, shape (b,)
        From `sums_over_fields`.
    fields : Fields
        The same as there.

    Returns
    -------
    Tensor, shape (b,)
        ``sum_u m_ub c_u`` over the units of all layers.
    """
    paid: Tensor = _Pay.apply(shares, link, fields)  # type: ignore[no-untyped-call]
    return paid


def _union(below: Tensor, table: Tensor, childless: Tensor) -> Tensor:
    """Union of children's fields: (H, block) of the layer below to (H, block)."""
    union = below.index_select(0, table[0])
    for column in table[1:]:
        torch.maximum(union, below.index_select(0, column), out=union)
    return union.index_fill_(0, childless, 0) if len(childless) else union


def _children(linked: Tensor) -> tuple[Tensor, Tensor]:
    """Children of every unit as a table (most children, H), and the units that have none.

    A unit with fewer children than the most has its first one repeated, which changes no union.
    """
    counts = linked.sum(1)
    most = max(int(counts.max()), 1)
    found = linked.byte().topk(most, dim=1)
    table = torch.where(found.values > 0, found.indices, found.indices[:, :1])
    return table.T.contiguous(), (counts == 0).nonzero()[:, 0]
