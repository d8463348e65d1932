"""Names of papers and pairs that don't fit are told before training, with what to write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import ConfigError
from dvr_ray.training import pairs
from dvr_ray.training.build import check
from dvr_ray.weightings import WEIGHTINGS

Make = Callable[..., RunConfig]


@pytest.mark.parametrize("name", pairs.PAPER_NAMES)
def test_a_papers_name_says_where_it_belongs(name: str, small_run: Make) -> None:
    with pytest.raises(ConfigError) as caught:
        check(small_run(method__name=name), "x.yaml")
    said = str(caught.value)
    assert said == f"x.yaml: method.name: unknown method {name!r}; {pairs.PAPER_NAMES[name]}"
    assert ": {name: " in said


def test_a_papers_name_is_told_wherever_it_stands(small_run: Make) -> None:
    with pytest.raises(ConfigError, match=r"negatives.name: .*'tce-bpr'; tce-bpr is method: "):
        check(small_run(negatives__name="tce-bpr"))


def test_a_name_that_is_registered_is_no_fault() -> None:
    pairs.check_name("dns", ["dns", "uniform"], "x", "negative sampler")


@pytest.mark.parametrize("name", WEIGHTINGS.names())
def test_only_plain_bpr_goes_with_a_backbone_that_does_not_train(
    name: str, small_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"values": "nobody's"} if name == "drop" else {}
    config = small_run(method={"name": name, **fields})
    check(config)
    monkeypatch.setattr(BPRMF, "trainable", False)
    if name == "bpr":
        return check(config)
    with pytest.raises(ConfigError) as caught:
        check(config, "x.yaml")
    assert str(caught.value) == (
        "x.yaml: method.name: must be bpr for backbone 'bprmf', which has nothing to train, "
        f"got {name!r}; set method.name to bpr or take another backbone"
    )
    return None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"adapter__masks": 3},
            "adapter.masks: must be even for negatives 'learned', which are learned on pairs of "
            "replicas, got 3; set it to 4",
        ),
        (
            {"method__name": "til-ui"},
            "method.name: must not be 'til-ui' for negatives 'learned': it follows one model, and "
            "they are learned on several; set method.name to bpr, tce, rce or dvr, or take other "
            "negatives",
        ),
        (
            {"backbone": {"name": "ease"}, "method__name": "bpr"},
            "negatives.name: must be one that doesn't learn for backbone 'ease', which has nothing "
            "to train, got 'learned'; set negatives.name to uniform or take another backbone",
        ),
    ],
)
def test_learned_negatives_say_what_they_cannot_explore_with(
    fields: dict[str, object], said: str, small_run: Make
) -> None:
    config = small_run(negatives={"name": "learned"}, **fields)
    with pytest.raises(ConfigError) as caught:
        check(config, "x.yaml")
    assert str(caught.value) == f"x.yaml: {said}"


@pytest.mark.parametrize("method", ["bpr", "tce", "rce", "dvr"])
def test_learned_negatives_go_with_methods_of_several_models(method: str, small_run: Make) -> None:
    check(small_run(negatives={"name": "learned"}, method__name=method))
