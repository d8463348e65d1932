"""The HarsanyiNet with weights and gates for every place in the batch, as in DVR's published code.

The game and its values are those of `dvr_ray.valuation.harsanyi`; only layer 1 differs: the sample
at place b of the batch is a member of unit k where ``<g_bk, e_b> > t_k`` and says ``<w_bk, e_b>``.
So a value depends on where a sample happens to stand, batches can't be larger than the number of
places P, and there are 2 P H h weights instead of 2 H h. It is kept for comparison with the paper.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.errors import ConfigError
from dvr_ray.valuation.gates import gate
from dvr_ray.valuation.harsanyi import HarsanyiValuator, Valuation, shared

__all__ = ["PositionalValuator"]


class PositionalValuator(HarsanyiValuator):
    """Values every sample of a batch of at most P samples.

    Parameters
    ----------
    encoding_dim, units, depth
        As for `HarsanyiValuator`.
    places : int
        Places P.
    generator : torch.Generator, optional
        Draws the weights.
    **options
        The other options of `HarsanyiValuator`.
    """

    def __init__(
        self,
        encoding_dim: int,
        units: int,
        depth: int,
        *,
        places: int,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> None:
        super().__init__(encoding_dim, units, depth, generator=generator, **options)

        def normal() -> nn.Parameter:
            size = (places, units, encoding_dim)
            drawn = torch.randn(size, generator=generator, dtype=torch.float64)
            return nn.Parameter((drawn * encoding_dim**-0.5).to(self.heads.dtype))

        self.gates, self.weights = normal(), normal()

    def forward(
        self,
        encodings: Tensor,
        collective: Collective | None = None,
        total: int | None = None,
    ) -> Valuation:
        """Value this worker's samples of a batch; see `HarsanyiValuator.forward`.

        With W workers the batch is cut in order: worker r holds places ``total r // W`` to
        ``total (r + 1) // W``.

        Raises
        ------
        ConfigError
            If the batch is larger than P, or a worker's share isn't that one.
        """
        group = collective or OneProcess()
        total = len(encodings) if total is None and group.size == 1 else total
        if total is None or total > len(self.gates):
            raise ConfigError(
                "valuator.membership",
                f"positional takes batches of at most {len(self.gates)} known rows, got {total}",
                "raise training.batch_size",
            )
        start = total * group.rank // group.size
        scores, said = self.scored(encodings, start)
        members = gate(scores - self.thresholds)
        fields = [members]
        for logits in self.child_logits:
            linked = (logits > 0).to(members)
            fields.append((fields[-1].detach() @ linked.T > 0).to(members))
        sizes = torch.stack([field.detach().sum(0) for field in fields])
        own = encodings @ self.singletons
        heard, sizes, alone, counted = shared((members * said).sum(0), sizes, own, group)
        outputs = self.outputs(heard, sizes)
        dividends = self.heads * outputs
        each = dividends / sizes.clamp_min(1)
        values = own + sum(field @ pay for field, pay in zip(fields, each, strict=True))
        batch = counted.new_tensor(float(max(total, 1)))
        return self._told(values, dividends.sum() + alone, outputs, sizes, batch)

    def members(self, encodings: Tensor) -> Tensor:
        """None of a row's own: they hang on its place in the batch; shape (b, 0)."""
        return torch.zeros(len(encodings), 0, dtype=torch.bool, device=encodings.device)

    def scored(self, encodings: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        """Gate scores, and what samples say to units, of the samples from a place on."""
        stop = start + len(encodings)
        gates, weights = self.gates[start:stop], self.weights[start:stop]
        return (
            torch.einsum("bh,bkh->bk", encodings, gates),
            torch.einsum("bh,bkh->bk", encodings, weights),
        )

    @torch.no_grad()
    def calibrate(self, encodings: Tensor) -> None:
        """Spread memberships as `HarsanyiValuator.calibrate`, over as many rows as have places."""
        super().calibrate(encodings[: len(self.gates)])
