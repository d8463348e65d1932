"""Any metric is reward, stopping metric or report; one that the data can't serve is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from metric_cases import every_name

from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import SealedTest, TrialData
from dvr_ray.errors import ConfigError, DataError
from dvr_ray.metrics import Catalogue, parse
from dvr_ray.training.build import build, check, check_served
from dvr_ray.training.evaluation import Evaluator
from dvr_ray.training.final_metrics import test_metrics
from dvr_ray.training.loop import Trainer
from dvr_ray.training.reporter import Silent
from dvr_ray.training.rewarding import RewardMeter
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.sharing import Sharing

NAMES = [f"{name}@5" for name in every_name()]
CPU = torch.device("cpu")


def _meter(config: RunConfig, data: TrialData) -> RewardMeter:
    parts = {"reward": data.reward, "selection": data.selection}
    evaluator = Evaluator([data.train], parts, OneProcess(), Catalogue.of(data))
    return RewardMeter(config, data, evaluator, Sharing.of(config, OneProcess()))


def test_one_run_reports_every_metric(
    small_run: Callable[..., RunConfig], small_data: TrialData, tmp_path: Path
) -> None:
    """On selection and on test, with null and error beside every gap between groups."""
    config = small_run(training__report=NAMES, training__epochs=3, training__metric="gini@5")
    check(config)
    result = run(RunRequest(config, small_data, tmp_path / "run"), Silent())
    gaps = [name for name in NAMES if ":" in name]
    beside = {f"{name} {what}" for name in gaps for what in ("null", "error")}
    assert set(result["selection"]) == {*NAMES, *beside, "ndcg@20", "recall@20"}
    assert all(np.isfinite(value) for value in result["selection"].values())
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert result["selection"]["gini@5"] == min(row["selection"]["gini@5"] for row in rows)
    sealed = SealedTest(small_data.selection)
    found = test_metrics(config, small_data, sealed, tmp_path / "run", ("sp:gender@5", "gini@5"))
    assert set(found) == {"sp:gender@5", "sp:gender@5 null", "sp:gender@5 error", "gini@5",
                          "pushed@20"}  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, "loss"])
def test_every_metric_is_a_reward(
    name: str, small_run: Callable[..., RunConfig], small_data: TrialData
) -> None:
    """Users with held-out items earn something finite, and replicas that differ earn differently.

    With scalar credit an aggregate's rewards sum to its value, direction applied.
    """
    for credit in ("user", "scalar"):
        config = small_run(adapter__reward=name, adapter__credit=credit)
        parts = build(config, small_data, OneProcess(), CPU)
        backbones = [parts.learner(counter).backbone for counter in (0, 1)]
        meter = _meter(config, small_data)
        meter.begin(backbones[0], 0)
        rewards = meter.measure(dict(enumerate(backbones)), len(backbones))
        held = torch.from_numpy(small_data.reward.user_counts > 0)
        assert rewards.shape == (2, 60)
        assert bool(rewards[:, ~held].isnan().all()) and bool(rewards[:, held].isfinite().all())
        assert not torch.equal(rewards[0], rewards[1])
        assert list(meter.latest) == [name]
        if name != "loss" and parse(name).kind == "aggregate" and credit == "scalar":
            sums = rewards.nansum(1)
            assert float(sums.mean()) == pytest.approx(meter.latest[name], abs=1e-12)
        if name != "loss" and not parse(name).higher_is_better:
            assert meter.latest[name] <= 0


@pytest.mark.parametrize(
    ("reward", "credit", "exposed"),
    [
        ("gini@5", "user+item", True), ("ndcg@5 + sp:gender@5", "user+item", True),
        ("gini@5", "user", False), ("eo:gender@5", "user+item", False),
    ],
)  # fmt: skip
def test_items_are_paid_by_the_lists_of_the_common_model(
    reward: str,
    credit: str,
    exposed: bool,
    small_run: Callable[..., RunConfig],
    small_data: TrialData,
) -> None:
    config = small_run(adapter__reward=reward, adapter__credit=credit)
    backbone = build(config, small_data, OneProcess(), CPU).learner(0).backbone
    found = _meter(config, small_data).begin(backbone, 0)
    assert (found is not None) == exposed
    if found is not None:
        users = np.flatnonzero(small_data.reward.user_counts)
        evaluator = Evaluator([small_data.train], {}, OneProcess())
        expected = evaluator.top_items(backbone, users, 5)
        assert found[users].tolist() == expected.tolist()
        assert int((found >= 0).any(1).sum()) == len(users)


EXPOSED = ["gini@5", "item-coverage@5", "sp:gender@5", "tv:gender@5"]


@pytest.mark.parametrize("name", EXPOSED)
def test_own_item_credit_pays_shown_items_and_in_a_mix_users_too(
    name: str, small_run: Callable[..., RunConfig], small_data: TrialData
) -> None:
    parts = build(small_run(), small_data, OneProcess(), CPU)
    backbones = [parts.learner(counter).backbone for counter in (0, 1)]
    users = small_data.train.num_users
    held = torch.from_numpy(small_data.reward.user_counts > 0)
    for reward in (name, f"{name} + ndcg@5"):
        config = small_run(adapter__reward=reward, adapter__credit="item")
        check(config)
        meter = _meter(config, small_data)
        assert meter.begin(backbones[0], 0) is None
        found = meter.measure(dict(enumerate(backbones)), len(backbones))
        assert found.shape == (2, users + small_data.train.num_items)
        evaluator = Evaluator([small_data.train], {}, OneProcess())
        shown = torch.zeros(small_data.train.num_items, dtype=torch.bool)
        for backbone in backbones:
            shown[evaluator.top_items(backbone, held.nonzero()[:, 0].numpy(), 5).ravel()] = True
        assert torch.equal(~found[0, users:].isnan(), shown)
        mixed = "ndcg" in reward
        assert torch.equal(~found[0, :users].isnan(), held if mixed else torch.zeros_like(held))


@pytest.mark.parametrize("reward", ["ndcg@20", "loss", "cc-all@20 + eo:gender@20"])
def test_own_item_credit_is_refused_where_no_exposure_is_rewarded(
    reward: str, small_run: Callable[..., RunConfig]
) -> None:
    with pytest.raises(ConfigError) as caught:
        check(small_run(adapter__reward=reward, adapter__credit="item"), "run.yaml")
    message = str(caught.value)
    assert message.startswith("run.yaml: adapter.credit: ") and f"reward {reward}" in message
    assert "\n" not in message and "gini, item-coverage, sp or tv" in message


def test_a_mix_resumes_where_it_was(
    small_run: Callable[..., RunConfig], small_data: TrialData, tmp_path: Path
) -> None:
    """The scales of a mix are part of the checkpoint."""
    reward = "0.7*ndcg@5 + 0.3*sp:gender@5 + 0.1*loss"
    for epochs in (6, 4):
        config = small_run(adapter__reward=reward, training__epochs=epochs)
        trainer = Trainer(config, small_data, OneProcess(), CPU)
        trainer.fit(tmp_path / str(epochs), Silent())
    state = torch.stack([trainer._meter.tensors()["squares"]])
    assert bool((state > 0).all())
    whole = Trainer(small_run(adapter__reward=reward, training__epochs=4), small_data,
                    OneProcess(), CPU)  # fmt: skip
    whole.resume(tmp_path / "4")
    assert torch.equal(whole._meter.tensors()["squares"], state[0])


def test_reranking_moves_selection_and_not_the_reward(
    small_run: Callable[..., RunConfig], small_data: TrialData
) -> None:
    rerank = {"name": "mmr", "weight": 1.0, "pool": 30}
    report = ["ild-category@5"]
    found = []
    for wanted in ({"name": "none"}, rerank):
        config = small_run(rerank=wanted, training__report=report, training__epochs=4)
        check(config)
        row = Trainer(config, small_data, OneProcess(), CPU)
        found.append((row._period(), row._period(), row._period()))
    plain, diverse = found[0][-1], found[1][-1]
    assert diverse["keep_all"]["ild-category@5"] > plain["keep_all"]["ild-category@5"] + 0.05
    assert diverse["reward"] == plain["reward"]


def test_shards_hold_what_the_whole_holds(
    small_run: Callable[..., RunConfig], small_data: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts of two workers add up to those of one, and each user's value is one worker's."""
    from dvr_ray.training import evaluation

    class Half(OneProcess):
        size = 2

        def __init__(self, rank: int) -> None:
            self.rank = rank

    monkeypatch.setattr(evaluation, "MOST_USERS", 7)
    backbone = build(small_run(), small_data, OneProcess(), CPU).learner(0).backbone
    parts = {"selection": small_data.selection}
    tallies = [
        Evaluator([small_data.train], parts, group, Catalogue.of(small_data)).tallies(
            backbone, {"selection": NAMES}
        )["selection"]
        for group in (OneProcess(), Half(0), Half(1))
    ]
    whole, one, other = tallies
    for name in NAMES:
        if parse(name).kind == "aggregate":
            torch.testing.assert_close(one.counts(name) + other.counts(name), whole.counts(name))
        else:
            values = torch.stack([one.per_user(name), other.per_user(name)])
            assert int((~values.isnan()).all(0).sum()) == 0
            there = ~whole.per_user(name).isnan()
            assert torch.equal(values.nansum(0)[there], whole.per_user(name)[there])


def _bare(data: TrialData) -> TrialData:
    empty = pd.DataFrame(index=data.user_table.index), pd.DataFrame(index=data.item_table.index)
    return replace(data, user_table=empty[0], item_table=empty[1])


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"training__metric": "eo:age@20"}, ("training.metric", "eo:age@20", "users' age")),
        ({"training__report": ["cc-rel@5"]}, ("training.report", "items' category", "items.csv")),
        ({"adapter__reward": "ndcg@5 + sp:gender@5"}, ("adapter.reward", "sp:gender@5", "gender")),
        ({"rerank": {"name": "mmr"}}, ("rerank", "re-ranking mmr", "items' category")),
    ],
)
def test_what_the_data_lack_is_named(
    fields: dict[str, object],
    parts: tuple[str, ...],
    small_run: Callable[..., RunConfig],
    small_data: TrialData,
) -> None:
    config = small_run(**fields)
    check_served(config, Catalogue.of(small_data))
    with pytest.raises(DataError) as caught:
        check_served(config, Catalogue.of(_bare(small_data)), "run.yaml")
    message = str(caught.value)
    assert message.startswith("run.yaml: ") and "data.source" in message
    assert all(part in message for part in parts)


def test_a_run_that_the_data_cannot_serve_ends_in_one_line(tmp_path: Path) -> None:
    pairs = [f"{user},{(user * 7 + step) % 30}" for user in range(20) for step in range(12)]
    (tmp_path / "log.csv").write_text("user,item\n" + "\n".join(pairs) + "\n")
    (tmp_path / "run.yaml").write_text("data: {source: table, path: log.csv, cache: false}\n")
    done = subprocess.run(
        [sys.executable, "-m", "dvr_ray", "train", str(tmp_path / "run.yaml"), "--quiet",
         "--out", str(tmp_path / "out"), "--set", "adapter.reward=sp:gender@20"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert "adapter.reward: sp:gender@20 needs the users' gender" in lines[0]
    assert not (tmp_path / "out" / "metrics.jsonl").exists()
