"""A finished run, opened again from its folder: backbone, valuator and what it was trained on.

Nothing but the folder is read where the run valued its rows: ``values.parquet`` lists the training
rows, ``users.parquet`` and ``items.parquet`` the catalogue. Of a run without values, such as plain
BPR, the training rows come from its data, by its config.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dvr_ray.backbones import BACKBONES, Backbone
from dvr_ray.collective import OneProcess
from dvr_ray.config.load import config_hash, load_run
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.catalogue import ITEMS, USERS, KnownCatalogue
from dvr_ray.data.interactions import Interactions, SealedTest, TrialData
from dvr_ray.data.reading.parquet import table_of
from dvr_ray.errors import CheckpointError
from dvr_ray.negatives import NEGATIVES, NegativeSampler
from dvr_ray.seeding import generator
from dvr_ray.state import under
from dvr_ray.training.build import component_params
from dvr_ray.training.stored import (
    MODEL,
    VALUATOR,
    VALUES,
    damaged,
    finished,
    read_tensors,
)
from dvr_ray.valuation import SelectionPolicy
from dvr_ray.weightings.valuing import ValuingNet

__all__ = ["OpenedRun", "load_backbone", "open_run"]


@dataclass(frozen=True, eq=False)
class OpenedRun:
    """What a finished run left; parts are read when they are first asked for.

    Parameters
    ----------
    folder : Path
        Of the run.
    config : RunConfig
        The whole run.
    result : dict
        The content of ``result.json``.
    catalogue : KnownCatalogue
        Its users and items, by internal number.
    """

    folder: Path
    config: RunConfig
    result: dict[str, Any]
    catalogue: KnownCatalogue

    @cached_property
    def identity(self) -> str:
        """Sixteen hex digits, equal for equal configs and equal weights of backbone and net."""
        digest = hashlib.sha256(config_hash(self.config).encode())
        for name in (MODEL, VALUATOR):
            if (self.folder / name).exists():
                digest.update((self.folder / name).read_bytes())
        return digest.hexdigest()[:16]

    @cached_property
    def log(self) -> tuple[TrialData, SealedTest]:
        """Its log, loaded and split again by its config; `parts_of` checks that it is the same.

        Raises
        ------
        DataError
            If it can't be read.
        """
        from dvr_ray.data.cache import load_dataset
        from dvr_ray.data.split import split

        wanted = self.config.data
        return split(load_dataset(wanted), self.config.split, wanted.noise, wanted.seed)

    @cached_property
    def train(self) -> Interactions:
        """The training rows, with planted ones where there are any.

        Raises
        ------
        DataError
            If ``values.parquet``, or without it the run's data, can't be read.
        """
        if not (self.folder / VALUES).exists():
            return self.log[0].train
        known = self.catalogue
        table = table_of(self.folder / VALUES, ["user", "item"])
        users, items = known.users.numbers(table["user"]), known.items.numbers(table["item"])
        if min(users.min(initial=0), items.min(initial=0)) < 0:
            raise damaged(self.folder, VALUES, "rows of users and items that the run doesn't know")
        return Interactions(
            users.astype(np.int64), items.astype(np.int64), len(known.users), len(known.items)
        )

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone of the best epoch, on the CPU.

        Raises
        ------
        CheckpointError
            If its weights can't be read, or don't fit.
        """
        return load_backbone(self.config, self.train, self.folder)

    @cached_property
    def negatives(self) -> NegativeSampler:
        """The sampler of negatives, as it was before training; draws for training rows."""
        params = component_params(NEGATIVES, self.config.negatives, "run: negatives")
        made = NEGATIVES.get(self.config.negatives.name)(params, self.train)
        made.meet(BACKBONES.get(self.config.backbone.name))
        return made

    @cached_property
    def valuing(self) -> tuple[ValuingNet, SelectionPolicy]:
        """The net that values rows (`ValuingNet.value`) and the policy, of the best epoch.

        Raises
        ------
        CheckpointError
            If the run learned no valuator, or its weights can't be read or don't fit.
        """
        if not (self.folder / VALUATOR).exists():
            raise CheckpointError(
                str(self.folder / VALUATOR),
                f"needed to value rows, there is none: method {self.config.method.name} learned no "
                "valuator, or the run is of an older version",
                "train with method.name=dvr",
            )
        stored = read_tensors(self.folder, VALUATOR)
        means = under("means", stored)
        try:
            net = ValuingNet(self.config, _columns(means), OneProcess(), torch.device("cpu"))
            _fit(means, dict(net.named_parameters()))
        except (RuntimeError, LookupError, ValueError) as error:
            raise damaged(self.folder, VALUATOR, str(error)) from error
        net.load_means(means)
        policy = SelectionPolicy(self.config.policy)
        policy.load({name: float(value) for name, value in under("policy", stored).items()})
        return net, policy


def load_backbone(config: RunConfig, train: Interactions, folder: Path) -> Backbone:
    """Rebuild the best backbone of a finished run, on the CPU and without gradient.

    Parameters
    ----------
    config : RunConfig
        Of the run.
    train : Interactions
        Its training rows.
    folder : Path
        Its folder.

    Returns
    -------
    Backbone
        In the run's dtype.

    Raises
    ------
    CheckpointError
        If its weights can't be read, or don't fit.
    """
    params = component_params(BACKBONES, config.backbone, "run: backbone")
    wanted = BACKBONES.get(config.backbone.name)
    made = wanted.build(params, train, generator(config.seed, "weights", 0))
    made = made.to(getattr(torch, config.training.dtype))
    try:
        made.load_state_dict(read_tensors(folder, MODEL))
    except RuntimeError as error:
        raise damaged(folder, MODEL, str(error)) from error
    return made.requires_grad_(False)


def open_run(folder: Path) -> OpenedRun:
    """Open the folder of a finished run.

    Parameters
    ----------
    folder : Path
        Of ``dvr-ray train``, or of one run of a sweep.

    Returns
    -------
    OpenedRun
        Config, result and catalogue are read; the rest is read when it is asked for.

    Raises
    ------
    CheckpointError
        If it holds no finished run, or one of a version that kept no ids.
    ConfigError
        If its config can't be read.
    """
    result = finished(folder) if folder.is_dir() else None
    if result is None:
        raise CheckpointError(
            str(folder),
            "must be the folder of a finished run, with result.json" + _instead(folder),
            "train it to its end, or give another folder",
        )
    config = load_run(folder / "config.yaml")
    if not all((folder / name).exists() for name in (USERS, ITEMS)):
        raise CheckpointError(
            str(folder), f"a run must have {USERS} and {ITEMS}: it is of an older version",
            f"train it again: dvr-ray train {folder / 'config.yaml'} --out NEW",
        )  # fmt: skip
    return OpenedRun(folder, config, result, KnownCatalogue.read(folder))


def _instead(folder: Path) -> str:
    """Say what a folder is, where it is no finished run."""
    if not folder.exists():
        return ", there is no such folder"
    if not folder.is_dir():
        return ", got a file"
    inside = sorted(str(path.parent.relative_to(folder)) for path in folder.glob("*/*/result.json"))
    inside += sorted(path.parent.name for path in folder.glob("*/result.json"))
    return f", got none; runs in it: {', '.join(inside[:3])}" if inside else ", got none"


def _columns(means: dict[str, Tensor]) -> int:
    """Return the number c of inputs of a net, by the shapes of its weights."""
    first = means.get("encoder.body.0.weight")
    return int(means["valuator.gates"].shape[-1]) - 1 if first is None else int(first.shape[1])


def _fit(means: dict[str, Tensor], wanted: dict[str, Any]) -> None:
    """Raise if weights aren't those that a net of this config has."""
    for name, parameter in wanted.items():
        if name not in means or means[name].shape != parameter.shape:
            raise ValueError(f"weights don't fit the config at {name}")
