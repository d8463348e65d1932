"""From files and overrides to models and back; each wrong input has one clear line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.load import apply, config_hash, dump, get, load_run, load_space
from dvr_ray.config.schema import Component, RunConfig
from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import ConfigError

RUN = """\
seed: 3
data:
  source: lightgcn
  path: ../logs
backbone: {name: bprmf, dim: 32}
valuator:
  depth: 2
  weight_decay: 3
policy:
  bounds: [0.1, 1]
adapter: {reward: recall@20}
training:
  epochs: 5
  lr: 1e-3
"""

SPACE = """\
name: trial
run:
  data: {source: synthetic, users: 50}
  backbone: {name: bprmf, dim: 32}
  valuator: {depth: 2}
  training: {lr: 5e-3}
search:
  valuator.depth: {int: [1, 4]}
  training.lr: {float: [1e-4, 1e-1], log: true}
  backbone.dim: {choice: [16, 32]}
tune: {trials: 4}
resources: {workers: 1}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


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


FAULTS: list[tuple[str, str, str, list[str]]] = [
    # old text, new text, place, words
    ("seed: 3", "sed: 3", "1: sed", ["unknown key 'sed'", "got 3", "'seed'"]),
    ("weight_decay: 3", "weight_decy: 3", "8: valuator.weight_decy", ["got 3", "'weight_decay'"]),
    ("depth: 2", "depth: 0", "7: valuator.depth", ["must be >= 1", "got 0", "default 1"]),
    ("depth: 2", "depth: 9", "7: valuator.depth", ["must be <= 8", "got 9"]),
    ("depth: 2", "depth: '2'", "7: valuator.depth", ["whole number", 'got "2"']),
    ("depth: 2", "depth: true", "7: valuator.depth", ["whole number", "got true"]),
    ("depth: 2", "depth: 2.5", "7: valuator.depth", ["whole number", "got 2.5"]),
    ("depth: 2", "depth: 2.0", "7: valuator.depth", ["whole number", "got 2.0"]),
    ("depth: 2", "depth:", "7: valuator.depth", ["whole number", "got null"]),
    ("lr: 1e-3", "lr: '1e-3'", "14: training.lr", ["must be a number", 'got "1e-3"']),
    ("lr: 1e-3", "lr: false", "14: training.lr", ["must be a number", "got false"]),
    ("lr: 1e-3", "lr: 0", "14: training.lr", ["must be > 0", "got 0"]),
    ("lr: 1e-3", "lr: 1" + "0" * 400, "14: training.lr", ["finite", "got 1000"]),
    ("source: lightgcn", "source: 3", "3: data.source", ["must be text", "got 3"]),
    ("source: lightgcn", "cache: 1", "3: data.cache", ["true or false", "got 1"]),
    ("[0.1, 1]", "[0.1]", "10: policy.bounds.1", ["must be given"]),
    ("[0.1, 1]", "[0.1, 0.2, 1]", "10: policy.bounds", ["at most 2", "[0.1, 0.2, 1]"]),
    ("[0.1, 1]", "[0.1, x]", "10: policy.bounds.1", ["must be a number", 'got "x"']),
    ("[0.1, 1]", "0.1", "10: policy.bounds", ["must be a list", "got 0.1"]),
    ("[0.1, 1]", "[0.9, 0.1]", "9: policy", ["low < high", "[0.9, 0.1]"]),
    ("bounds: [0.1, 1]", "normalisation: sigmod", "10: policy.normalisation",
     ["'centred'", 'got "sigmod"', "did you mean 'sigmoid'"]),
    ("policy:\n  bounds: [0.1, 1]", "policy: sigmoid", "9: policy",
     ["must be a mapping", 'got "sigmoid"', "temperature"]),
    ("{name: bprmf, dim: 32}", "bprmf", "5: backbone", ["mapping", 'got "bprmf"', "name"]),
    ("name: bprmf, ", "", "5: backbone.name", ["must be given"]),
    ("{reward: recall@20}", "{masks: 1}", "11: adapter", ["masks >= 2", '"masks": 1']),
    ("{reward: recall@20}", "{users: some}", "11: adapter.users",
     ["must be a whole number or 'all'", 'got "some"']),
    ("{reward: recall@20}", "{users: 0}", "11: adapter.users", ["must be >= 1 or 'all'", "got 0"]),
    ("epochs: 5", "epochs: 0\n  batch_size: 0", "13: training.epochs", ["got 0 (and 1 more)"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "words"), FAULTS)
def test_wrong_entry_is_named_with_line_value_and_mend(
    tmp_path: Path, old: str, new: str, place: str, words: list[str]
) -> None:
    assert RUN.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        run_of(tmp_path, RUN.replace(old, new))
    assert caught.value.place == f"{tmp_path / 'x.yaml'}:{place}"
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


SPACE_FAULTS: list[tuple[str, str, str, list[str]]] = [
    ("search:", "serch:", "7: serch", ["unknown key 'serch'", "did you mean 'search'"]),
    ("run:", "rnu:", "2: rnu", ["unknown key 'rnu'", "did you mean 'run'"]),
    ("depth: 2", "depth: 0", "5: run.valuator.depth", ["must be >= 1", "got 0"]),
    ("name: trial", "name: ../up", "1: name", ["character", 'got "../up"', "letters"]),
    ("trials: 4", "trials: 0", "11: tune.trials", ["must be >= 1", "got 0"]),
    ("trials: 4", "trials: null", "11: tune", ["trials and minutes", "null"]),
    ("trials: 4", "trails: 4", "11: tune.trails", ["unknown key", "got 4", "'trials'"]),
    ("trials: 4", "sampler: grid", "11: tune.sampler", ["'tpe'", 'got "grid"', "nsga2"]),
    ("trials: 4", "sampler: random_", "11: tune.sampler", ["did you mean 'random'"]),
    ("trials: 4", "scheduler: null", "11: tune.scheduler", ["'asha' or 'none'", "got null"]),
    ("trials: 4", "objective: 3", "11: tune.objective", ["text or a list", "got 3"]),
    ("trials: 4", "objective: [a, 3]", "11: tune.objective.1", ["must be text", "got 3"]),
    ("trials: 4", "objective: []", "11: tune", ["distinct", "got []"]),
    ("trials: 4", "objective: [auc, AUC]", "11: tune", ["distinct", "['auc', 'auc']"]),
    ("workers: 1", "workers: 0", "12: resources.workers", ["must be >= 1", "got 0"]),
    ("workers: 1", "gpus: 1", "12: resources.gpus", ["got 1", "gpus_per_worker"]),
]


@pytest.mark.parametrize(("old", "new", "place", "words"), SPACE_FAULTS)
def test_wrong_entry_of_a_space_is_named(
    tmp_path: Path, old: str, new: str, place: str, words: list[str]
) -> None:
    assert SPACE.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load_space(written(tmp_path, SPACE.replace(old, new)))
    assert caught.value.place == f"{tmp_path / 'x.yaml'}:{place}"
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_several_objectives_are_read(tmp_path: Path) -> None:
    tune = space_of(tmp_path, "tune.objective=[NDCG@20, auc]").tune
    assert tune.objectives == ("ndcg@20", "auc")
    assert space_of(tmp_path).tune.objectives == ("ndcg@20",)


def test_space_without_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml: a search space needs .*`run`, got name, tune"):
        load_space(written(tmp_path, "name: a\ntune: {}\n"))


@pytest.mark.parametrize(
    ("override", "place", "words"),
    [
        ("depth", "--set", ["path=value", "'depth'"]),
        ("=3", "--set", ["path=value", "'=3'"]),
        ("a..b=3", "--set", ["path=value", "'a..b=3'"]),
        ("valuator.dpth=3", "--set valuator.dpth", ["unknown key 'dpth'", "got 3", "'depth'"]),
        ("valuator.depth=9", "--set valuator.depth", ["must be <= 8", "got 9"]),
        ("valuator={depth: 9}", "--set valuator.depth", ["must be <= 8", "got 9"]),
        ("valuator.depth='2'", "--set valuator.depth", ["whole number", 'got "2"']),
        ("valuator.depth=[1", "--set valuator.depth", ["not valid YAML", "'[1'"]),
        ("valuator.depth=!x 1", "--set valuator.depth", ["tags", "!x"]),
        ("vluator.depth=2", "--set vluator.depth", ["unknown key 'vluator'", "'valuator'"]),
        ("seed.x=1", "--set seed.x", ["seed is no mapping", "it is 3"]),
        ("policy.bounds.0=1", "--set policy.bounds.0", ["bounds is no mapping", "[0.1, 1]"]),
        ("tune.trials=1", "--set tune.trials", ["unknown key 'tune'"]),
    ],
)
def test_wrong_override_is_named(
    tmp_path: Path, override: str, place: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        run_of(tmp_path, RUN, override)
    assert caught.value.place == place
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_wrong_override_of_the_search_is_named(tmp_path: Path) -> None:
    for override, place, word in [
        ("search.valuator.dept={int: [1, 2]}", "--set search.valuator.dept", "'valuator.depth'"),
        ("search.valuator.depth={int: [0, 2]}", "--set search.valuator.depth", "reaches 0"),
        ("search.valuator.depth={itn: [1]}", "--set search.valuator.depth.itn", "'int'"),
        ("search=3", "--set search", "got 3"),
        ("tune.trials=x", "--set tune.trials", 'got "x"'),
    ]:
        with pytest.raises(ConfigError) as caught:
            space_of(tmp_path, override)
        assert caught.value.place == place
        assert word in str(caught.value)


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


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("valuator.depth", 0, ["run: valuator.depth", ">= 1", "got 0"]),
        ("valuator.dept", 2, ["run: valuator.dept", "got 2", "'depth'"]),
        ("adapter.masks", 1, ["run: adapter", "masks >= 2", "1"]),
        ("seed.x", 1, ["run: seed.x", "seed is no mapping", "0"]),
    ],
)
def test_illegal_value_is_not_applied(path: str, value: Any, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        apply(RunConfig(), {path: value})
    assert all(word in str(caught.value) for word in words), str(caught.value)


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


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
OWN = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | NAMES
OWN |= st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(1e-12, 1.0)
VALUES = {
    "seed": st.integers(0, 2**63),
    "data.path": st.none() | NAMES.map(lambda name: f"/a{name.replace('/', '').replace('.', '')}"),
    "data.noise.share": st.floats(0, 5),
    "backbone": st.dictionaries(
        NAMES.filter(lambda name: name != "name"), OWN | st.lists(OWN, max_size=3), max_size=3
    ).map(lambda own: {"name": "x", **own}),
    "encoder.features": st.lists(NAMES, min_size=1, max_size=3),
    "valuator.lr": POSITIVE,
    "valuator.weight_decay": st.integers(0, 100) | st.floats(0, 100),
    "valuator.bias": st.booleans(),
    "policy.normalisation": st.sampled_from(["sigmoid", "centred", "minmax"]),
    "policy.bounds": st.tuples(st.floats(0, 0.4), st.floats(0.5, 1)).map(list),
    "adapter.users": st.integers(1, 99) | st.just("all"),
    "adapter.horizon.batches": st.none() | st.integers(1, 9),
    "adapter.reward": NAMES,
}
RUNS = st.fixed_dictionaries({}, optional=VALUES).map(lambda values: apply(RunConfig(), values))

FLOATS = st.tuples(POSITIVE, POSITIVE).map(sorted)
SEARCHES = {
    "valuator.lr": st.fixed_dictionaries({"float": FLOATS, "log": st.booleans()}),
    "valuator.depth": st.sampled_from([{"int": [1, 7], "step": 3}, {"int": [2, 8], "log": True}]),
    "policy.bounds": st.just({"choice": [[0.1, 0.9], [0.0, 1.0]]}),
    "policy.keep_rate": st.just(
        {"float": [0.5, 0.9], "when": {"policy.normalisation": ["centred", "minmax"]}}
    ),
}
TUNES = st.fixed_dictionaries(
    {"minutes": POSITIVE, "trials": st.none() | st.integers(1, 9)},
    optional={
        "objective": st.just("auc") | st.just(["auc", "loss"]),
        "sampler": st.sampled_from(["tpe", "random", "nsga2"]),
    },
)


@settings(deadline=None, max_examples=40)
@given(RUNS)
def test_written_run_loads_as_it_was(tmp_path_factory: Any, run: RunConfig) -> None:
    path = tmp_path_factory.mktemp("load") / "x.yaml"
    dump(run, path)
    assert load_run(path) == run
    assert config_hash(load_run(path)) == config_hash(run)


@settings(deadline=None, max_examples=30)
@given(RUNS, st.fixed_dictionaries({}, optional=SEARCHES), TUNES)
def test_written_space_loads_as_it_was(
    tmp_path_factory: Any, run: RunConfig, search: dict[str, Any], tune: dict[str, Any]
) -> None:
    # Own values may lie outside the ranges drawn here: those fields are put into the range.
    own = {"valuator.depth": 4, "policy.bounds": [0.1, 0.9], "policy.keep_rate": 0.5}
    if "valuator.lr" in search:
        own["valuator.lr"] = search["valuator.lr"]["float"][0]
    run = apply(run, own)
    content = {"run": run.model_dump(mode="json"), "search": search, "tune": tune}
    space = SearchSpace.model_validate(content, strict=False)
    path = tmp_path_factory.mktemp("load") / "x.yaml"
    dump(space, path)
    assert load_space(path) == space


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_any_text_loads_or_gives_one_line(tmp_path_factory: Any, data: st.DataObject) -> None:
    """A damaged file never ends in a traceback."""
    start = data.draw(st.integers(0, len(SPACE)))
    end = data.draw(st.integers(start, min(len(SPACE), start + 12)))
    piece = data.draw(st.text("ab1.:-{}[],&*!|>'\"#%@ \n\t\0é", max_size=6))
    path = tmp_path_factory.mktemp("load") / "x.yaml"
    path.write_text(SPACE[:start] + piece + SPACE[end:], encoding="utf-8")
    for load in (load_run, load_space):
        try:
            load(path)
        except ConfigError as error:
            assert str(error).startswith(str(path))
            assert len(str(error).splitlines()) == 1
