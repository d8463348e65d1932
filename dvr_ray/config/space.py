"""Search spaces as data: distributions over fields of a run, and how to search them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from dvr_ray.config.schema import ResourcesConfig, RunConfig, Strict

__all__ = ["Distribution", "SearchSpace", "TuneConfig"]

Scalar = bool | int | float | str | None


class Distribution(Strict):
    """Values that a searched field may take: exactly one of int, float and choice.

    ``when`` makes the field conditional: it is searched only where every named field has the given
    value, or one of the given values.
    """

    int_: tuple[int, int] | None = Field(None, alias="int", description="Lowest and highest.")
    float_: tuple[float, float] | None = Field(None, alias="float", description="Lowest, highest.")
    choice: tuple[Any, ...] | None = Field(None, min_length=1, description="The values.")
    log: bool = Field(False, description="Search on a log scale.")
    step: float | None = Field(None, gt=0, description="Distance of values.")
    when: dict[str, Any] = Field(default_factory=dict, description="Condition on other fields.")

    @model_validator(mode="after")
    def _one_kind(self) -> Distribution:
        bounds = [pair for pair in (self.int_, self.float_) if pair is not None]
        if len(bounds) + (self.choice is not None) != 1:
            raise ValueError("exactly one of int, float and choice must be given")
        for low, high in bounds:
            if low > high:
                raise ValueError(f"the lowest value must not exceed the highest, got [{low}, {high}]")
            if self.log and low <= 0:
                raise ValueError(f"log needs a lowest value above 0, got {low}")
        if self.log and self.step is not None:
            raise ValueError("log and step can't be given together")
        if self.choice is not None and (self.log or self.step):
            raise ValueError("log and step make no sense for a choice")
        return self

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest value; None for a choice."""
        return self.int_ if self.int_ is not None else self.float_

    @property
    def corners(self) -> tuple[Any, ...]:
        """Values that must be legal for all others to be: both ends, or all choices."""
        return self.choice if self.choice is not None else tuple(self.bounds or ())

    def contains(self, value: Any) -> bool:
        """Whether a value could be drawn."""
        if self.choice is not None:
            return value in self.choice
        low, high = self.bounds or (0, 0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and low <= value <= high and (self.int_ is None or value == int(value))

    def described(self) -> str:
        """For messages: ``[1, 4]`` or the list of choices."""
        return str(list(self.corners))


class TuneConfig(Strict):
    """How to search."""

    objective: str | tuple[str, ...] = Field(
        "ndcg@20", description="Metric on validation-selection; several make a Pareto search."
    )
    trials: int | None = Field(20, ge=1, description="Budget in trials.")
    minutes: float | None = Field(None, gt=0, description="Budget in minutes of searching.")
    final_seeds: int = Field(3, ge=0, description="Fresh seeds that the winner is retrained on.")
    sampler: Literal["tpe", "random", "nsga2"] = "tpe"
    scheduler: Literal["asha", "none"] = "asha"
    concurrent: int = Field(1, ge=1, description="Ceiling of trials at the same time.")
    seed: int = Field(0, ge=0, description="Seed of the sampler.")

    @model_validator(mode="after")
    def _bounded(self) -> TuneConfig:
        if self.trials is None and self.minutes is None:
            raise ValueError("one of trials and minutes must be given")
        return self

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives, lower case."""
        several = self.objective if isinstance(self.objective, tuple) else (self.objective,)
        return tuple(name.lower() for name in several)


class SearchSpace(Strict):
    """A sweep: the run that trial 0 takes, what is varied, how, and with what resources."""

    name: str = Field("sweep", min_length=1, max_length=64, description="For folders and tables.")
    run: RunConfig = RunConfig()
    search: dict[str, Distribution] = Field(default_factory=dict)
    tune: TuneConfig = TuneConfig()
    resources: ResourcesConfig = ResourcesConfig()
