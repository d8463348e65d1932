"""The data of a sweep serve every trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvr_ray.config.load import load_space
from dvr_ray.config.schema import Component
from dvr_ray.config.space import SearchSpace
from dvr_ray.training.prepare import prepare
from dvr_ray.tuning.trial import covering

SPACE = """\
run:
  data: {source: synthetic, users: 60, items: 50}
  method: {name: bpr}
  encoder: {features: [agreement, loss]}
search:
  method.name: {choice: [bpr, dvr]}
  encoder.features: {choice: [[agreement, loss], [counts, overlap]]}
"""


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE, encoding="utf-8")
    return load_space(path)


def test_features_of_every_searched_choice_are_computed(space: SearchSpace) -> None:
    """Trial 0 is plain BPR and reads none; others value, and read other families."""
    plain, _ = prepare(space.run)
    whole, _ = prepare(covering(space))
    assert not plain.features
    assert set(whole.features) == {"agreement", "counts", "overlap"}
    assert whole.fingerprint == plain.fingerprint


@pytest.mark.parametrize("name", ["bpr", "tce", "balanced"])
def test_a_sweep_of_methods_that_read_no_features_computes_none(
    name: str, space: SearchSpace
) -> None:
    run = space.run.model_copy(update={"method": Component(name=name)})
    alone = space.model_copy(update={"search": {}, "run": run})
    assert covering(alone) == run
    assert not prepare(covering(alone))[0].features
