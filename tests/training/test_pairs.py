"""Names of papers and pairs that don't fit are told before training, with what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

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
def test_only_plain_bpr_goes_with_a_closed_form(name: str, small_run: Make) -> None:
    config = small_run(method__name=name, backbone={"name": "ease"})
    if name == "bpr":
        return pairs.check_pairs(config, "run")
    with pytest.raises(ConfigError) as caught:
        pairs.check_pairs(config, "run")
    said = str(caught.value)
    assert (
        said.startswith("run: method.name: must fit backbone 'ease' (") and f"got {name!r}" in said
    )
    return None


def test_a_weighting_refuses_what_it_declares(
    small_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfit: ClassVar[dict[str, Any]] = {"negatives": {"uniform": "for a test"}}
    monkeypatch.setattr(WEIGHTINGS.get("tce"), "unfit", unfit)
    with pytest.raises(
        ConfigError, match=r"must fit negatives 'uniform' \(for a test\), got 'tce'"
    ):
        check(small_run(method__name="tce"))
    check(small_run(method__name="rce"))
