"""From files and overrides to models and back; each wrong input has one clear line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from config_files import RUN, SPACE, written

from dvr_ray.config.load import apply, config_hash, get, load_run, load_space
from dvr_ray.config.schema import Component, RunConfig
from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import ConfigError


def run_of(folder: Path, text: str = RUN, *overrides: str) -> RunConfig:
    return load_run(written(folder, text), overrides)


def space_of(folder: Path, *overrides: str) -> SearchSpace:
    return load_space(written(folder, SPACE), overrides)


def test_run_is_read_with_its_types(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert (run.seed, run.valuator.depth, run.training.epochs) == (3, 2, 5)
    assert run.training.lr == 0.001
    assert run.valuator.weight_decay == 3.0
    assert type(run.valuator.weight_decay) is float
    assert run.policy.bounds == (0.1, 1.0)
    assert run.backbone == Component(name="bprmf", dim=32)
    assert run.encoder == RunConfig().encoder


def test_path_of_the_data_is_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    written(folder, RUN)
    monkeypatch.chdir(folder)
    for path in (Path("x.yaml"), folder / "x.yaml"):
        assert load_run(path).data.path == str(tmp_path / "logs")


@pytest.mark.parametrize(
    ("override", "inside"),
    [
        ("data.path=logs", "here/logs"),
        ("run.data.path=../logs", "logs"),
        ("data={source: lightgcn, path: logs}", "here/logs"),
    ],
)
@pytest.mark.parametrize("space", [False, True])
def test_path_in_an_override_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, inside: str, space: bool
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert run_of(tmp_path, SPACE if space else RUN, override).data.path == str(tmp_path / inside)


def test_path_in_a_space_is_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    path = written(tmp_path, SPACE.replace("users: 50", "path: logs"))
    assert load_space(path).run.data.path == str(tmp_path / "logs")


def test_absolute_path_is_kept(tmp_path: Path) -> None:
    assert run_of(tmp_path, RUN.replace("../logs", "/logs")).data.path == "/logs"


def test_run_of_a_space_is_its_run_part(tmp_path: Path) -> None:
    space = space_of(tmp_path, "valuator.depth=3", "tune.trials=9")
    assert run_of(tmp_path, SPACE, "valuator.depth=3", "tune.trials=9") == space.run
    assert space.run.valuator.depth == 3
    assert space.tune.trials == 9


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.lr=1e-2", "training.lr", 0.01),
        ("training.lr=1", "training.lr", 1.0),
        ("run.training.epochs=7", "training.epochs", 7),
        ("adapter.users=5", "adapter.users", 5),
        ("adapter.users=all", "adapter.users", "all"),
        ("adapter.horizon.batches=null", "adapter.horizon.batches", None),
        ("policy.bounds=[0, 1]", "policy.bounds", [0.0, 1.0]),
        ("encoder.features=[loss, counts]", "encoder.features", ["loss", "counts"]),
        ("valuator.bias=false", "valuator.bias", False),
        ("backbone.layers=3", "backbone.layers", 3),
        ("method={name: none}", "method", {"name": "none"}),
        ("data.noise.kind=push", "data.noise.kind", "push"),
        (" seed = 5", "seed", 5),
    ],
)
@pytest.mark.parametrize("text", [RUN, SPACE])
def test_overrides_are_values_in_yaml(
    tmp_path: Path, text: str, override: str, path: str, value: Any
) -> None:
    found = get(run_of(tmp_path, text, override), path)
    assert found == value
    assert type(found) is type(value)


def test_later_override_wins(tmp_path: Path) -> None:
    assert run_of(tmp_path, RUN, "seed=1", "seed=2").seed == 2


def test_overrides_reach_all_sections_of_a_space(tmp_path: Path) -> None:
    space = space_of(
        tmp_path, "name=other", "tune.minutes=2", "resources.workers=2", "run.seed=4",
        "search.policy.temperature={float: [0.1, 1]}",
    )  # fmt: skip
    assert (space.name, space.tune.minutes, space.tune.trials) == ("other", 2.0, 4)
    assert (space.resources.workers, space.run.seed) == (2, 4)
    assert space.search["policy.temperature"].bounds == (0.1, 1.0)


@pytest.mark.parametrize(
    ("overrides", "searched"),
    [
        ([], {"valuator.depth", "training.lr", "backbone.dim"}),
        (["valuator.depth=8"], {"training.lr", "backbone.dim"}),
        (["run.valuator.depth=8"], {"training.lr", "backbone.dim"}),
        (["backbone={name: lightgcn}"], {"valuator.depth", "training.lr"}),
        (["search.training.lr=null"], {"valuator.depth", "backbone.dim"}),
        (["valuator.depth=6", "search.valuator.depth={int: [5, 8]}"],
         {"valuator.depth", "training.lr", "backbone.dim"}),
        (["valuator.units=8", "tune.trials=1"], {"valuator.depth", "training.lr", "backbone.dim"}),
        (["search={}"], set()),
    ],
)  # fmt: skip
def test_field_that_is_set_is_searched_no_longer(
    tmp_path: Path, overrides: list[str], searched: set[str]
) -> None:
    assert set(space_of(tmp_path, *overrides).search) == searched


def test_several_objectives_are_read(tmp_path: Path) -> None:
    tune = space_of(tmp_path, "tune.objective=[NDCG@20, auc]").tune
    assert tune.objectives == ("ndcg@20", "auc")
    assert space_of(tmp_path).tune.objectives == ("ndcg@20",)


def test_space_without_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml: a search space needs .*`run`, got name, tune"):
        load_space(written(tmp_path, "name: a\ntune: {}\n"))


def test_values_are_applied_and_checked() -> None:
    run = apply(RunConfig(), {"valuator.depth": 3, "policy.bounds": [0, 1], "backbone.dim": 8})
    assert (run.valuator.depth, run.policy.bounds, run.backbone.params) == (
        3,
        (0.0, 1.0),
        {"dim": 8},
    )
    assert apply(run, {}) == run
    assert apply(run, {"backbone": {"name": "x"}}).backbone == Component(name="x")
    assert RunConfig().valuator.depth == 1


def test_values_are_not_changed_by_later_paths() -> None:
    values = {"adapter": {"masks": 8}, "adapter.credit": "user+item"}
    run = apply(RunConfig(), values)
    assert (run.adapter.masks, run.adapter.credit) == (8, "user+item")
    assert values["adapter"] == {"masks": 8}


def test_fields_are_found_by_path() -> None:
    run = RunConfig(backbone=Component(name="x", dim=8))
    assert get(run, "adapter.horizon.epochs") == 2
    assert get(run, "backbone.dim") == 8
    assert get(run, "policy.bounds") == [0.05, 0.95]
    for wrong, near in [
        ("valuator.dept", "'valuator.depth'"),
        ("l2", "'training.l2'"),
        ("x", "known"),
    ]:
        with pytest.raises(ConfigError, match="unknown field") as caught:
            get(run, wrong)
        assert caught.value.place == wrong
        assert near in str(caught.value)


def test_hash_tells_runs_apart_and_nothing_else(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert len(config_hash(run)) == 12
    assert int(config_hash(run), 16) >= 0
    shuffled = "\n".join(reversed(RUN.split("\n" + "data")[0].splitlines()))
    assert config_hash(run_of(tmp_path, "data" + RUN.split("\ndata")[1] + shuffled)) == config_hash(
        run
    )
    assert config_hash(apply(run, {"training.lr": 0.0011})) != config_hash(run)
    assert config_hash(apply(run, {"backbone.dim": 33})) != config_hash(run)
    assert config_hash(apply(run, {"training.lr": 1e-3})) == config_hash(run)


def test_order_of_own_fields_leaves_the_hash() -> None:
    runs = [
        RunConfig(backbone=Component.model_validate({"name": "x", **dict(own)}))
        for own in ([("dim", 8), ("layers", 2)], [("layers", 2), ("dim", 8)])
    ]
    assert runs[0] == runs[1]
    assert config_hash(runs[0]) == config_hash(runs[1])


def test_hash_is_the_same_in_another_process() -> None:
    code = (
        "import sys; from dvr_ray.config.load import config_hash, load_run, load_space;"
        "from dvr_ray.config.schema import RunConfig; print(config_hash(RunConfig()));"
        "print([m for m in ('torch', 'ray', 'optuna', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    # The second line: reading configs needs none of the heavy packages.
    assert done.stdout.split("\n")[:2] == [config_hash(RunConfig()), "[]"]


def test_quickstart_is_a_legal_space(repository: Path) -> None:
    path = repository / "search_spaces" / "quickstart.yaml"
    space = load_space(path)
    assert load_run(path) == space.run
    assert space.order()[-1] in space.search
    assert space.plain_point()["valuator.depth"] == 1
