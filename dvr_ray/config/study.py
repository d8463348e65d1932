"""Studies as data: what is varied, what is chosen beforehand, what is measured and shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dvr_ray.config.schema import ResourcesConfig, RunConfig, Strict
from dvr_ray.config.space import Distribution

__all__ = ["Choice", "Figure", "Removal", "Study"]

Axes = dict[str, dict[str, dict[str, Any]]]


class Choice(Strict):
    """Fields that are chosen on validation-selection of the first seed, before anything else.

    Every value of a ``grid`` is tried, or as many points of a ``search`` as the study has trials:
    the fields as they are, then random ones that are spread evenly over each range.
    """

    grid: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict, description="Fields and the values to try."
    )
    search: dict[str, Distribution] = Field(
        default_factory=dict, description="Instead of a grid: fields and their ranges."
    )
    by: tuple[str, ...] = Field((), description="Axes for each combination of which it's chosen.")
    on: dict[str, str] = Field(
        default_factory=dict, description="Where on the other axes it's chosen; else their first."
    )
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Cells that it is used in; all by default."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Choice:
        if bool(self.grid) == bool(self.search):
            raise ValueError("exactly one of grid and search must be given")
        if any(distribution.when for distribution in self.search.values()):
            raise ValueError("when has no meaning in a study's search: use only and on")
        return self

    @property
    def fields(self) -> str:
        """Names of what is chosen, for messages."""
        return ", ".join(self.grid or self.search)


class Removal(Strict):
    """Removal curves: retrain without the rows that a row's runs value least, or most.

    Every run of the rows in ``of`` leaves values; ``train`` is trained again on the same data
    without a share of the rows by them, and without as many at random.
    """

    of: tuple[str, ...] = Field(min_length=1, description="Rows whose values are used.")
    train: str = Field(description="Row that is trained on what is left.")
    shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.05, 0.1, 0.2, 0.4), min_length=1, description="Shares of the training rows."
    )
    ends: tuple[Literal["lowest", "highest", "random"], ...] = Field(
        ("lowest", "highest", "random"), min_length=1, description="Which rows are dropped."
    )


class Figure(Strict):
    """One quantity against another.

    Where x is an axis, its entries stand side by side, and every entry of the last axis is a line;
    where it is a metric or a measure, every row is a point, and those that no other beats in both
    are joined.
    """

    x: str = Field(description="An axis, a metric or a measure.")
    y: str = Field(description="A metric or a measure.")


class Study(Strict):
    """A table of runs: every combination of the axes' entries, with every seed.

    Entries of an axis map fields of the run to values. The last axis makes the table's rows.
    """

    name: str = Field(min_length=1, description="Names the folder.")
    run: RunConfig = Field(default_factory=RunConfig, description="What all cells share.")
    axes: Axes = Field(
        min_length=1, description="By axis, its entries by name, each the fields it sets."
    )
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="By axis, the entries that are run; all by default."
    )
    without: tuple[dict[str, tuple[str, ...]], ...] = Field(
        (), description="Combinations of entries that aren't run: {axis: [entry], axis: [entry]}."
    )
    seeds: tuple[int, ...] = Field(
        (0, 1, 2), min_length=1, description="Every cell runs with each."
    )
    seeded: tuple[str, ...] = Field(
        ("seed",), min_length=1, description="Fields that a seed sets, e.g. split.seed."
    )
    choose: tuple[Choice, ...] = Field((), description="Chosen in this order.")
    trials: int = Field(10, ge=1, description="Points that every search of a choice tries.")
    metrics: tuple[str, ...] = Field(("ndcg@20",), description="Measured on test, at the end.")
    measures: tuple[str, ...] = Field(
        ("held_out_correlation", "held_out_without_units", "auc", "seconds"),
        description="What tables show beside metrics, where a run has it: monitors, auc, memory.",
    )
    against: str | tuple[str, ...] | None = Field(
        None,
        description="Row that the others are compared with; of several the best on selection.",
    )
    removal: Removal | None = Field(None, description="Removal curves, beside the tables.")
    figures: tuple[Figure, ...] = Field((), description="By default the first metric by row.")
    scales: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="By --scale, what is overridden in this file."
    )
    resources: ResourcesConfig = Field(default_factory=ResourcesConfig)
    concurrent: int = Field(2, ge=1, description="Ceiling of runs at the same time.")

    @model_validator(mode="after")
    def _named(self) -> Study:
        for name, entries in self.axes.items():
            if not entries:
                raise ValueError(f"axis {name!r} must have an entry, got none")
        self._check_references()
        if self.resources.workers > 1:
            raise ValueError(
                f"resources.workers must be 1, a run of a study has one worker, got "
                f"{self.resources.workers}; raise concurrent instead"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ, got {list(self.seeds)}")
        return self

    def _check_references(self) -> None:
        for row in self.baselines:
            if row not in self.axes[self.last]:
                known = [*self.axes[self.last]]
                raise ValueError(f"against must name a row of {known}, got {row!r}")
        for who, axis, entries in self._references():
            self._check_named(who, axis, entries)
        for axis, used in self.only.items():
            if not used:
                raise ValueError(f"only must leave {axis} an entry, got none")
        if self.removal is not None and self.removal.train not in self.rows:
            raise ValueError(f"removal trains {self.removal.train!r}, which only leaves out")

    def _references(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Who names which axis and which of its entries."""
        if self.removal is not None:
            yield "removal", self.last, (*self.removal.of, self.removal.train)
        yield from (("only", axis, used) for axis, used in self.only.items())
        for combination in self.without:
            yield from (("without", axis, entries) for axis, entries in combination.items())
        for choice in self.choose:
            yield from (("choose", axis, ()) for axis in choice.by)
            yield from (("choose", axis, (entry,)) for axis, entry in choice.on.items())
            yield from (("choose", axis, used) for axis, used in choice.only.items())

    def _check_named(self, who: str, axis: str, entries: tuple[str, ...]) -> None:
        if axis not in self.axes:
            raise ValueError(f"{who} names the axis {axis!r}, got axes {[*self.axes]}")
        for entry in entries:
            if entry not in self.axes[axis]:
                raise ValueError(f"{who} names {entry!r}, but {axis} has {[*self.axes[axis]]}")

    @property
    def last(self) -> str:
        """The axis that makes rows."""
        return list(self.axes)[-1]

    @property
    def used(self) -> Axes:
        """The axes with the entries that are run."""
        return {
            axis: {entry: fields for entry, fields in entries.items()
                   if entry in self.only.get(axis, entries)}
            for axis, entries in self.axes.items()
        }  # fmt: skip

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Entries of the last axis that are run."""
        return self.used[self.last]

    @property
    def baselines(self) -> tuple[str, ...]:
        """Rows that the others are compared with; empty where nothing is compared."""
        against = self.against
        return against if isinstance(against, tuple) else () if against is None else (against,)
