"""Each wrong input has one line that names place, value and mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from config_files import RUN, SPACE, written

from dvr_ray.config.load import apply, load_run, load_space
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import ConfigError

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
        load_run(written(tmp_path, RUN.replace(old, new)))
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
        load_run(written(tmp_path, RUN), [override])
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
            load_space(written(tmp_path, SPACE), [override])
        assert caught.value.place == place
        assert word in str(caught.value)


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
