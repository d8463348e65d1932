"""Gradients: finite differences where the game is smooth, the dense form where gates open."""

from __future__ import annotations

import pytest
import torch
from games import make_batch, make_net
from oracles.harsanyi_gradient import dense_values
from torch import Tensor
from torch.func import functional_call

from dvr_ray.valuation import HarsanyiValuator, fields

SMOOTH = ("weights", "biases", "heads", "child_weights", "singletons")


@pytest.mark.parametrize(
    ("depth", "name"),
    [(d, name) for d in (1, 2, 3) for name in SMOOTH if d > 1 or name != "child_weights"],
)
def test_gradients_equal_finite_differences_with_gates_frozen(depth: int, name: str) -> None:
    """Memberships and children depend on none of these, so that values are smooth in them."""
    net, batch = make_net(depth, units=6, depth=depth, children=3), make_batch(depth, 9)
    fixed = dict(net.named_parameters())

    def outputs(weights: Tensor) -> tuple[Tensor, Tensor]:
        valuation = functional_call(net, fixed | {name: weights}, (batch,))
        return valuation.values, valuation.worth

    start = fixed[name].detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(outputs, (start,), atol=1e-7)
    assert torch.autograd.grad(outputs(start)[1], start)[0].any()


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize(("cached", "kept"), [(2**20, 2**27), (64 * 64, 0), (64 * 64, 2**27)])
def test_all_gradients_equal_the_dense_form(
    monkeypatch: pytest.MonkeyPatch, depth: int, cached: int, kept: int
) -> None:
    """Straight-through gradients too, in one block or many, with fields kept or made anew."""
    monkeypatch.setattr(fields, "CACHED", cached)
    monkeypatch.setattr(fields, "KEPT", kept)
    net, batch = make_net(24, units=8, depth=depth), make_batch(20, 200)
    for term in ("values", "worth", "both"):
        found = _gradients(net, batch, term, dense=False)
        expected = _gradients(net, batch, term, dense=True)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-10, msg=name)
            assert gradient.any() or (name.startswith("child") and depth == 1), name


def _gradients(
    net: HarsanyiValuator, batch: Tensor, term: str, *, dense: bool
) -> dict[str, Tensor]:
    leaves = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    leaves["encodings"] = batch.clone().requires_grad_()
    weights = {name: leaf for name, leaf in leaves.items() if name != "encodings"}
    if dense:
        values, worth = dense_values(weights, leaves["encodings"])
    else:
        valuation = functional_call(net, weights, (leaves["encodings"],))
        values, worth = valuation.values, valuation.worth
    slopes = torch.linspace(-1, 2, len(batch), dtype=torch.float64)
    terms = {"values": (slopes * values.square()).sum(), "worth": (worth - 3).square()}
    loss = sum(terms.values()) if term == "both" else terms[term]
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }


def test_gates_learn_only_from_samples_near_the_threshold() -> None:
    """The surrogate is a line on (-1, 1): logits of .5 and 2 give the gate e_b of the first."""
    net = HarsanyiValuator(1, 1, 1, dtype=torch.float64)
    with torch.no_grad():
        net.gates.fill_(1.0)
        net.thresholds.zero_()
        net.weights.fill_(1.0)
        net.heads.fill_(1.0)
    net(torch.tensor([[0.5], [2.0]], dtype=torch.float64)).worth.backward()
    # dS/dm = e = .5, slope 1/2, dlogit/dg = e = .5, B = 2.
    assert float(net.gates.grad) == pytest.approx(0.5 * 0.5 * 0.5 / 2)
    assert float(net.thresholds.grad) == pytest.approx(-0.5 * 0.5 / 2)


def test_sizes_have_no_gradient() -> None:
    """Adding a member moves the others' share only through z: |R| is a constant.

    With z held by its bias (w = 0), the gradient of every sample's value with respect to gates
    comes from the sample's own membership alone.
    """
    net, batch = make_net(30, units=1, depth=1, spoilt=False), make_batch(30, 12)
    with torch.no_grad():
        net.weights.zero_()
        net.biases.fill_(2.0)
    values = net(batch).values
    logits = (batch @ net.gates.T - net.thresholds).detach()[:, 0]
    share = float(net.heads.detach()) * 2.0 / int((logits > 0).sum())
    for sample in range(12):
        gradient = torch.autograd.grad(values[sample], net.thresholds, retain_graph=True)[0]
        expected = -share * 0.5 if abs(float(logits[sample])) < 1 else 0.0
        assert float(gradient) == pytest.approx(expected, abs=1e-14)


def test_backward_runs_twice_with_the_same_result() -> None:
    net, batch = make_net(31, depth=2), make_batch(31, 40)
    loss = net(batch).values.square().sum()
    first = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    second = torch.autograd.grad(loss, list(net.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_weights_may_step_between_forward_and_backward() -> None:
    """Fields hold copies of gates and encodings: what was valued is what is differentiated."""
    net, batch = make_net(32, depth=1), make_batch(32, 40)
    expected = torch.autograd.grad(net(batch).worth, net.thresholds)[0]
    worth = net(batch).worth
    batch.mul_(-1)
    assert torch.equal(torch.autograd.grad(worth, net.thresholds)[0], expected)
