"""The supervised selector: as good as Bayes on a curve, at chance where nothing can be learned."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dvr_ray.errors import DataError
from dvr_ray.metrics.auc import chance_half_width, roc_auc
from dvr_ray.seeding import generator
from dvr_ray.weightings import supervised
from dvr_ray.weightings.supervised import supervised_scores

ROWS, USERS = 6000, 300


def _made(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs, odds of being planted, which were, and users: planted where |x1| > 1, mostly."""
    draws = generator(seed, "test")
    inputs = torch.randn(ROWS, 4, generator=draws)
    odds = torch.sigmoid(4 * (inputs[:, 0].abs() - 1))
    planted = torch.rand(ROWS, generator=draws) < odds
    return inputs, odds, planted, torch.randint(0, USERS, (ROWS,), generator=draws)


def _auc(scores: Tensor, planted: Tensor) -> float:
    return roc_auc(scores.numpy(), ~planted.numpy())


def test_a_curve_is_learned_nearly_as_well_as_can_be() -> None:
    inputs, odds, planted, users = _made()
    scores = supervised_scores(inputs, planted, users, seed=0)
    best = _auc(-odds, planted)
    assert _auc(scores, planted) > best - 0.015
    linear = torch.linalg.lstsq(inputs, planted[:, None].float() - planted.float().mean()).solution
    # The curve is even in x1, so that a line gets .5 but for chance: it is best that tells.
    assert abs(_auc(-(inputs @ linear)[:, 0], planted) - 0.5) < 0.05 < best - 0.5 - 0.25


def test_scores_are_log_odds_of_being_real() -> None:
    """Where nothing is over- or understated, the mean probability is the share of real rows."""
    inputs, odds, planted, users = _made()
    probability = torch.sigmoid(supervised_scores(inputs, planted, users, seed=0))
    assert abs(float(probability.mean() - (~planted).double().mean())) < 0.02
    assert float((probability - (1 - odds)).abs().mean()) < 0.06


@pytest.mark.parametrize("seed", [0, 1])
def test_a_user_is_never_scored_by_what_its_own_rows_taught(seed: int) -> None:
    """Rows of a user look the same and have its label: in a fold with others of the user's rows
    the AUC would be near 1; across users nothing can be learned."""
    draws = generator(seed, "test")
    users = torch.arange(USERS).repeat_interleave(ROWS // USERS)
    inputs = torch.randn(USERS, 4, generator=draws)[users]
    planted = torch.rand(USERS, generator=draws) < 0.3
    rows = torch.randperm(ROWS, generator=draws)
    scores = supervised_scores(inputs[rows], planted[users[rows]], users[rows], seed=seed)
    # As many draws as users. 1.5 times the 95% half width: 3 standard errors.
    width = 1.5 * chance_half_width(int(planted.sum()), int((~planted).sum()))
    assert abs(_auc(scores, planted[users[rows]]) - 0.5) < width
    # The same rows, each a user of its own, can be known by their look.
    leaking = supervised_scores(inputs[rows], planted[users[rows]], torch.arange(ROWS), seed=seed)
    assert _auc(leaking, planted[users[rows]]) > 0.8


def test_labels_that_are_drawn_stay_at_chance() -> None:
    inputs, _, planted, users = _made()
    mixed = planted[torch.randperm(ROWS, generator=generator(1, "test"))]
    width = 1.5 * chance_half_width(int(mixed.sum()), int((~mixed).sum()))
    assert abs(_auc(supervised_scores(inputs, mixed, users, seed=0), mixed) - 0.5) < width


def test_folds_hold_whole_users_and_alike_numbers_of_planted_rows() -> None:
    """Five users each with 0, 1, ... 19 planted rows: every fold gets one of each, 190 rows."""
    users = torch.arange(100).repeat_interleave(20)
    planted = torch.arange(20).repeat(100) < (users % 20)
    folds = supervised._folds(planted, users, 0)
    assert all(len(set(folds[users == user].tolist())) == 1 for user in range(100))
    assert folds.bincount().tolist() == [400] * 5
    assert folds[planted].bincount().tolist() == [190] * 5


def test_rows_beyond_the_most_are_scored_too(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, _, planted, users = _made()
    monkeypatch.setattr(supervised, "MOST_ROWS", ROWS // 2)
    scores = supervised_scores(inputs, planted, users, seed=0)
    assert scores.shape == (ROWS,) and scores.isfinite().all()
    assert _auc(scores, planted) > 0.8


def test_same_seed_same_scores() -> None:
    inputs, _, planted, users = _made()
    first, again, other = (supervised_scores(inputs, planted, users, seed=s) for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_fewer_users_than_folds_are_refused() -> None:
    with pytest.raises(DataError, match="needs 5 users or more, got 4"):
        supervised_scores(torch.zeros(8, 2), torch.arange(8) < 2, torch.arange(8) % 4, seed=0)
