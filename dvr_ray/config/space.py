"""Search spaces as data: distributions over fields of a run, and how to search them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from dvr_ray.config.paths import MISSING, find
from dvr_ray.config.schema import ResourcesConfig, RunConfig, Strict, TrackingConfig
from dvr_ray.errors import ConfigError
from dvr_ray.registry import canonical

__all__ = ["Distribution", "SearchSpace", "TuneConfig"]

# Short ranges of whole numbers are tried value by value before a sweep, longer ones at both ends.
TRIED = 64

Scalar = bool | int | float | str | None


class Distribution(Strict):
    """Values that a searched field may take: exactly one of int, float and choice.

    ``when`` makes the field conditional: it is searched only where every named field has the given
    value, or one of the given values.
    """

    int_: tuple[int, int] | None = Field(
        default=None, alias="int", description="Lowest, highest; both in."
    )
    float_: tuple[float, float] | None = Field(
        default=None, alias="float", description="Lowest, highest."
    )
    choice: tuple[Any, ...] | None = Field(
        default=None,
        min_length=1,
        description="The values: scalars, or lists for fields that hold lists.",
    )
    log: bool = Field(default=False, description="Search on a log scale.")
    step: int | None = Field(default=None, ge=1, description="int: distance of values.")
    when: dict[str, Any] = Field(default_factory=dict, description="Condition on other fields.")

    @model_validator(mode="after")
    def _legal(self) -> Distribution:
        kinds = [k for k in (self.int_, self.float_, self.choice) if k is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"exactly one of int, float and choice must be given, got {len(kinds)}"
            )
        if self.bounds is not None:
            self._check_range(*self.bounds)
        else:
            self._check_choice()
        return self

    def _check_range(self, low: float, high: float) -> None:
        if low > high:
            raise ValueError(f"the lowest value must not exceed the highest, got [{low}, {high}]")
        if self.log and low <= 0:
            raise ValueError(f"log needs a lowest value above 0, got [{low}, {high}]")
        if self.step is None:
            return
        if self.log or self.int_ is None:
            raise ValueError("step is for an int range without log, got step: " + str(self.step))
        if (high - low) % self.step:
            raise ValueError(f"step must lead from {low} to {high}, got step: {self.step}")

    def _check_choice(self) -> None:
        if self.log or self.step is not None:
            raise ValueError("log and step make no sense for a choice")
        if any(isinstance(value, dict) for value in self.choice or ()):
            raise ValueError(f"choice takes scalars and lists, got {self.described}")
        labels = self.labels
        if any(label in labels[:n] for n, label in enumerate(labels)):
            raise ValueError(f"choice must not hold a value twice, got {self.described}")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest value; None for a choice."""
        return self.int_ if self.int_ is not None else self.float_

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The choices as scalars, for Optuna: a list is named by its JSON text."""
        return tuple(json.dumps(v) if isinstance(v, list) else v for v in self.choice or ())

    @property
    def corners(self) -> tuple[Any, ...]:
        """Values to try against the run's rules: all where they are few, else both ends."""
        if self.choice is not None:
            return self.choice
        if self.int_ is not None:
            values = range(self.int_[0], self.int_[1] + 1, self.step or 1)
            return tuple(values) if len(values) <= TRIED else self.int_
        return self.float_ or ()

    @property
    def described(self) -> str:
        """For messages: ``range [1, 4]`` or ``choice ["a", "b"]``."""
        if self.choice is not None:
            return f"choice {json.dumps(self.choice)}"
        return f"range {json.dumps(self.bounds)}"

    def contains(self, value: Any) -> bool:
        """Whether a plain value could be drawn."""
        if self.choice is not None:
            return value in self.choice
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low, high = self.bounds or (0, 0)
        on_grid = self.int_ is None or (value - low) % (self.step or 1) == 0
        return low <= value <= high and on_grid

    @model_serializer(mode="wrap")
    def _without_blanks(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value}


class TuneConfig(Strict):
    """How to search."""

    objective: str | tuple[str, ...] = Field(
        default="ndcg@20",
        description="Metric on validation-selection; several make a Pareto search.",
    )
    trials: int | None = Field(default=20, ge=1, description="Budget in trials.")
    minutes: float | None = Field(default=None, gt=0, description="Budget in minutes of searching.")
    final_seeds: int = Field(
        default=3, ge=0, description="Fresh seeds that the winner is retrained on."
    )
    sampler: Literal["tpe", "random", "nsga2"] = Field(
        default="tpe", description="Optuna's sampler; nsga2 is for several objectives."
    )
    scheduler: Literal["asha", "none"] = Field(
        default="asha", description="asha stops trials that lag behind; none trains all to the end."
    )
    concurrent: int = Field(default=1, ge=1, description="Ceiling of trials at the same time.")
    seed: int = Field(default=0, ge=0, description="Seed of the sampler.")

    @model_validator(mode="after")
    def _bounded(self) -> TuneConfig:
        if self.trials is None and self.minutes is None:
            raise ValueError("one of trials and minutes must be given, got null for both")
        if len(set(self.objectives)) != len(self.objectives) or not self.objectives:
            raise ValueError(f"objective needs distinct metrics, got {list(self.objectives)}")
        return self

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives, as `dvr_ray.registry.canonical` writes them."""
        several = self.objective if isinstance(self.objective, tuple) else (self.objective,)
        return tuple(canonical(name) for name in several)


class SearchSpace(Strict):
    """A sweep: the run that trial 0 takes, what is varied, how, and with what resources."""

    name: str = Field(
        default="sweep",
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="For folders and tables: letters, digits, dots, dashes, underscores.",
    )
    run: RunConfig = RunConfig()
    search: dict[str, Distribution] = Field(
        default_factory=dict, description="Fields of the run, by dotted path, and their ranges."
    )
    tune: TuneConfig = TuneConfig()
    resources: ResourcesConfig = ResourcesConfig()
    tracking: TrackingConfig = TrackingConfig()

    @property
    def beside(self) -> list[str]:
        """Columns that the table of trials may have beside objectives.

        Reported metrics, and what chance makes of a gap between groups.
        """
        objectives = self.tune.objectives
        metrics = dict.fromkeys([*objectives, *map(canonical, self.run.training.report)])
        columns = [f"{name}{what}" for name in metrics for what in ("", " null", " error")]
        return [name for name in columns if name not in objectives]

    def order(self, place: str = "search") -> list[str]:
        """Return the searched fields such that conditions are decided before their fields.

        Raises
        ------
        ConfigError
            If conditions form a circle.
        """
        parents = {
            name: [path for path in distribution.when if path in self.search]
            for name, distribution in self.search.items()
        }
        try:
            return list(TopologicalSorter(parents).static_order())
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            rule = f"`when` goes in a circle, got {circle}"
            raise ConfigError(place, rule, "remove one of the conditions") from error

    def holds(self, name: str, values: Mapping[str, Any]) -> bool:
        """Whether a field is searched, given the values of those before it in `order`.

        A field that isn't searched has the run's value. A searched field that was left out itself
        meets no condition, so what hangs on it is left out too.
        """
        for path, wanted in self.search[name].when.items():
            value = values.get(path, MISSING) if path in self.search else find(self.run, path)
            if value not in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        return True

    def plain_point(self) -> dict[str, Any]:
        """Return the run's own values of the searched fields whose conditions it meets.

        A component's field that the run doesn't write is ``MISSING``; loading a file refuses it.
        """
        values: dict[str, Any] = {}
        for name in self.order():
            if self.holds(name, values):
                values[name] = find(self.run, name)
        return values

    def corner_points(self, name: str) -> list[dict[str, Any]]:
        """Return a field's corners, each with values under which the field is searched at all.

        The other values are the run's where its conditions allow them.
        """
        given = self._demanded(name)
        return [{**given, name: corner} for corner in self.search[name].corners]

    def _demanded(self, name: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for path, wanted in self.search[name].when.items():
            if path in self.search:
                values |= self._demanded(path)
            allowed = wanted if isinstance(wanted, list) else [wanted]
            own = find(self.run, path)
            values[path] = own if own in allowed else allowed[0]
        return values
