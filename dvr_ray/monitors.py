"""What a run may log of a horizon, by weighting, net or negatives, and how to read it."""

from __future__ import annotations

__all__ = ["MONITORS"]

MONITORS = {
    "reward_per_mask": "one line per mask; good: lines apart, all rising",
    "baseline": "mean reward of the masks; good: rising",
    "advantage_variance": "how far the masks' rewards lie apart; bad: 0, nothing to learn from",
    "entropy": "how undecided the policy is, .69 at most; good: falling slowly, not to 0",
    "keep_rate": "mean probability of keeping; good: settles off its bounds",
    "directional_r2": "share of the reward that directions predict, pair left out; good: above 0",
    "ridge": "penalties of inputs and units that predict held-out masks and users best",
    "held_out_correlation": "of values with held-out credit; good: above 0, .02 to .05 is usual",
    "gradient_signal": "squared length of the policy gradient over its variance; good: above 1",
    "held_out_without_units": "the same of inputs alone: what it lacks, Harsanyi units add",
    "value_spread": "sd of the values; good: grows, then settles",
    "policy_spread": "sd of the probabilities; good: grows, then settles",
    "value_loss_cosine": "bad: 1, a high value only repeats a low loss",
    "selection_overlap": "of successive selections; good: towards 1 as choices settle",
    "coverage": "share of a batch that a unit looks at, by layer; bad: 0 or 1",
    "dead": "share of units that look at nothing, by layer; good: near 0",
    "worth_error": "squared error of the predicted worth; good: below worth_error_trivial",
    "worth_error_fresh": "the same on batches that the net wasn't taught yet",
    "theta_score": "weight of the model's score in learned negatives; above 0: harder is better",
    "theta_popularity": "weight of an item's popularity in learned negatives",
    "theta_agreement": "weight of agreement with the user's list in learned negatives",
    "theta_z": "gradients of the three, in standard errors; beyond 2 or so: the reward says where",
    "worth_error_trivial": "the same error when the mean is predicted; the level to beat",
}
