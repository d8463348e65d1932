"""The section ``tracking`` stands beside a run: in both kinds of file, and in no hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvr_ray.config.load import config_hash, dump, load_run, load_space, load_tracking
from dvr_ray.errors import ConfigError
from dvr_ray.tuning.manifest import space_hash

SPACE = "run: {seed: 3}\nsearch: {}\ntune: {trials: 2}\n"
RUN = "seed: 3\n"
ON = "tracking: {tensorboard: true}\n"
SET = ["tracking.mlflow=true"]


@pytest.mark.parametrize("text", [SPACE, RUN])
def test_tracking_is_read_beside_a_run(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    plain = config_hash(load_run(path))
    assert load_tracking(path).names == ()
    path.write_text(text + ON)
    assert load_tracking(path).names == ("tensorboard",)
    assert load_tracking(path, SET).names == ("tensorboard", "mlflow")
    assert load_tracking(path, ["training.lr=0.1", *SET]).mlflow
    assert config_hash(load_run(path)) == config_hash(load_run(path, SET)) == plain
    assert load_run(path, [*SET, "seed=4"]).seed == 4


def test_tracking_is_no_part_of_a_sweeps_identity(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(SPACE)
    plain = load_space(path)
    tracked = load_space(path, ["tracking.wandb=true", "tracking.hooks=['a.b:C']"])
    assert tracked.tracking.names == ("wandb", "a.b:C")
    assert space_hash(tracked) == space_hash(plain)
    dump(tracked, tmp_path / "again.yaml")
    assert load_space(tmp_path / "again.yaml") == tracked


@pytest.mark.parametrize("text", [SPACE, RUN])
@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("tracking.tensorbord=true", ["tensorbord", "tensorboard"]),
        ("tracking.wandb=yes", ["tracking.wandb", "true or false", '"yes"']),
        ("tracking.hooks=[nothing]", ["tracking.hooks", "nothing"]),
        ("tracking=3", ["tracking", "mapping", "3"]),
    ],
)
def test_a_wrong_entry_is_named(text: str, written: str, wanted: list[str], tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_tracking(path, [written])
    assert all(part in str(error.value) for part in wanted), str(error.value)


def test_tracking_cant_be_searched(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("run: {}\nsearch: {tracking.wandb: {choice: [true, false]}}\n")
    with pytest.raises(ConfigError, match="tracking"):
        load_space(path)
