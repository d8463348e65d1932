"""Names of metrics."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dvr_ray.errors import ConfigError
from dvr_ray.metrics import METRICS, GroupMetric, Lists, UserMetric, parse
from dvr_ray.metrics.ndcg import Ndcg


class FirstPlace(UserMetric):
    """A metric that lives outside the package."""

    higher_is_better = True

    def per_user(self, lists: Lists) -> Tensor:
        return lists.hits[:, 0].double()


class Size(GroupMetric):
    """A metric of groups that lives outside the package."""

    higher_is_better = True

    def group_counts(self, lists: Lists, groups: Tensor, number: int) -> Tensor:
        return torch.bincount(groups, minlength=number).double()

    def value(self, counts: Tensor) -> Tensor:
        return counts.max()

    def differences(self, lists: Lists, counts: Tensor) -> Tensor:
        return torch.zeros(len(lists), dtype=torch.float64)


@pytest.mark.parametrize("name", ["ndcg@20", "NDCG@20", " nDCG@20 ", "ndcg@020"])
def test_names_are_read_whatever_their_case(name: str) -> None:
    metric = parse(name)
    assert isinstance(metric, Ndcg)
    assert metric.cutoff == 20


def test_an_outside_class_keeps_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "outside_metrics", sys.modules[__name__])
    metric = parse("outside_metrics:FirstPlace@3")
    assert type(metric) is FirstPlace
    assert metric.cutoff == 3
    grouped = parse("outside_metrics:Size:age@3")
    assert type(grouped) is Size
    assert (grouped.attribute, grouped.needs) == ("age", ("age",))


@pytest.mark.parametrize("name", ["eo:gender@20", "EO:gender@20", "sp:age@5", "tv:gender@1"])
def test_an_attribute_stands_behind_a_metric_of_groups(name: str) -> None:
    metric = parse(name)
    assert isinstance(metric, GroupMetric)
    assert metric.attribute in metric.needs
    assert metric.attribute == name.partition("@")[0].partition(":")[2]


def test_every_metric_of_the_package_is_found() -> None:
    assert {"ndcg", "recall", "gini", "eo", "ild-category"} <= set(METRICS.names())


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ndgc@20", ("'ndgc@20'", "did you mean 'ndcg'?", "NAME@20")),
        ("loss", ("'loss'", "known: ", "ndcg", "recall")),
        ("eo@20", ("'eo@20'", "compares groups of users", "eo:gender@20 or eo:age@20")),
        ("eo:sex@20", ("'eo:sex@20'", "write eo:gender@20")),
        ("recall:gender@20", ("takes no group of users", "write recall@20")),
        ("ild-category@1", ("cutoff >= 2", "'ild-category@1'")),
        ("pandas:DataFrame@3", ("'pandas:DataFrame' is no metric", "UserMetric")),
        ("@20", ("'@20'", "unknown metric")),
        ("ndcg", ("'ndcg'", "write ndcg@20")),
        ("ndcg@", ("'ndcg@'", "cutoff >= 1")),
        ("ndcg@0", ("'ndcg@0'", "cutoff >= 1")),
        ("recall@-3", ("'recall@-3'", "write recall@20")),
        ("ndcg@2.5", ("'ndcg@2.5'", "cutoff >= 1")),
        ("ndcg@ten", ("'ndcg@ten'", "cutoff >= 1")),
        ("no_such_module:Metric@3", ("no_such_module:Metric", "can't import metric")),
        ("no_such_module:Metric", ("no_such_module:Metric", "cutoff >= 1")),
    ],
)
def test_wrong_names_are_errors_with_place_and_value(name: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(name, "run.yaml:7")
    message = str(caught.value)
    assert message.startswith("run.yaml:7: ")
    assert all(part in message for part in parts)


def test_other_right_names_are_listed() -> None:
    with pytest.raises(ConfigError, match=r"known: .*loss.*ndcg"):
        parse("qqq", also=("loss",))
