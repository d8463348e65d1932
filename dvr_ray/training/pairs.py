"""Which parts go together, and where a paper's name of a method belongs."""

from __future__ import annotations

from dvr_ray.backbones import BACKBONES
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import ConfigError
from dvr_ray.metrics import ExposureMetric
from dvr_ray.negatives import NEGATIVES
from dvr_ray.rewards.mixture import parse_reward
from dvr_ray.weightings import WEIGHTINGS

__all__ = ["PAPER_NAMES", "check_credit", "check_name", "check_pairs"]

PAPER_NAMES = {
    "wbpr": "wbpr is negatives: {name: popularity} with method: {name: bpr}",
    "aobpr": "aobpr is negatives: {name: adaptive} with method: {name: bpr}",
    "dns": "dns is negatives: {name: best-of} with method: {name: bpr}",
    "pris": "pris is negatives: {name: importance} with method: {name: bpr}",
    "tce-bpr": "tce-bpr is method: {name: tce}",
    "rce-bpr": "rce-bpr is method: {name: rce}",
    "til": "til is method: {name: til-ui} or method: {name: til-mi}",
    "ease": "ease is backbone: {name: ease} with method: {name: bpr}",
}
"""Methods of papers that stand under other names or in other places here."""


def check_name(name: str, known: list[str], place: str, family: str) -> None:
    """Tell a paper's method from a misspelt name.

    Parameters
    ----------
    name : str
        As written.
    known : list of str
        Names of the family.
    place : str
        Where it was written.
    family : str
        What is looked for there.

    Raises
    ------
    ConfigError
        If it is the name of a method that is written otherwise here.
    """
    mend = PAPER_NAMES.get(name.lower())
    if mend is not None and name not in known:
        raise ConfigError(place, f"unknown {family} {name!r}", mend)


def check_pairs(config: RunConfig, place: str) -> None:
    """Refuse parts and fields that make no sense together (`Weighting.needs_training`).

    Raises
    ------
    ConfigError
        With the reason.
    """
    backbone, method = config.backbone.name, config.method.name
    if WEIGHTINGS.get(method).needs_training and not BACKBONES.get(backbone).trainable:
        raise ConfigError(
            f"{place}: method.name",
            f"must be bpr for backbone {backbone!r}, which has nothing to train, got {method!r}",
            "set method.name to bpr or take another backbone",
        )
    if NEGATIVES.get(config.negatives.name).learns:
        _check_learned(config, place)
    batches = config.adapter.horizon.batches
    if config.training.sampling == "user" and batches is not None:
        raise ConfigError(
            f"{place}: adapter.horizon.batches",
            f"must be null for training.sampling user, got {batches}",
            "set adapter.horizon.epochs or sample by interaction",
        )


def _check_learned(config: RunConfig, place: str) -> None:
    """Refuse what a sampler that learns can't explore with."""
    backbone, method = config.backbone.name, config.method.name
    sampler, masks = config.negatives.name, config.adapter.masks
    if not BACKBONES.get(backbone).trainable:
        raise ConfigError(
            f"{place}: negatives.name",
            f"must be one that doesn't learn for backbone {backbone!r}, which has nothing to "
            f"train, got {sampler!r}",
            "set negatives.name to uniform or take another backbone",
        )
    if WEIGHTINGS.get(method).one_model:
        raise ConfigError(
            f"{place}: method.name",
            f"must not be {method!r} for negatives {sampler!r}: it follows one model, and they "
            "are learned on several",
            "set method.name to bpr, tce, rce or dvr, or take other negatives",
        )
    if masks % 2:
        raise ConfigError(
            f"{place}: adapter.masks",
            f"must be even for negatives {sampler!r}, which are learned on pairs of replicas, "
            f"got {masks}",
            f"set it to {masks + 1}",
        )


def check_credit(config: RunConfig, place: str) -> None:
    """Refuse own-item credit for a reward that no item's exposure moves.

    Raises
    ------
    ConfigError
        Naming the metrics that it is for.
    """
    parts = parse_reward(config.adapter.reward, f"{place}: adapter.reward")
    exposed = any(isinstance(part.metric, ExposureMetric) for part in parts)
    if config.adapter.credit == "item" and not exposed:
        raise ConfigError(
            f"{place}: adapter.credit",
            "item pays items for how often they are recommended, which doesn't make "
            f"the reward {config.adapter.reward}, got 'item'",
            "set it to user, or reward gini, item-coverage, sp or tv",
        )
