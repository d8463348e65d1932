"""Studies as data: what is varied, what is chosen beforehand, what is measured."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from dvr_ray.config.schema import ResourcesConfig, RunConfig, Strict

__all__ = ["Choice", "Study"]


class Choice(Strict):
    """Fields that are chosen on validation-selection of the first seed, before anything else."""

    grid: dict[str, tuple[Any, ...]] = Field(description="Fields and the values to try.")
    by: tuple[str, ...] = Field((), description="Axes for each combination of which it's chosen.")
    on: dict[str, str] = Field(
        default_factory=dict, description="Where on the other axes it's chosen; else their first."
    )
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Cells that it is used in; all by default."
    )


class Study(Strict):
    """A table of runs: every combination of the axes' entries, with every seed.

    Entries of an axis map fields of the run to values. The last axis makes the table's rows.
    """

    name: str = Field(min_length=1, description="Names the folder.")
    run: RunConfig = Field(default_factory=RunConfig, description="What all cells share.")
    axes: dict[str, dict[str, dict[str, Any]]] = Field(
        min_length=1, description="By axis, its entries by name, each the fields it sets."
    )
    seeds: tuple[int, ...] = Field(
        (0, 1, 2), min_length=1, description="Every cell runs with each."
    )
    seeded: tuple[str, ...] = Field(
        ("seed",), min_length=1, description="Fields that a seed sets, e.g. split.seed."
    )
    choose: tuple[Choice, ...] = Field((), description="Chosen in this order.")
    metrics: tuple[str, ...] = Field(("ndcg@20",), description="Measured on test, at the end.")
    against: str | None = Field(None, description="Row that the others are compared with.")
    resources: ResourcesConfig = Field(default_factory=ResourcesConfig)
    concurrent: int = Field(2, ge=1, description="Ceiling of runs at the same time.")

    @model_validator(mode="after")
    def _named(self) -> Study:
        for name, entries in self.axes.items():
            if not entries:
                raise ValueError(f"axis {name!r} must have an entry, got none")
        if self.against is not None and self.against not in self.rows:
            raise ValueError(f"against must name a row of {[*self.rows]}, got {self.against!r}")
        for choice in self.choose:
            for axis in choice.by:
                self._check_named(axis, ())
            for axis, entry in choice.on.items():
                self._check_named(axis, (entry,))
            for axis, used in choice.only.items():
                self._check_named(axis, used)
        if self.resources.workers > 1:
            raise ValueError(
                f"resources.workers must be 1, a run of a study has one worker, got "
                f"{self.resources.workers}; raise concurrent instead"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ, got {list(self.seeds)}")
        return self

    def _check_named(self, axis: str, entries: tuple[str, ...]) -> None:
        if axis not in self.axes:
            raise ValueError(f"choose names the axis {axis!r}, got axes {[*self.axes]}")
        for entry in entries:
            if entry not in self.axes[axis]:
                raise ValueError(f"choose names {entry!r}, but {axis} has {[*self.axes[axis]]}")

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Entries of the last axis."""
        return self.axes[list(self.axes)[-1]]
