"""The one place where names become objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic
import torch

from dvr_ray.backbones import BACKBONES, Backbone
from dvr_ray.collective import Collective
from dvr_ray.config.schema import Component, RunConfig, Strict
from dvr_ray.data.features import DYNAMIC, FEATURES
from dvr_ray.data.interactions import TrialData
from dvr_ray.data.sources import SOURCES
from dvr_ray.errors import ConfigError, nearest
from dvr_ray.metrics import Catalogue, check_needs, parse
from dvr_ray.negatives import NEGATIVES, NegativeSampler
from dvr_ray.registry import Registry
from dvr_ray.reranking import RERANKING, Reranker
from dvr_ray.rewards import MetricAdapter
from dvr_ray.rewards.mixture import parse_reward
from dvr_ray.seeding import generator
from dvr_ray.training.learner import Learner
from dvr_ray.training.pairs import check_credit, check_name, check_pairs
from dvr_ray.training.pretraining import check_pretrained
from dvr_ray.weightings import WEIGHTINGS, Weighting, WeightingParts

__all__ = ["Parts", "build", "build_reranker", "check", "check_served", "component_params"]


@dataclass(frozen=True)
class Parts:
    """The objects of one run.

    Parameters
    ----------
    learner : callable
        Makes a learner with fresh weights for a purpose and a counter, e.g. ``("weights", 0)``.
    negatives : NegativeSampler
        Draws the triplets' negatives.
    weighting : Weighting
        Chooses the triplets.
    """

    learner: Callable[[int], Learner]
    negatives: NegativeSampler
    weighting: Weighting

    @property
    def learns(self) -> bool:
        """Whether training runs in horizons: the weighting or the sampler wants rewards."""
        return self.weighting.learns or self.negatives.learns

    @property
    def replicas(self) -> int:
        """Number K of backbones that explore side by side in a horizon."""
        return self.weighting.parts.config.adapter.masks if self.learns else 1


def check(config: RunConfig, place: str = "run") -> None:
    """Check every name and every component's fields, before anything is started.

    Raises
    ------
    ConfigError
        Naming the path, the value and the nearest right name.
    """
    SOURCES.get(config.data.source, f"{place}: data.source")
    component_params(BACKBONES, config.backbone, f"{place}: backbone")
    component_params(NEGATIVES, config.negatives, f"{place}: negatives")
    method = component_params(WEIGHTINGS, config.method, f"{place}: method")
    check_pairs(config, place)
    component_params(RERANKING, config.rerank, f"{place}: rerank")
    parse(config.training.metric, f"{place}: training.metric")
    for name in config.training.report:
        parse(name, f"{place}: training.report")
    check_credit(config, place)
    for name in config.encoder.features:
        if name not in DYNAMIC:
            FEATURES.get(name, f"{place}: encoder.features")
    WEIGHTINGS.get(config.method.name).check(method, config, f"{place}: method")
    check_pretrained(config, place)
    if config.valuator.units == 0 and not config.valuator.singletons:
        raise ConfigError(
            f"{place}: valuator",
            "units is 0 and singletons is false, so nothing has a value",
            "set units to at least 1 or singletons to true",
        )
    weighting = WEIGHTINGS.get(config.method.name)
    reads_losses = weighting.reads_features and "loss" in config.encoder.features
    if config.training.warmup < 1 and reads_losses:
        raise ConfigError(
            f"{place}: training.warmup",
            f"must be >= 1 for the feature 'loss', got {config.training.warmup}",
            "raise it or leave 'loss' out of encoder.features",
        )


def check_served(
    config: RunConfig, catalogue: Catalogue, place: str = "run", objectives: Sequence[str] = ()
) -> None:
    """Check that the data have what metrics, method and re-ranking of a checked run read.

    Parameters
    ----------
    config : RunConfig
        The run.
    catalogue : Catalogue
        What its data hold.
    place : str
        Where it was written, for messages.
    objectives : sequence of str
        Metrics of a sweep.

    Raises
    ------
    DataError
        Naming who reads it, what is missing, and the importer's option that brings it.
    """
    wanted = [("training.metric", config.training.metric)]
    wanted += [("training.report", name) for name in config.training.report]
    wanted += [("tune.objective", name) for name in objectives]
    for where, name in wanted:
        check_needs(parse(name).needs, name, catalogue, f"{place}: {where}")
    if config.method.name != "bpr" or NEGATIVES.get(config.negatives.name).learns:
        for part in parse_reward(config.adapter.reward):
            if part.metric is not None:
                check_needs(part.metric.needs, part.name, catalogue, f"{place}: adapter.reward")
    name = config.method.name
    method = component_params(WEIGHTINGS, config.method, f"{place}: method")
    needs = WEIGHTINGS.get(name).needs(method)
    check_needs(needs, name, catalogue, f"{place}: method")
    name = config.rerank.name
    check_needs(RERANKING.get(name).needs, f"re-ranking {name}", catalogue, f"{place}: rerank")


def build_reranker(config: RunConfig, catalogue: Catalogue) -> Reranker | None:
    """Return the re-ranker of a checked run; None where lists stay as they are."""
    if config.rerank.name == "none":
        return None
    params = component_params(RERANKING, config.rerank, "run: rerank")
    return RERANKING.get(config.rerank.name)(params, catalogue)


def build(
    config: RunConfig, data: TrialData, collective: Collective, device: torch.device
) -> Parts:
    """Return the objects of a checked run.

    Parameters
    ----------
    config : RunConfig
        The run.
    data : TrialData
        What it may see.
    collective : Collective
        The workers that share each batch.
    device : torch.device
        Where models live.
    """
    dtype = getattr(torch, config.training.dtype)
    backbone_class = BACKBONES.get(config.backbone.name)
    backbone_params = component_params(BACKBONES, config.backbone, "run: backbone")

    def make_backbone(counter: int) -> Backbone:
        weights = generator(config.seed, "weights", counter)
        return backbone_class.build(backbone_params, data.train, weights).to(device, dtype)

    sampler_params = component_params(NEGATIVES, config.negatives, "run: negatives")
    negatives = NEGATIVES.get(config.negatives.name)(sampler_params, data.train)
    negatives.meet(backbone_class)

    def make_learner(counter: int) -> Learner:
        training = config.training
        return Learner(
            lambda: make_backbone(counter), training.lr, training.l2, collective, negatives
        )

    parts = WeightingParts(
        params=component_params(WEIGHTINGS, config.method, "run: method"),
        config=config,
        data=data,
        adapter=MetricAdapter(config.adapter, data.train, data.reward, dtype),
        collective=collective,
        device=device,
    )
    return Parts(
        make_learner,
        negatives,
        WEIGHTINGS.get(config.method.name)(parts),
    )


def component_params(registry: Registry[Any], component: Component, place: str) -> Strict:
    """Check a component's own fields against its ``Params``.

    Parameters
    ----------
    registry : Registry
        Its family.
    component : Component
        Name and fields.
    place : str
        Where it was written, for messages.

    Returns
    -------
    Params
        The fields, defaults included.

    Raises
    ------
    ConfigError
        Naming the field, the value and the nearest right name.
    """
    check_name(component.name, registry.names(), f"{place}.name", registry.family)
    found = registry.get(component.name, f"{place}.name")
    model = getattr(found, "Params", None)
    if not (isinstance(model, type) and issubclass(model, Strict)):
        raise ConfigError(
            f"{place}.name",
            f"{component.name!r} is no {registry.family}: it has no class Params of fields",
            f"name a class that derives from the one of {registry.family}s",
        )
    try:
        return model.model_validate(component.params, strict=False)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = nearest(field, model.model_fields) if model.model_fields else "it takes none"
            raise ConfigError(
                f"{place}.{field}", f"unknown field of {registry.family} {component.name!r}", known
            ) from error
        rule = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{place}.{field}", f"{rule}, got {first['input']!r}", "change the value"
        ) from error
