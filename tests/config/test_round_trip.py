"""What is written loads as it was, and nothing that is read ends in a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.load import apply, config_hash, dump, load_run, load_space
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import ConfigError

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
OWN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    NAMES,
)
SPACE = """\
name: trial
run:
  data: {source: synthetic, users: 50}
  backbone: {name: bprmf, dim: 32}
  policy:
    bounds: [0.1, 1]
search:
  valuator.depth: {int: [1, 4], when: {method.name: dvr}}
  training.lr: {float: [1e-4, 1e-1], log: true}
tune: {trials: 4}
"""

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


def test_written_range_holds_only_what_was_given(tmp_path: Path) -> None:
    content = {"search": {"valuator.lr": {"float": [1e-4, 1e-2], "log": True}}}
    dump(SearchSpace.model_validate(content, strict=False), tmp_path / "x.yaml")
    text = (tmp_path / "x.yaml").read_text(encoding="utf-8")
    assert text.split("search:")[1].split("tune:")[0].split() == [
        "valuator.lr:", "float:", "[0.0001,", "0.01]", "log:", "true",
    ]  # fmt: skip
