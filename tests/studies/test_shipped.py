"""The shipped studies: every cell is a run that is accepted and that differs from the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvr_ray.config.load import load_study
from dvr_ray.metrics import parse
from dvr_ray.studies.cells import cells_of, configured, key_of
from dvr_ray.studies.choosing import groups_of, tries_of
from dvr_ray.training.build import check

STUDIES = sorted((Path(__file__).resolve().parents[2] / "search_spaces" / "studies").glob("*"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_cell_is_a_run_of_its_own(path: Path) -> None:
    study = load_study(path)
    assert study.name.removeprefix("study-") == path.stem
    runs = {str(cell): configured(study, cell, {}, Path("/data")) for cell in cells_of(study)}
    for name, config in runs.items():
        check(config, name)
    assert len({key_of(config) for config in runs.values()}) == len(runs)
    for metric in study.metrics:
        parse(metric)
    for choice in study.choose:
        for _, cell in groups_of(study, choice):
            for values in tries_of(choice):
                check(configured(study, cell, values, Path("/data")), str(cell))


def test_trade_offs_reward_what_they_measure() -> None:
    """Each metric but accuracy has DVR rows, alone and mixed with ndcg."""
    study = load_study(next(path for path in STUDIES if path.stem == "ml-1m-tradeoffs"))
    rewards = {row["adapter.reward"] for row in study.rows.values() if "adapter.reward" in row}
    others = {name for name in study.metrics if name != "ndcg@20"}
    assert rewards == others | {f"0.5*ndcg@20 + 0.5*{name}" for name in others}
