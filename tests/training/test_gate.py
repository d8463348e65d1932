"""The do-no-harm gate, and the choice among several policies."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.training.loop import Trainer
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import read_rows

Make = Callable[..., RunConfig]


def test_gate_adopts_the_model_that_selects_better(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    config = small_run(training__epochs=16)
    result = run(RunRequest(config, small_data, tmp_path), Silent())
    rows = read_rows(tmp_path)
    gated = [row for row in rows if "adopted" in row]
    assert gated
    for row in gated:
        better = max(row["valued"]["ndcg@20"], row["keep_all"]["ndcg@20"])
        assert row["selection"]["ndcg@20"] == better
    assert result["selection"]["ndcg@20"] == max(r["selection"]["ndcg@20"] for r in rows)


def test_of_several_policies_what_selects_best_is_adopted(
    small_run: Make, small_data: TrialData, tmp_path: Path
) -> None:
    """Each alternative trains a model of its own, on as many rows as it says."""
    config = small_run(policy__alternatives=[0.3, 0.8], training__epochs=16)
    trainer = Trainer(config, small_data, OneProcess(), torch.device("cpu"))
    rows: list[dict[str, Any]] = []
    trainer.fit(tmp_path, Silent(), rows.append)
    told = [row for row in rows if row["phase"] == "bilevel"]
    assert told and {row["policy"] for row in told} <= {"sigmoid", "highest 0.3", "highest 0.8"}
    for row in told:
        better = max(row["valued"]["ndcg@20"], row["keep_all"]["ndcg@20"])
        assert row["selection"]["ndcg@20"] == better
    models = trainer._replicas.valued
    weights = [model.tensors() for model in models.values()]
    assert not any(
        all(torch.equal(one[name], other[name]) for name in one)
        for one, other in itertools.combinations(weights, 2)
    )
    found = [trainer._selection._measure(model)["ndcg@20"] for model in models.values()]
    assert told[-1]["valued"]["ndcg@20"] == max(found)
    assert [*models][found.index(max(found))] == told[-1]["policy"]
    masks, everything = config.adapter.masks, torch.arange(len(small_data.train))
    for number, rate in enumerate(config.policy.alternatives, start=masks + 1):
        kept = trainer.weighting.select(number, everything)
        assert int(kept.sum()) == round(rate * len(everything))
