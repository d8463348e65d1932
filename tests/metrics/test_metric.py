"""Names of metrics."""

from __future__ import annotations

import pytest
from torch import Tensor

from dvr_ray.errors import ConfigError
from dvr_ray.metrics import METRICS, Metric, parse
from dvr_ray.metrics.ndcg import Ndcg


class FirstPlace(Metric):
    """A metric that lives outside the package."""

    higher_is_better = True

    def per_user(self, hits: Tensor, relevant: Tensor) -> Tensor:
        return hits[:, 0].double()


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


def test_every_metric_of_the_package_is_found() -> None:
    assert {"ndcg", "recall"} <= set(METRICS.names())


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ndgc@20", ("'ndgc@20'", "did you mean 'ndcg@K'?")),
        ("loss", ("'loss'", "known: ", "ndcg@K", "recall@K")),
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
    with pytest.raises(ConfigError, match=r"known: .*loss.*ndcg@K"):
        parse("margin", also=("loss",))
