"""All that is told about one training row, as plain numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import DataError
from dvr_ray.explaining.influence import Influence, Payers, influence, payers
from dvr_ray.explaining.neighbours import alike, nearest_items
from dvr_ray.explaining.over_training import Past, over_training, why_no_past
from dvr_ray.explaining.taking_apart import Parts, take_apart
from dvr_ray.explaining.valued import ValuedRun
from dvr_ray.reports.digest import plain
from dvr_ray.training.parts import parts_of

__all__ = ["UNITS", "Explainer", "Explanation", "Level", "Row"]

UNITS = 8
"""Harsanyi units that are listed."""


@dataclass(frozen=True)
class Row:
    """A training row by its names, its original ids and its stored value."""

    row: int
    user: str
    item: str
    user_id: Any
    item_id: Any
    value: float


@dataclass(frozen=True)
class Level:
    """An input of a row: as the encoder reads it, and the share of all rows that have less."""

    input: float
    lower: float


@dataclass(frozen=True)
class Explanation:
    """One training row.

    Parameters
    ----------
    row : Row
        Which.
    rows : int
        Training rows of the run.
    lower : float
        Share of all training rows that are valued lower, 0 to 1.
    mean, sd : float
        Of all stored values.
    probability, loss : float
        The policy's probability of keeping it, and its mean BPR loss.
    planted : bool or None
        Whether it was planted; None where that isn't known.
    metric : str
        The reward that values were learned from.
    parts : Parts
        The value as an exact sum.
    levels : dict of str to Level
        Every input of the row.
    past : tuple of Past
        Values over training.
    no_past : str
        Why there are none, else empty.
    payers : Payers or None
        Whose reward it is paid by; None where the log can't be read any more.
    influence : Influence or None
        First-order effect on users; None likewise.
    influenced : dict of int to str
        Names of the users in ``influence``.
    no_log : str
        Why the log couldn't be read, else empty.
    alike, history : tuple of (Row, float)
        Rows with the nearest inputs and how far they are; the user's other rows with the nearest
        items and their cosine.
    examples : dict of int to Row
        Rows that units name as members.
    """

    row: Row
    rows: int
    lower: float
    mean: float
    sd: float
    probability: float
    loss: float
    planted: bool | None
    metric: str
    parts: Parts
    levels: dict[str, Level]
    past: tuple[Past, ...]
    no_past: str
    payers: Payers | None
    influence: Influence | None
    influenced: dict[int, str]
    no_log: str
    alike: tuple[tuple[Row, float], ...]
    history: tuple[tuple[Row, float], ...]
    examples: dict[int, Row]

    @property
    def adds_up(self) -> bool:
        """Whether values add up to the worth in every batch of the row."""
        return all(check.holds for check in self.parts.checks)

    def digest(self) -> dict[str, Any]:
        """The same as plain values, for programs; of the units, the largest and the rest's sum."""
        found = asdict(self)
        found["parts"]["units"] = found["parts"]["units"][:UNITS]
        found["parts"]["other_units"] = sum(unit.share for unit in self.parts.units[UNITS:])
        return dict(plain({**found, "adds_up": self.adds_up}))


class Explainer:
    """Explains training rows of one run.

    Parameters
    ----------
    run : ValuedRun
        The run.
    read_log : bool
        Whether to read the log again, to say who pays for rows and whom they move.

    Attributes
    ----------
    no_log : str
        Why the log wasn't read; empty where it was.
    """

    def __init__(self, run: ValuedRun, *, read_log: bool = True) -> None:
        self.run = run
        self.no_log, self._data = "" if read_log else "not asked for", None
        if not read_log:
            return
        try:
            self._data = parts_of(run.opened)[0]
        except DataError as error:
            self.no_log = str(error)

    def row(self, row: int) -> Row:
        """Name a training row."""
        run, known = self.run, self.run.opened.catalogue
        user, item = int(run.train.users[row]), int(run.train.items[row])
        return Row(
            row, run.name("user", user), run.name("item", item),
            plain(known.users.ids[user]), plain(known.items.ids[item]), float(run.values[row]),
        )  # fmt: skip

    def explain(self, row: int) -> Explanation:
        """Explain a training row.

        Raises
        ------
        CheckpointError
            If the stored values are of another run, or a file is damaged.
        """
        run = self.run
        parts = take_apart(run, row)
        run.check(row, parts.value)
        told = run.table.iloc[row]
        moved = self._influence(row)
        named = [] if moved is None else [*moved.most_better, *moved.most_worse]
        return Explanation(
            row=self.row(row),
            rows=len(run.values),
            lower=float((run.values < run.values[row]).mean()),
            mean=float(run.values.mean()),
            sd=float(run.values.std()),
            probability=float(told["probability"]),
            loss=float(told["mean_loss"]),
            planted=bool(told["planted"]) if "planted" in run.table else None,
            metric=run.config.adapter.reward,
            parts=parts,
            levels=self._levels(row),
            past=over_training(run, row),
            no_past=why_no_past(run),
            payers=None if self._data is None else payers(run, self._data, row),
            influence=moved,
            influenced={user: run.name("user", user) for user, _ in named},
            no_log=self.no_log,
            alike=self._named(alike(run, row)),
            history=self._named(nearest_items(run, row)),
            examples={
                each: self.row(each) for unit in parts.units[:UNITS] for each in unit.examples
            },
        )

    def _influence(self, row: int) -> Influence | None:
        data: TrialData | None = self._data
        return None if data is None else influence(self.run, data, row)

    def _named(self, found: tuple[tuple[int, float], ...]) -> tuple[tuple[Row, float], ...]:
        return tuple((self.row(row), number) for row, number in found)

    def _levels(self, row: int) -> dict[str, Level]:
        """Inputs that are one number each."""
        inputs, labels = self.run.inputs, self.run.labels
        own = inputs[row]
        lower = ((inputs < own).sum(0) / len(inputs)).numpy()
        return {
            label: Level(float(own[k]), float(lower[k]))
            for k, label in enumerate(labels)
            if labels.count(label) == 1
        }
