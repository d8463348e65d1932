"""A finished sweep and an unfinished run, made without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dvr_ray.config.load import dump, load_run, load_space
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.tuning.manifest import Manifest
from dvr_ray.tuning.records import TrialRecord, mirror_study, pareto, write_trials
from dvr_ray.tuning.searcher import Searcher
from dvr_ray.tuning.trial import Plan, trial_folder

SPACE = """\
name: small
run:
  data: {source: synthetic, users: 60, items: 50}
  training: {epochs: 4, warmup: 1}
  valuator: {units: 4}
  adapter: {masks: 2}
search:
  valuator.depth: {int: [1, 4]}
tune: {objective: ndcg@20, trials: 2, sampler: random, scheduler: none, final_seeds: 0}
"""


def never() -> bool:
    return False


def make_sweep(folder: Path) -> tuple[Path, Path]:
    """Write a space and a finished sweep of two trials over it; both paths."""
    path, out = folder / "small.yaml", folder / "out"
    path.write_text(SPACE)
    run_sweep(path, out)
    return path, out


def run_sweep(path: Path, out: Path) -> None:
    """Run a sweep of one objective, one trial after the other in this process."""
    out.mkdir()
    space = load_space(path)
    metrics = space.tune.objectives
    data, _ = prepare(space.run)
    plan = Plan(space, str(out))
    manifest = Manifest.begin(out, space, data.fingerprint)
    dump(space, out / "space.yaml")
    searcher = Searcher(space, out / "ray" / "searcher.pkl", None, never)
    records = []
    assert space.tune.trials is not None
    for number in range(space.tune.trials):
        values = searcher.suggest(str(number))
        assert values is not None
        where = trial_folder(plan, plan.config(values))
        result = run(RunRequest(plan.config(values), data, where, metrics), Silent())
        searcher.on_trial_complete(str(number), result["selection"])
        records.append(TrialRecord.read(manifest.number(where.name), where, values, metrics))
    write_trials(records, space, out / "trials.csv")
    mirror_study(records, space, out / "study.log")
    dump(plan.config(pareto(records, metrics)[0].values), out / "best.yaml")


class _Stop:
    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt


def make_unfinished(space: Path, out: Path) -> None:
    """Train the plain run of a space for three of its four epochs."""
    config = load_run(space)
    data, _ = prepare(config)
    with pytest.raises(KeyboardInterrupt):
        run(RunRequest(config, data, out), _Stop())
