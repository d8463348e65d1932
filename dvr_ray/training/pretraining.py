"""A valuator that stands before the backbone is trained, and is held fixed.

``method: {name: dvr, pretrained: true}`` trains twice with the same config: first as usual, in the
folder ``pretraining``, for the valuator of the best epoch; then a new backbone from the start, on
rows that this valuator selects. ``pretrained: RUN`` takes the valuator of a finished run instead,
perhaps of another log: inputs are ranked within their log, so that weights can be carried over.

What isn't taught needs no replicas that explore: after the warm-up one model trains, beside it the
gate's control, and rows are drawn anew in every epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from dvr_ray.config.load import apply, load_run
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import CheckpointError, ConfigError
from dvr_ray.negatives import NEGATIVES
from dvr_ray.training.stored import VALUATOR, finished, read_tensors

__all__ = ["FOLDER", "check_pretrained", "fingerprint", "first_run", "pretrained", "second_run",
           "stored_valuator"]  # fmt: skip

FOLDER = "pretraining"
WITHOUT_EXPLORING = {
    "adapter.masks": 1,
    "adapter.baseline": "none",
    "adapter.exploration": "independent",
    "adapter.horizon": {"epochs": 1, "start": "current"},
}
SHAPE = ("depth", "units", "membership", "singletons", "bias")


def pretrained(config: RunConfig) -> bool | str:
    """Whether the valuator is trained first, or the folder of the run that it is taken from."""
    found = config.method.params.get("pretrained", False)
    return found if config.method.name == "dvr" and isinstance(found, bool | str) else False


def first_run(config: RunConfig) -> RunConfig:
    """Return the run that the valuator is learned in."""
    return apply(config, {"method": {**config.method.model_dump(), "pretrained": False}})


def second_run(config: RunConfig) -> RunConfig:
    """Return the run that the backbone is trained in; the config itself where nothing is fixed."""
    if not pretrained(config) or NEGATIVES.get(config.negatives.name).learns:
        return config
    return apply(config, WITHOUT_EXPLORING)


def check_pretrained(config: RunConfig, place: str) -> None:
    """Check that a run named by ``method.pretrained`` has a valuator of the same inputs and shape.

    Raises
    ------
    ConfigError
        Naming the field that differs, or what the folder lacks.
    """
    named = pretrained(config)
    if not isinstance(named, str):
        return
    where, folder = f"{place}: method.pretrained", Path(named)
    if not folder.is_dir() or finished(folder) is None or not (folder / VALUATOR).exists():
        what = "no valuator" if folder.is_dir() else "no such folder"
        rule = f"must name the folder of a finished run of method dvr, got {named}: {what}"
        raise ConfigError(where, rule, "name another, or set it to true")
    theirs = dict(_asked(load_run(folder / "config.yaml")))
    for name, own in _asked(config):
        if own != theirs[name]:
            rule = f"{name} must be as in {named}, {_told(theirs[name])}, got {_told(own)}"
            raise ConfigError(where, rule, f"set {name} to {_told(theirs[name])}")


def _asked(config: RunConfig) -> Iterator[tuple[str, Any]]:
    """What inputs and shape of a valuator hang on, by name."""
    for name, value in config.encoder.model_dump().items():
        yield f"encoder.{name}", value
    for name in SHAPE:
        yield f"valuator.{name}", getattr(config.valuator, name)
    yield "training.dtype", config.training.dtype
    placed = config.valuator.membership == "positional"
    yield "training.batch_size", config.training.batch_size if placed else None


def _told(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)


def stored_valuator(folder: Path) -> dict[str, Tensor]:
    """Read a run's valuator, as `Weighting.valuator_tensors` gave it.

    Raises
    ------
    CheckpointError
        If it has none, or it is damaged.
    """
    if not (folder / VALUATOR).exists():
        raise CheckpointError(
            str(folder), "learned no valuator: it ended with the warm-up",
            "raise training.epochs above training.warmup",
        )  # fmt: skip
    return read_tensors(folder, VALUATOR)


def fingerprint(folder: Path) -> str:
    """Sixteen hex digits of a run's valuator, wherever the run lies."""
    return hashlib.sha256((folder / VALUATOR).read_bytes()).hexdigest()[:16]
