"""Full ranking against a ranking written with loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.collective import OneProcess
from dvr_ray.data.interactions import Interactions
from dvr_ray.training import evaluation
from dvr_ray.training.evaluation import Evaluator, mean_per_user

USERS, ITEMS, CUTOFF = 12, 30, 5


def _parts() -> tuple[Interactions, Interactions, Interactions]:
    rng = np.random.default_rng(4)
    order = rng.permutation(USERS * ITEMS)[:120]
    pieces = (order[:60], order[60:90], order[90:])
    made = [Interactions.from_pairs(p // ITEMS, p % ITEMS, USERS, ITEMS) for p in pieces]
    return made[0], made[1], made[2]


def _looped(backbone: BPRMF, known: Interactions, part: Interactions) -> tuple[float, float]:
    """Mean ndcg and recall of users with held-out items."""
    gains, recalls = [], []
    scores = backbone.item_scores(torch.arange(USERS)).detach().numpy()
    for user in range(USERS):
        held = set(part.items[part.users == user])
        if not held:
            continue
        seen = set(known.items[known.users == user])
        ranked = sorted(set(range(ITEMS)) - seen, key=lambda i: -scores[user, i])[:CUTOFF]
        gain = sum(1 / math.log2(r + 2) for r, i in enumerate(ranked) if i in held)
        gains.append(gain / sum(1 / math.log2(r + 2) for r in range(min(len(held), CUTOFF))))
        recalls.append(len(held & set(ranked)) / len(held))
    return float(np.mean(gains)), float(np.mean(recalls))


@pytest.mark.parametrize("chunk", [1 << 24, 64])
def test_ranking_equals_a_looped_one(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evaluation.BLOCK_SCORES, "cpu", chunk)
    train, reward, selection = _parts()
    backbone = BPRMF(USERS, ITEMS, 4, torch.Generator().manual_seed(1)).double()
    evaluator = Evaluator([train], {"reward": reward, "selection": selection}, OneProcess())
    names = [f"ndcg@{CUTOFF}", f"recall@{CUTOFF}"]
    found = evaluator.per_user(backbone, {"reward": names, "selection": names})
    for part, log in (("reward", reward), ("selection", selection)):
        expected = _looped(backbone, train, log)
        assert [mean_per_user(found[part][name]) for name in names] == pytest.approx(expected)
        held = torch.from_numpy(log.user_counts > 0)
        assert torch.equal(~found[part][names[0]].isnan(), held)


def test_some_users_are_measured_as_among_all() -> None:
    train, reward, _ = _parts()
    backbone = BPRMF(USERS, ITEMS, 4, torch.Generator().manual_seed(1))
    evaluator = Evaluator([train], {"reward": reward}, OneProcess())
    wanted = np.flatnonzero(reward.user_counts)[:3]
    every = evaluator.per_user(backbone, {"reward": ["ndcg@5"]})["reward"]["ndcg@5"]
    some = evaluator.per_user(backbone, {"reward": ["ndcg@5"]}, wanted)["reward"]["ndcg@5"]
    assert torch.equal(some[wanted], every[wanted])
    assert int((~some.isnan()).sum()) == 3


def test_known_items_are_never_recommended() -> None:
    train, reward, selection = _parts()
    backbone = BPRMF(USERS, ITEMS, 4, torch.Generator().manual_seed(1))
    evaluator = Evaluator([train, reward], {"selection": selection}, OneProcess())
    users = np.arange(USERS)
    lists = evaluator.top_items(backbone, users, 6)
    for known in (train, reward):
        assert not known.contains(np.repeat(users[:, None], 6, axis=1), lists).any()


def test_held_out_loss_is_the_mean_bpr_loss() -> None:
    train, reward, _ = _parts()
    backbone = BPRMF(USERS, ITEMS, 4, torch.Generator().manual_seed(1)).double()
    negatives = torch.arange(len(reward)) % ITEMS
    found = Evaluator([train], {"reward": reward}, OneProcess()).held_out_loss(
        backbone, "reward", negatives[:, None]
    )
    scores = backbone.item_scores(torch.arange(USERS)).detach().numpy()
    for user in range(USERS):
        rows = np.flatnonzero(reward.users == user)
        losses = [
            math.log1p(math.exp(scores[user, int(negatives[r])] - scores[user, reward.items[r]]))
            for r in rows
        ]
        expected = np.mean(losses) if losses else float("nan")
        assert float(found[user]) == pytest.approx(float(expected), nan_ok=True)
