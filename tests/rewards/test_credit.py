"""Credits are unbiased policy gradients: checked by enumerating every mask of a small batch.

Eight interactions of three users; the metric of each user is an arbitrary (non-additive) table
over the 2^8 masks. With p_i = sigmoid(l_i), the exact gradient of E[f(s)] is
``sum_s f(s) P(s) (s_i - p_i)``; the estimator's mean over many draws of K masks must lie within
four standard errors of it.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dvr_ray.data.interactions import Interactions
from dvr_ray.rewards.credit import CreditRule, advantages

USERS = np.array([0, 0, 0, 1, 1, 1, 2, 2])
ITEMS = np.array([0, 1, 2, 0, 2, 3, 1, 3])
ROWS = 8
MASKS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=ROWS)), dtype=torch.float64)


def _train() -> Interactions:
    return Interactions(USERS, ITEMS, 3, 5)


def _held() -> Interactions:
    return Interactions(np.array([0, 1, 2]), np.array([3, 1, 2]), 3, 5)


def _game() -> tuple[torch.Tensor, torch.Tensor]:
    """Metric of 3 users under each of the 256 masks, and probabilities of 8 rows."""
    generator = torch.Generator().manual_seed(3)
    table = torch.rand(3, len(MASKS), generator=generator, dtype=torch.float64)
    odds = torch.sigmoid(torch.randn(ROWS, generator=generator, dtype=torch.float64))
    return table, odds


def _exact(function: torch.Tensor, odds: torch.Tensor) -> torch.Tensor:
    """Gradient of E[function] in the logits, by enumeration: (256,) to (8,)."""
    chance = torch.where(MASKS > 0, odds, 1 - odds).prod(1)
    return (function * chance) @ (MASKS - odds)


def _estimates(
    kind: str, baseline: str, table: torch.Tensor, odds: torch.Tensor, masks: int = 4
) -> torch.Tensor:
    """Draws of the estimator ``mean_k c_ki (s_ki - p_i)``, shape (draws, 8)."""
    draws = 20_000
    uniforms = torch.rand(
        draws, masks, ROWS, generator=torch.Generator().manual_seed(7), dtype=torch.float64
    )
    selected = (uniforms < odds).double()
    code = (selected @ (2.0 ** torch.arange(ROWS - 1, -1, -1, dtype=torch.float64))).long()
    metric = table[:, code].permute(1, 2, 0)
    rule = CreditRule(kind, _train(), _held())  # type: ignore[arg-type]
    rows = torch.arange(ROWS)
    return torch.stack(
        [
            (rule(advantages(m, baseline), rows) * (s - odds)).mean(0)  # type: ignore[arg-type]
            for m, s in zip(metric, selected, strict=True)
        ]
    )


@pytest.mark.parametrize("baseline", ["none", "leave-one-out"])
@pytest.mark.parametrize("kind", ["scalar", "user"])
def test_credit_is_the_policy_gradient(kind: str, baseline: str) -> None:
    table, odds = _game()
    if kind == "scalar":
        exact = _exact(table.sum(0), odds)
    else:
        exact = torch.stack([_exact(table[user], odds)[row] for row, user in enumerate(USERS)])
    found = _estimates(kind, baseline, table, odds)
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - exact).abs() < 4 * error).all()


def test_average_baseline_shrinks_by_one_mask() -> None:
    """With the mask's own reward in the baseline the gradient shrinks by 1 - 1/K."""
    table, odds = _game()
    exact = _exact(table.sum(0), odds) * (1 - 1 / 4)
    found = _estimates("scalar", "average", table, odds)
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - exact).abs() < 4 * error).all()


def test_leave_one_out_has_less_variance_than_none() -> None:
    table, odds = _game()
    plain = _estimates("user", "none", table, odds).var(0)
    reduced = _estimates("user", "leave-one-out", table, odds).var(0)
    assert reduced.sum() < plain.sum()


def test_item_credit_pays_rows_that_a_held_out_item_names() -> None:
    """User 0 holds out item 3, user 1 item 1, user 2 item 2; one held-out item each.

    A row (u, i) gets A(u), plus A(v) of the user v who held out i.
    """
    advantage = torch.tensor([[1.0, 10.0, 100.0]])
    rule = CreditRule("user+item", _train(), _held())
    named = {3: 1.0, 1: 10.0, 2: 100.0}
    expected = [
        float(advantage[0, u]) + named.get(int(i), 0.0) for u, i in zip(USERS, ITEMS, strict=True)
    ]
    assert rule(advantage, torch.arange(ROWS))[0].tolist() == expected


def test_users_that_were_not_measured_pay_nothing() -> None:
    metric = torch.tensor([[float("nan"), 1.0, 2.0], [float("nan"), 3.0, 2.0]])
    found = advantages(metric, "leave-one-out")
    assert found.tolist() == [[0.0, -2.0, 0.0], [0.0, 2.0, 0.0]]
