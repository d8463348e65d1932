"""Steps forward, logistic slopes backward."""

from __future__ import annotations

import torch

from dvr_ray.valuation.gates import gate


def test_gate_steps_forward_and_slopes_backward() -> None:
    logits = torch.tensor([-1.0, 0.0, 1.0, 30.0], dtype=torch.float64, requires_grad=True)
    opened = gate(logits)
    assert opened.tolist() == [0.0, 0.0, 1.0, 1.0]
    opened.backward(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))
    p = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, torch.tensor([1.0, 2, 3, 4]).double() * p * (1 - p))
    assert logits.grad is not None and logits.grad[0] > 0.1
