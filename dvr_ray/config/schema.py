"""Everything a run config may say, as frozen pydantic models.

Components (backbone, negatives) are flat: ``{name: bprmf, dim: 32}``. Their own
fields are checked by the component's ``Params`` in `dvr_ray.training.build`; this module doesn't
know the families.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dvr_ray.config.base import Component, Strict
from dvr_ray.config.data import ColumnsConfig, DataConfig, NoiseConfig, SplitConfig

__all__ = [
    "AdapterConfig",
    "ColumnsConfig",
    "Component",
    "DataConfig",
    "EncoderConfig",
    "HorizonConfig",
    "NoiseConfig",
    "Parallel",
    "PolicyConfig",
    "ResourcesConfig",
    "RunConfig",
    "SplitConfig",
    "Strict",
    "TrackingConfig",
    "TrainingConfig",
    "ValuatorConfig",
]


class EncoderConfig(Strict):
    """From inputs to encodings."""

    name: Literal["none", "mlp"] = Field("none", description="none hands the features on.")
    features: tuple[str, ...] = Field(
        ("agreement", "neighbourhood", "loss", "overlap", "coherence", "counts"),
        min_length=1,
        description="Inputs; embeddings and products are options (valuation on content).",
    )
    squares: bool = Field(False, description="Add the features' squares: an effect may bend.")
    hidden: int = Field(32, ge=1, le=4096, description="mlp: hidden units.")
    size: int = Field(10, ge=1, le=4096, description="mlp: size h of an encoding.")


class ValuatorConfig(Strict):
    """HarsanyiNet over the samples of a batch."""

    depth: int = Field(1, ge=1, le=8, description="Harsanyi layers L.")
    units: int = Field(96, ge=0, le=4096, description="Units H per layer; 0 leaves singletons.")
    membership: Literal["content", "positional"] = Field(
        "content", description="positional: weights for each place in the batch, as the paper's."
    )
    member_rate: float = Field(
        0.5, gt=0, lt=1, description="Mean share of a batch in a unit's field of layer 1, at first."
    )
    children: int = Field(2, ge=1, description="Children of a unit of layer 2 and above.")
    singletons: bool = Field(True, description="One linear unit per sample.")
    bias: bool = Field(True, description="Bias inside the gate; expresses redundancy.")
    lr: float = Field(3e-3, gt=0, le=1, description="AdamW learning rate.")
    ridge: Annotated[float, Field(ge=0, le=1e4)] | Literal["auto"] = Field(
        "auto",
        description="Penalty on how strongly values differ; 1 halves what one input says. auto: "
        "what predicts held-out masks and users best.",
    )
    weight_decay: float = Field(0.0, ge=0, le=100, description="AdamW decoupled weight decay.")
    clip: float = Field(1.0, gt=0, description="Gradient norm is clipped here.")
    steps: int = Field(20, ge=1, description="Optimiser steps after each horizon.")
    averaging: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Decay of the running mean of weights that values are read from; 0 is none.",
    )


class PolicyConfig(Strict):
    """From Shapley values to probabilities of keeping a triplet."""

    normalisation: Literal["sigmoid", "centred", "minmax"] = Field(
        "sigmoid", description="sigmoid of value / running sd; centred holds keep_rate."
    )
    temperature: float = Field(0.25, gt=0, le=100, description="Divides the normalised value.")
    offset: float = Field(
        1.0, ge=-10, le=10, description="Added before the sigmoid; 1 keeps about 70% on average."
    )
    keep_rate: float = Field(0.8, gt=0, lt=1, description="centred: mean probability.")
    bounds: tuple[float, float] = Field((0.05, 0.95), description="Probabilities are clamped.")
    entropy: float = Field(0.0, ge=0, description="Weight of the entropy bonus.")
    gate: bool = Field(True, description="Do no harm: adopt keep-all where it selects better.")
    alternatives: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (),
        max_length=8,
        description="For each, one more model trains on that share of the rows, those of highest "
        "value, and the one that selects best is adopted.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> PolicyConfig:
        low, high = self.bounds
        if not 0 <= low < high <= 1:
            raise ValueError("bounds must satisfy 0 <= low < high <= 1")
        return self


class HorizonConfig(Strict):
    """How long a mask is held before its reward is measured."""

    epochs: int = Field(2, ge=1, description="Epochs each mask is trained with.")
    batches: int | None = Field(
        None, ge=1, description="Instead of epochs: batches a mask is held for; 1 is the paper's."
    )
    start: Literal["current", "scratch"] = Field(
        "current", description="Replicas start from the current backbone or from fresh weights."
    )


class AdapterConfig(Strict):
    """From a metric on validation-reward users to a gradient for the valuator."""

    reward: str = Field(
        "ndcg@20", description="loss, sp:gender@20 etc., or a mix: 0.7*ndcg@20 + 0.3*gini@20."
    )
    credit: Literal["scalar", "user", "user+item", "item"] = Field(
        "user", description="Who is paid; item: by how often the row's item is recommended."
    )
    masks: int = Field(
        4, ge=1, le=256, description="Masks K per horizon, each on a replica of the backbone."
    )
    horizon: HorizonConfig = HorizonConfig()
    baseline: Literal["none", "average", "leave-one-out"] = Field(
        "leave-one-out", description="What is subtracted from a mask's reward: over other masks."
    )
    users: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        "all", description="Users per evaluation of the reward."
    )
    exploration: Literal["independent", "directional", "evolution"] = Field(
        "independent",
        description="directional: antithetic directions in feature space; evolution: in the space "
        "of the valuator's weights, memberships in units included.",
    )
    estimator: Literal["natural", "score"] = Field(
        "natural", description="score: REINFORCE's log-probability, as in the paper."
    )
    decay: float = Field(0.9, ge=0, lt=1, description="natural: decay of the running sums.")
    mse_weight: float = Field(0.1, ge=0, description="Weight of the worth's squared error.")
    mse_head: Literal["affine", "literal"] = Field(
        "affine", description="literal: the worth itself predicts the loss, as in the paper."
    )

    @model_validator(mode="after")
    def _consistent(self) -> AdapterConfig:
        if self.baseline == "leave-one-out" and self.masks < 2:
            raise ValueError("baseline leave-one-out needs masks >= 2")
        if self.directional and self.masks % 2:
            raise ValueError(
                f"exploration {self.exploration} draws antithetic pairs: masks must be even"
            )
        return self

    @property
    def directional(self) -> bool:
        """Whether masks are drawn along random directions and not by the policy."""
        return self.exploration != "independent"


class TrainingConfig(Strict):
    """The bilevel loop around the backbone."""

    epochs: int = Field(40, ge=1, description="Epochs of the backbone, warm-up included.")
    warmup: int = Field(
        5, ge=0, description="dvr, learned negatives: plain epochs before the first horizon."
    )
    batch_size: int = Field(2048, ge=1, description="Triplets B in a global batch.")
    sampling: Literal["interaction", "user"] = Field(
        "interaction",
        description="interaction: each row once an epoch; user: as many draws of any user, then "
        "of one of their rows, as in LightGCN's code.",
    )
    lr: float = Field(5e-3, gt=0, le=10, description="Adam learning rate of the backbone.")
    l2: float = Field(
        1e-2, ge=0, description="l2/2 x mean squared norm of the embeddings read (LightGCN's form)."
    )
    patience: int = Field(10, ge=1, description="Reports without a better metric before stopping.")
    metric: str = Field("ndcg@20", description="Metric on validation-selection to stop on.")
    keep: Literal["best", "last"] = Field(
        "best",
        description="last: the model after the last epoch, so that no metric is favoured by the "
        "choice of an epoch; patience isn't read.",
    )
    report: tuple[str, ...] = Field(
        (), description="More metrics to measure, on validation-selection and on test."
    )
    dtype: Literal["float32", "float64"] = Field(
        "float32", description="Of models; float64 makes W workers equal one to 1e-9."
    )


class RunConfig(Strict):
    """One run: data, model, method and loop."""

    seed: int = Field(0, ge=0, description="Root seed of weights, negatives and masks.")
    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    backbone: Component = Field(
        Component(name="bprmf"), description="The recommender, with its own fields."
    )
    negatives: Component = Field(
        Component(name="uniform"), description="Draws a negative item for every training row."
    )
    method: Component = Field(
        Component(name="dvr"), description="Weighting of triplets; bpr keeps all alike."
    )
    encoder: EncoderConfig = EncoderConfig()
    valuator: ValuatorConfig = ValuatorConfig()
    policy: PolicyConfig = PolicyConfig()
    adapter: AdapterConfig = AdapterConfig()
    training: TrainingConfig = TrainingConfig()
    rerank: Component = Field(
        Component(name="none"),
        description="Re-ranks lists for selection and test, not for the reward: mmr, popularity.",
    )

    def data_path(self) -> Path | None:
        """Return the data folder, or None where the source needs none."""
        return None if self.data.path is None else Path(self.data.path)


class TrackingConfig(Strict):
    """Where else a run's numbers go; beside the run, so it changes neither hash nor result."""

    tensorboard: bool = Field(False, description="Event files in each run's folder.")
    mlflow: bool = Field(False, description="Local mlruns/, or what MLFLOW_TRACKING_URI names.")
    wandb: bool = Field(False, description="Weights & Biases; offline unless WANDB_MODE is set.")
    hooks: tuple[Annotated[str, Field(pattern=r"^[\w.]+:\w+$")], ...] = Field(
        (), description="Trackers of one's own, package.module:Class."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the trackers that are asked for."""
        own = ("tensorboard", "mlflow", "wandb")
        return (*(name for name in own if getattr(self, name)), *self.hooks)


Parallel = Literal["batches", "masks"]
"""What the workers of a trial share."""


class ResourcesConfig(Strict):
    """What one trial asks of the cluster."""

    workers: int = Field(1, ge=1, description="Workers W that share a trial.")
    parallel: Parallel = Field(
        "batches", description="What they share: every batch, or the masks (whose replicas train)."
    )
    cpus_per_worker: float = Field(1, gt=0, description="CPUs per worker.")
    gpus_per_worker: float = Field(
        0, ge=0, description="GPUs per worker; below 1, workers and trials share a GPU."
    )
    node_labels: dict[str, str] = Field(
        {},
        description="Labels of the nodes that workers may run on, as Ray knows them: "
        "{ray.io/accelerator-type: A100}.",
    )
    min_workers: int | None = Field(
        None,
        ge=1,
        description="Fewest workers that a trial starts or goes on with where there is no room "
        "for all; by default all.",
    )

    @property
    def least(self) -> int:
        """Workers that a trial can't do without."""
        return self.workers if self.min_workers is None else self.min_workers

    @model_validator(mode="after")
    def _can_be_had(self) -> ResourcesConfig:
        if self.least > self.workers:
            raise ValueError(f"min_workers must be <= workers {self.workers}, got {self.least}")
        if self.gpus_per_worker > 1 and self.gpus_per_worker % 1:
            raise ValueError(f"gpus_per_worker above 1 must be whole, got {self.gpus_per_worker}")
        return self
