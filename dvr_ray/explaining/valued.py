"""A finished run's training rows with their values, and the inputs that values are made of."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dvr_ray.backbones import Backbone
from dvr_ray.data.features import DYNAMIC, FEATURES
from dvr_ray.data.interactions import Interactions, TrialData
from dvr_ray.errors import CheckpointError, DataError
from dvr_ray.reports.values import read_values
from dvr_ray.training.opened import OpenedRun, open_run
from dvr_ray.training.planning import Planner
from dvr_ray.training.recommending import known_numbers
from dvr_ray.training.stored import VALUES
from dvr_ray.weightings import Horizon
from dvr_ray.weightings.inputs import EncoderInputs

__all__ = ["PARTITIONS", "ValuedRun", "family"]

PARTITIONS = 4
"""Random partitions into batches that a stored value is the mean over."""


class ValuedRun:
    """What explanations are read from.

    Parameters
    ----------
    opened : OpenedRun
        A finished run that learned a valuator.

    Attributes
    ----------
    net : ValuingNet
        Its weights are their running means: encoder and valuator are those that values came from.
    table : DataFrame
        ``values.parquet``.

    Raises
    ------
    CheckpointError
        If the run valued nothing, or a file is damaged.
    """

    def __init__(self, opened: OpenedRun) -> None:
        self.opened, self.config = opened, opened.config
        self.net, _ = opened.valuing
        self.table: pd.DataFrame = read_values(opened.folder / VALUES)
        self.train = opened.train
        self.net.load_state_dict(self.net.means())

    @classmethod
    def open(cls, folder: Path) -> ValuedRun:
        """Open the folder of a finished run."""
        return cls(open_run(folder))

    @cached_property
    def values(self) -> np.ndarray:
        """Stored value of every training row, shape (n,), float64."""
        return np.asarray(self.table["value"], dtype=np.float64)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What every input is, shape (c,); embeddings and products are one thing each."""
        encoder = self.config.encoder
        static = [name for name in encoder.features if name not in DYNAMIC]
        labels = [f"{column} ({name})" for name in static for column in FEATURES.get(name).columns]
        if encoder.squares:
            labels += [f"square of {label}" for label in labels]
        wide = {"embeddings": 3, "products": 2}
        dim = (self.net.columns - len(labels)) // sum(
            [wide[name] for name in wide if name in encoder.features] or [1]
        )
        # In the order in which `EncoderInputs` puts them together.
        for name in wide:
            if name in encoder.features:
                labels += [name] * (wide[name] * dim)
        return tuple(labels)

    @property
    def fixed(self) -> bool:
        """Whether inputs stayed the same from the end of the warm-up on."""
        return not any(name in DYNAMIC for name in self.config.encoder.features)

    @cached_property
    def inputs(self) -> Tensor:
        """Inputs of all training rows, shape (n, c), those that change as the final model has them.

        Raises
        ------
        CheckpointError
            If ``values.parquet`` lacks a feature that the run's config names.
        """
        made = EncoderInputs(
            self._stored(), self.config.encoder.features, self._dtype,
            squares=self.config.encoder.squares,
        )  # fmt: skip
        losses = self.table["mean_loss"].to_numpy(dtype=np.float64, copy=True)
        made.prepare(torch.from_numpy(losses))
        every = torch.arange(len(self.train))
        inputs = made(every, self._horizon())
        if inputs.shape[1] != self.net.columns:
            raise self._misfit(f"{inputs.shape[1]} inputs, the valuator takes {self.net.columns}")
        return inputs

    @cached_property
    def movable(self) -> Backbone:
        """The backbone once more, in float64, for who moves its weights and puts them back."""
        return replace(self.opened).backbone.double()

    def holding(self, row: int) -> list[Tensor]:
        """The batch that holds a row, of each partition that stored values are the mean over."""
        return [
            next(batch for batch in cut if bool((batch == row).any())) for cut in self._partitions
        ]

    @cached_property
    def _partitions(self) -> list[list[Tensor]]:
        return [self._planner.cut("valuation", number) for number in range(PARTITIONS)]

    def row_of(self, user: str, item: str) -> int:
        """Find a training row by the original ids of its user and item.

        Raises
        ------
        DataError
            If the run doesn't know them, or has no such training row.
        """
        number = known_numbers(self.opened, "user", [user], "--user")
        other = known_numbers(self.opened, "item", [item], "--item")
        place = int(self.train.places(number, other)[0])
        if place >= 0:
            return place
        count = int(self.train.user_counts[number[0]])
        raise DataError(
            "--item",
            f"user {user} has no training interaction with item {item}; what was held out to "
            "measure with has no value",
            f"the {count} that have one are listed by --user {user}",
        )

    def rows_of(self, user: str | None, item: str | None) -> np.ndarray:
        """Return the training rows of a user, of an item, or all, in the run's order.

        Raises
        ------
        DataError
            If the run doesn't know the id, or the item has no training row.
        """
        train = self.train
        if user is not None:
            number = known_numbers(self.opened, "user", [user], "--user")[0]
            return np.arange(train.user_offsets[number], train.user_offsets[number + 1])
        if item is None:
            return np.arange(len(train))
        number = known_numbers(self.opened, "item", [item], "--item")[0]
        rows = train.item_order[train.item_offsets[number] : train.item_offsets[number + 1]]
        if not len(rows):
            raise DataError(
                "--item", f"no training interaction has item {item}", "ask for another item"
            )
        return rows

    def by_value(self, rows: np.ndarray) -> np.ndarray:
        """Sort rows by their stored values, lowest first; of equal ones the first."""
        return rows[np.argsort(self.values[rows], kind="stable")]

    def name(self, kind: str, number: int) -> str:
        """Write a user or an item: its name where the data have one, and its id."""
        known = self.opened.catalogue
        table = known.user_table if kind == "user" else known.item_table
        ids = known.users if kind == "user" else known.items
        own = str(ids.ids[number])
        title = table["name"].iloc[number] if "name" in table else None
        return f"{title} ({own})" if title and str(title) != own else own

    def check(self, row: int, value: float) -> None:
        """Refuse values of another run.

        Parameters
        ----------
        row : int
            A training row.
        value : float
            What the run's valuator says of it.

        Raises
        ------
        CheckpointError
            If ``values.parquet`` says something else.
        """
        stored, spread = self.values[row], max(float(self.values.std()), 1e-12)
        if self.fixed and not abs(value - stored) <= 0.01 * spread:
            raise self._misfit(
                f"the value {stored:.4g} in line {row + 1}, where this run's valuator says "
                f"{value:.4g}: they are of another run"
            )

    @property
    def _dtype(self) -> torch.dtype:
        found: torch.dtype = getattr(torch, self.config.training.dtype)
        return found

    @cached_property
    def _planner(self) -> Planner:
        opened = self.opened
        return Planner(self.config, self.train, opened.negatives, torch.device("cpu"))

    def _horizon(self) -> Horizon:
        """Stand in for the last horizon; its negatives are other draws than those of training."""
        backbone = self.opened.backbone
        return Horizon(
            0,
            [],
            torch.empty(0),
            backbone.embeddings,
            lambda rows: self._planner.fixed_negatives(backbone, rows, 0),
        )

    def _stored(self) -> TrialData:
        """What the folder says of the training part, with nothing held out."""
        known, none = self.opened.catalogue, np.zeros(0, dtype=np.int64)
        held_out = Interactions(none, none, self.train.num_users, self.train.num_items)
        return TrialData(
            name=self.opened.folder.name,
            fingerprint="",
            train=self.train,
            reward=held_out,
            selection=held_out,
            planted=None,
            push_targets=none,
            user_ids=known.users.ids,
            item_ids=known.items.ids,
            user_table=known.user_table,
            item_table=known.item_table,
            features=self._features(),
        )

    def _features(self) -> dict[str, np.ndarray]:
        found = {}
        for name in self.config.encoder.features:
            if name in DYNAMIC or FEATURES.get(name).needs_losses:
                continue
            columns = [f"feature.{name}.{k}" for k in range(len(FEATURES.get(name).columns))]
            if lacking := [
                column for column in (*columns, "mean_loss") if column not in self.table
            ]:
                raise self._misfit(f"no column {lacking[0]}")
            found[name] = self.table[columns].to_numpy(dtype=np.float32)
        return found

    def _misfit(self, what: str) -> CheckpointError:
        return CheckpointError(
            str(self.opened.folder / VALUES),
            f"must be of this run, but has {what}",
            "train the run again, or bring back its own file",
        )


def family(label: str) -> str:
    """Return the family of an input, which its label ends with in parentheses."""
    return label.rpartition("(")[2].removesuffix(")")
