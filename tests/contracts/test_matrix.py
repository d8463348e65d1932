"""Every backbone trains with every method: falling loss, resuming, W workers equal to one.

`make test` runs a covering subset, in which each backbone and each method occurs; the full matrix
is slow.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from gloo import run_group
from small_run import SMALL

from dvr_ray.backbones import BACKBONES
from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.distributed.collective import TorchCollective
from dvr_ray.negatives import NEGATIVES
from dvr_ray.training.loop import Trainer
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.weightings import WEIGHTINGS

NAMED: dict[str, dict[str, Any]] = {
    "bpr": {},
    "wbpr": {"negatives": {"name": "popularity"}},
    "aobpr": {"negatives": {"name": "adaptive"}},
    "pris": {"negatives": {"name": "importance"}},
    "dns": {"negatives": {"name": "best-of"}},
    "learned": {"negatives": {"name": "learned"}},
    "tce-bpr": {"method": {"name": "tce"}},
    "rce-bpr": {"method": {"name": "rce"}},
    "til-ui": {"method": {"name": "til-ui"}},
    "til-mi": {"method": {"name": "til-mi"}},
    "mean loss": {"method": {"name": "fixed-score", "score": "loss"}},
    "dvr": {"method": {"name": "dvr"}},
    "learned-dvr": {"negatives": {"name": "learned"}, "method": {"name": "dvr"}},
    "one column": {"method": {"name": "fixed-score", "score": "-counts.1"}},
    "balanced": {"method": {"name": "balanced"}},
    "drop": {"method": {"name": "drop", "values": "nobody's", "end": "random"}},
}
TRAINED = [name for name in BACKBONES.names() if name != "ease"]
FULL = list(itertools.product(TRAINED, NAMED))
# Each method once and each backbone several times: place k of the methods with backbone k.
COVERING = [(TRAINED[k % len(TRAINED)], method) for k, method in enumerate(NAMED)]
COVERING += [(backbone, "dvr") for backbone in TRAINED if (backbone, "dvr") not in COVERING]


def config_of(backbone: str, method: str, epochs: int = 4) -> RunConfig:
    chosen = {"backbone": {"name": backbone, "dim": 8}, "method": {"name": "bpr"}}
    sizes = {"training.epochs": epochs, "training.warmup": 1, "adapter.horizon.epochs": 1}
    return apply(RunConfig(), SMALL | chosen | sizes | NAMED[method])


def trained(config: RunConfig, group: Collective, folder: Path) -> tuple[Trainer, list[float]]:
    losses: list[float] = []
    trainer = Trainer(config, prepare(config)[0], group, torch.device("cpu"))
    trainer.resume(folder)
    trainer.fit(folder, Silent(), lambda row: losses.append(row["loss"]))
    return trainer, losses


def final_states(pairs: list[tuple[str, str]], group: Collective | None = None) -> list[Any]:
    """Train every pair; the weights at the end, and values and probabilities where there are."""
    collective = group or TorchCollective()
    states = []
    for pair in pairs:
        with tempfile.TemporaryDirectory() as folder:
            trainer, _ = trained(config_of(*pair), collective, Path(folder))
        state = {k: v.clone() for k, v in trainer._tensors().items() if v.is_floating_point()}
        valued = trainer.value_rows()
        states.append(state if valued is None else state | {"v": valued[0], "p": valued[1]})
    return states


def check_workers(pairs: list[tuple[str, str]]) -> None:
    """Two workers train what one trains, in float64 to 1e-9."""
    alone = final_states(pairs, OneProcess())
    for found in run_group(final_states, 2, pairs):
        for pair, expected, state in zip(pairs, alone, found, strict=True):
            assert expected.keys() == state.keys(), pair
            for name, tensor in expected.items():
                same = torch.allclose(tensor, state[name], rtol=1e-9, atol=1e-9, equal_nan=True)
                assert same, (pair, name)


def check_training(backbone: str, method: str, folder: Path) -> None:
    """The loss falls, all is finite, and a run that is resumed equals one that isn't."""
    config = config_of(backbone, method)
    whole, losses = trained(config, OneProcess(), folder / "whole")
    assert losses[-1] < losses[0]
    state = whole._tensors()
    weights = [v for k, v in state.items() if k.startswith("main.weights")]
    assert weights and all(bool(v.isfinite().all()) for v in weights if v.is_floating_point())
    for path in sorted((folder / "whole").glob("epoch-*"))[:-1]:
        path.rename(folder / path.name)
    resumed, again = trained(config, OneProcess(), folder)
    assert 0 < len(again) < len(losses) and again == losses[-len(again) :]
    for name, tensor in resumed._tensors().items():
        assert torch.equal(tensor.nan_to_num(7), state[name].nan_to_num(7)), name


def test_every_part_is_in_the_covering_subset() -> None:
    assert {backbone for backbone, _ in COVERING} == set(TRAINED)
    assert {method for _, method in COVERING} == set(NAMED)
    negatives = {config_of("bprmf", m).negatives.name for m in NAMED}
    assert negatives == set(NEGATIVES.names())
    assert {config_of("bprmf", m).method.name for m in NAMED} == set(WEIGHTINGS.names())


@pytest.mark.parametrize(("backbone", "method"), COVERING)
def test_backbone_trains_with_method(backbone: str, method: str, tmp_path: Path) -> None:
    check_training(backbone, method, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "method"), [p for p in FULL if p not in COVERING])
def test_every_backbone_trains_with_every_method(
    backbone: str, method: str, tmp_path: Path
) -> None:
    check_training(backbone, method, tmp_path)


def test_two_workers_equal_one_on_the_covering_subset() -> None:
    check_workers(COVERING)


@pytest.mark.slow
def test_two_workers_equal_one_on_the_full_matrix() -> None:
    check_workers([pair for pair in FULL if pair not in COVERING])
