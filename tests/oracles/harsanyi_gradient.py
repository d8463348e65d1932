"""The valuator's dense form: one formula a line, all gradients by autograd.

Memberships and children are ``hard + soft - soft.detach()``, where soft is a line from 0 to 1 on
(-1, 1) for memberships and the logistic function for children. Field sizes, unions and emptiness
are constants.
"""

from __future__ import annotations

import torch
from torch import Tensor


def dense_values(weights: dict[str, Tensor], encodings: Tensor) -> tuple[Tensor, Tensor]:
    """B times the Shapley values (B,), and the worth."""
    logits = encodings @ weights["gates"].T - weights["thresholds"]
    members = _through((logits > 0).to(logits), (logits.clamp(-1, 1) + 1) / 2)  # (B, H)
    field = logits > 0
    values = encodings @ weights["singletons"]
    total = values.sum()
    z = torch.einsum("bk,kh,bh->k", members, weights["weights"], encodings)
    for layer, (bias, head) in enumerate(zip(weights["biases"], weights["heads"], strict=True)):
        if layer:
            choice = weights["child_logits"][layer - 1]
            hard = choice > 0
            linked = _through(hard.to(choice), torch.sigmoid(choice))
            z = (weights["child_weights"][layer - 1] * linked) @ z
            field = (field[:, None, :] & hard[None]).any(2)
        z = torch.relu(z + bias) * field.any(0)
        inside = field.to(z) if layer else members
        values = values + inside @ (head * z / field.sum(0).clamp_min(1))
        total = total + (head * z).sum()
    return values, total / len(encodings)


def _through(hard: Tensor, soft: Tensor) -> Tensor:
    return hard + soft - soft.detach()
