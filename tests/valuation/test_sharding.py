"""W workers with shares of a batch get the values and the gradients of one worker."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
from games import make_batch, make_net
from gloo import run_group
from torch import Tensor

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.schema import PolicyConfig
from dvr_ray.distributed.collective import TorchCollective
from dvr_ray.valuation import HarsanyiValuator, SelectionPolicy, Valuation

BATCH = 60
SHARES = {
    1: {"all": [60]},
    2: {"even": [30, 30], "uneven": [7, 53], "empty": [60, 0]},
    4: {"even": [15, 15, 15, 15], "uneven": [1, 40, 0, 19]},
}
NETS: dict[str, dict[str, Any]] = {
    "one layer": {"units": 6, "depth": 1},
    "three layers": {"units": 7, "depth": 3, "children": 3},
    "singletons": {"units": 0, "depth": 2},
}
TERMS = ("sum of own", "worth", "worth squared", "sigmoid", "centred", "minmax", "all")
WHOLE = "worth, not divided by W"
CASES = [("three layers", term) for term in TERMS] + [("one layer", "all"), ("singletons", "all")]
Results = dict[tuple[str, str, str], dict[str, Tensor]]


def loss_term(term: str, valuation: Valuation, own: slice, group: Collective) -> Tensor:
    """One term of a loss: own samples as a sum over B, replicated ones as 1/W."""
    if term == WHOLE:
        return valuation.worth
    if term == "worth":
        return valuation.worth / group.size
    if term == "worth squared":
        return (0.7 * valuation.worth - 0.3).square() / group.size
    weights = torch.linspace(-1, 2, BATCH, dtype=valuation.values.dtype)[own]
    if term == "sum of own":
        return (weights * valuation.values.square()).sum() / BATCH
    if term == "all":
        terms = [loss_term(each, valuation, own, group) for each in TERMS[:-1]]
        return torch.stack(terms).sum()
    policy = SelectionPolicy(PolicyConfig(normalisation=term, keep_rate=0.6))  # type: ignore[arg-type]
    policy.load({"sd": 3.0})
    return (weights * policy.probabilities(valuation.values, group)).sum() / BATCH


def valued(options: dict[str, Any], own: slice, term: str, group: Collective) -> dict[str, Tensor]:
    """Values, worth, monitors, loss and gradients (summed over workers) of one share."""
    net = make_net(3, **options)
    encodings = make_batch(3, BATCH).to(net.gates.dtype)[own].requires_grad_()
    valuation = net(encodings, group)
    loss = loss_term(term, valuation, own, group)
    loss.backward()
    found = {"values": valuation.values, "encodings": encodings.grad, "worth": valuation.worth}
    found |= {"coverage": valuation.coverage, "dead": valuation.dead}
    summed = {"loss": loss.detach().clone()}
    for name, parameter in net.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        summed[f"gradient of {name}"] = gradient
    total = group.sum_(torch.cat([value.flatten() for value in summed.values()]))
    parts = total.split([value.numel() for value in summed.values()])
    found |= {name: part for name, part in zip(summed, parts, strict=True)}
    return {name: value.detach() for name, value in found.items()}


def one_step(own: slice, group: Collective) -> Tensor:
    """All weights, in float32, after a step along the gradient; and the values before it."""
    net: HarsanyiValuator = make_net(4, units=8, depth=2, dtype=torch.float32)
    valuation = net(make_batch(4, BATCH).float()[own], group)
    loss_term("all", valuation, own, group).backward()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= 0.1 * group.sum_(parameter.grad)
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def share(sizes: list[int], rank: int) -> slice:
    return slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))


def every_case() -> dict[int, tuple[Results, dict[str, Tensor]]]:
    """Run in each of four processes, of which the first 1 and 2 form groups of their own."""
    found = {}
    for size, shares in SHARES.items():
        members = dist.new_group(list(range(size)))
        if dist.get_rank() < size:
            found[size] = cases_of(TorchCollective(members), shares)
    return found


def cases_of(group: Collective, shares: dict[str, list[int]]) -> tuple[Results, dict[str, Tensor]]:
    results, steps = {}, {}
    for cut, sizes in shares.items():
        own = share(sizes, group.rank)
        steps[cut] = one_step(own, group)
        for name, term in [*CASES, ("three layers", WHOLE)]:
            results[cut, name, term] = valued(NETS[name], own, term, group)
    return results, steps


@pytest.fixture(scope="module")
def groups() -> dict[int, list[Any]]:
    """Every case's results by W and rank."""
    processes = run_group(every_case, 4)
    return {size: [found[size] for found in processes[:size]] for size in SHARES}


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Concatenate own samples' results; all else must be the same on every worker."""
    whole = dict(parts[0])
    for name in ("values", "encodings"):
        whole[name] = torch.cat([part[name] for part in parts])
    for name in whole.keys() - {"values", "encodings"}:
        assert all(torch.equal(part[name], whole[name]) for part in parts), name
    return whole


@pytest.mark.parametrize(("name", "term"), CASES)
def test_workers_equal_one(groups: dict[int, list[Any]], name: str, term: str) -> None:
    """Values and gradients, each term of the loss alone, equal to 1e-9 in float64."""
    expected = valued(NETS[name], slice(0, BATCH), term, OneProcess())
    assert expected["gradient of singletons"].any()
    assert expected["gradient of gates"].any() or name == "singletons"
    for size, shares in SHARES.items():
        for cut in shares:
            found = joined([results[cut, name, term] for results, _ in groups[size]])
            for key, value in expected.items():
                torch.testing.assert_close(
                    found[key], value, rtol=0, atol=1e-9, msg=f"{key}, W={size}, {cut}"
                )


def test_a_step_in_float32_equals_one_workers(groups: dict[int, list[Any]]) -> None:
    """To 1e-4, relative to the norm of the weights, and of the step itself."""
    expected = one_step(slice(0, BATCH), OneProcess())
    weights = make_net(4, units=8, depth=2, dtype=torch.float32).parameters()
    start = torch.cat([parameter.detach().flatten() for parameter in weights])
    # The two unreachable parts of a spoilt net are so large that they would hide the rest.
    usual = start.abs() < 1e5
    for size, shares in SHARES.items():
        for cut in shares:
            for _, steps in groups[size]:
                gap = (steps[cut] - expected)[usual].norm()
                assert gap <= 1e-4 * (expected - start)[usual].norm(), (size, cut)


def test_a_replicated_term_entered_whole_counts_w_times(groups: dict[int, list[Any]]) -> None:
    """Why such terms enter as 1/W: the gradients of W equal terms are summed."""
    name = "gradient of gates"
    expected = valued(NETS["three layers"], slice(0, BATCH), WHOLE, OneProcess())[name]
    assert expected.any()
    for size, shares in SHARES.items():
        for cut in shares:
            found = groups[size][0][0][cut, "three layers", WHOLE][name]
            torch.testing.assert_close(found, size * expected, rtol=0, atol=1e-9)
