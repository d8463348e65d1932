"""Health of the policy gradient, logged at the end of every horizon."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dvr_ray.valuation.policy import entropy

__all__ = ["valuation_monitors"]


def valuation_monitors(
    *,
    rewards: Tensor,
    outcome: Any,
    policy: Tensor,
    values: Tensor,
    losses: Tensor,
    kept: Tensor,
    previous: Tensor,
) -> dict[str, Any]:
    """Summarise one horizon.

    Parameters
    ----------
    rewards : Tensor, shape (K, U)
        Reward of users under each mask; NaN where not measured.
    outcome : Outcome
        Credits and advantages.
    policy, values, losses : Tensor, shape (r,)
        Probability, value and running loss of the horizon's rows.
    kept, previous : Tensor of bool, shape (r,)
        The policy's own draw in this horizon and in the one before.

    Returns
    -------
    dict
        ``reward_per_mask`` and ``baseline`` in units of the metric; ``advantage_variance``, mean
        over users; ``entropy`` in nats (at most .69); ``keep_rate``; ``value_spread``, the sd of
        values; ``policy_spread``, the sd of probabilities; ``value_loss_cosine``, cosine of the
        centred value and minus loss; ``selection_overlap``, Jaccard index of successive selections;
        ``directional_r2``, the outcome's, where it has one.
    """
    per_mask = rewards.nanmean(1)
    union = (kept | previous).sum().clamp_min(1)
    explained = {} if outcome.explained is None else {"directional_r2": outcome.explained}
    return explained | {
        "reward_per_mask": [float(value) for value in per_mask],
        "baseline": float(per_mask.mean()),
        "advantage_variance": float(outcome.advantage.square().mean()),
        "entropy": float(entropy(policy).mean()),
        "keep_rate": float(policy.mean()),
        "value_spread": float(values.std(correction=0)),
        "policy_spread": float(policy.std(correction=0)),
        "value_loss_cosine": _cosine(values, -losses),
        "selection_overlap": float((kept & previous).sum() / union),
    }


def _cosine(a: Tensor, b: Tensor) -> float:
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return float((a @ b) / (a.norm() * b.norm()).clamp_min(1e-30))
