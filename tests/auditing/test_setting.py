"""What an audit trains with, and what it refuses before it trains."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from audits import SET
from refusals import refused

from dvr_ray.auditing.setting import setting
from dvr_ray.auditing.strength import STRENGTHS, Strength, trials

CACHE = "data.cache=false"


def _pairs(path: Path, users: int, items: int, each: int) -> Path:
    """A log in which every user has as many items in a row."""
    pairs = [(u, (u + k) % items) for u in range(users) for k in range(each)]
    pd.DataFrame(pairs, columns=["user", "item"]).to_csv(path, index=False)
    return path


def test_batches_and_horizons_fit_the_size() -> None:
    """79% of the rows are trained on: batches of a 20th of them, and a horizon by their root."""
    small, large = (
        setting(None, "synthetic", [f"data.users={users}", "data.items=300"]).config
        for users in (100, 9000)
    )
    assert small.training.batch_size == 128 and small.adapter.horizon.epochs == 20
    assert large.training.batch_size == 8192 and 4 <= large.adapter.horizon.epochs < 12
    for config in (small, large):
        horizon = config.adapter.horizon.epochs
        assert config.training.epochs == 4 * horizon == config.training.patience
        assert config.training.warmup == horizon


def test_what_the_user_sets_stays(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("adapter: {masks: 6}\ntraining: {warmup: 3, epochs: 9}\n")
    options = ["training.epochs=7", "training.l2=0.03", "data.noise.targets=9"]
    found = setting(None, "synthetic", options, [more])
    training = found.config.training
    assert (training.epochs, training.warmup, found.config.adapter.masks) == (7, 3, 6)
    assert found.config.data.noise.targets == 9
    assert found.l2_given and not trials(found)
    assert found.run("push", training.l2).training.l2 == 0.03


def test_a_kind_that_is_named_is_planted_alone() -> None:
    assert setting(None, "synthetic").kinds == ("uniform", "push")
    assert setting(None, "synthetic", ["data.noise.kind=push"]).kinds == ("push",)


def test_a_push_reaches_a_quarter_of_the_users_at_most(tmp_path: Path) -> None:
    """60 users with 90 of 300 items: 427 rows are wanted, 15 users for each target, so 29."""
    path = _pairs(tmp_path / "dense.csv", 60, 300, 90)
    noise = setting(path, None, [CACHE]).config.data.noise
    assert (noise.targets, noise.users_per_target) == (29, 15)


def test_strengths_are_tried_without_values_and_noise() -> None:
    tried = trials(setting(None, "synthetic"))
    assert tuple(tried) == STRENGTHS
    for l2, config in tried.items():
        assert config.training.l2 == l2 and config.method.name == "bpr"
        assert config.data.noise.kind == "none"
        assert config.training.epochs == config.adapter.horizon.epochs


@pytest.mark.parametrize(("metric", "l2"), [("ndcg@20", 0.02), ("gini@20", 0.005)])
def test_the_best_strength_goes_by_the_direction_of_the_metric(metric: str, l2: float) -> None:
    assert Strength.best({0.06: 0.2, 0.02: 0.3, 0.005: 0.1}, metric).l2 == l2


@pytest.mark.parametrize(
    ("size", "options", "wanted"),
    [
        ((30, 40, 20), [], ["log.csv", "100 planted rows", "47", "1,266 rows"]),
        ((30, 40, 20), ["data.noise.share=0"], ["planted rows", "got 0", "use more data"]),
        ((200, 15, 9), [], ["lists of 20", "got 15", "ndcg@5"]),
        ((200, 40, 20), ["method.name=bpr"], ["method.name", "bpr", "use dvr"]),
        ((200, 40, 20), ["training.epochs=5"], ["training.warmup", "20 of 5 epochs"]),
        ((200, 40, 20), ["adapter.reward=ndgc@20"], ["ndgc", "ndcg"]),
        ((200, 40, 20), ["trainig.lr=1"], ["trainig", "training"]),
        ((200, 40, 20), ["split.reward=0.495", "split.selection=0.495"], ["planted rows"]),
        ((200, 40, 20), ["training.metric=sp:gender@20"], ["gender"]),
    ],
)
def test_refusals_name_the_rule_and_the_mend(
    size: tuple[int, int, int], options: list[str], wanted: list[str], tmp_path: Path
) -> None:
    path = _pairs(tmp_path / "log.csv", *size)
    words = [word for field in [CACHE, *options] for word in ("--set", field)]
    refused(tmp_path, wanted, "audit", path, "--out", tmp_path / "out", *words)


def test_folders_that_hold_no_log_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    out = ("--out", tmp_path / "out")
    refused(tmp_path, ["no/where", "no such folder"], "audit", "no/where", *out)
    refused(tmp_path, ["empty", "known format", "--source"], "audit", tmp_path / "empty", *out)


def test_folders_of_results_are_not_mixed(audited: Path, log: Path) -> None:
    held = ["holds this audit already", "--resume"]
    refused(audited, held, "audit", log, "--out", audited, *SET)
    other = ["holds another audit", "--out"]
    refused(audited, other, "audit", log, "--out", audited, *SET, "--set", "seed=3", "--resume")
    run = audited / "push"
    refused(audited, ["holds no audit"], "audit", log, "--out", run, *SET, "--resume")
