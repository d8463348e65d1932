"""The Python interface: fit a frame, look at values, recommend, save and load.

It is the command line's own code: a fitted model is the folder of a run, which ``dvr-ray explain``,
``recommend`` and ``report`` read as well. The frame is written into that folder, so that it can be
moved.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvr_ray.config.load import apply, dump, load_run
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.folder import new_folder
from dvr_ray.data.frame import write_frame
from dvr_ray.errors import CheckpointError, ConfigError, DvrRayError
from dvr_ray.files import holds
from dvr_ray.inference.frame import value_frame
from dvr_ray.metrics import Catalogue
from dvr_ray.reports.values import read_values
from dvr_ray.training.build import check, check_served
from dvr_ray.training.opened import OpenedRun, open_run
from dvr_ray.training.prepare import prepare
from dvr_ray.training.recommending import known_numbers, recommend
from dvr_ray.training.reporter import Reporter, Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import VALUES

__all__ = ["DVR"]

LOG, PLACE = "log", "DVR"
LEFT_OUT = ("checkpoints", ".*")


class DVR:
    """Train a recommender on the interactions worth learning from, and value them.

    Parameters
    ----------
    config : mapping, Path, str or RunConfig, optional
        Fields that differ from the defaults, as ``{"training.epochs": 20}`` or nested; or a YAML
        file of a run or a search space. Where its data lie is of no account: `fit` takes a frame.

    Attributes
    ----------
    config : RunConfig
        The whole run.
    folder_ : Path
        The run's folder, once fitted or loaded.
    result_ : dict
        What is in its ``result.json``: best epoch, metrics on validation-selection.

    Raises
    ------
    ConfigError
        Naming the wrong field, its value and the nearest right name.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user": [k % 30 for k in range(600)],
    ...                     "item": [(k % 30) % 3 + 3 * (k * 7 % 11) for k in range(600)]})
    >>> model = DVR({"training.epochs": 2, "training.warmup": 1}).fit(log)
    >>> list(model.value().columns[:3])
    ['user', 'item', 'value']
    >>> model.recommend([4, 7], k=2)["user"].tolist()
    [4, 4, 7, 7]
    """

    def __init__(self, config: Mapping[str, Any] | Path | str | RunConfig | None = None) -> None:
        self.config = _config(config)
        check(self.config, PLACE)
        self._run: OpenedRun | None = None

    def __repr__(self) -> str:
        """Say where it lies."""
        where = "not fitted" if self._run is None else f"folder {str(self.folder_)!r}"
        return f"DVR({self.config.backbone.name}, {self.config.method.name}; {where})"

    def fit(
        self,
        frame: pd.DataFrame,
        *,
        users: pd.DataFrame | None = None,
        items: pd.DataFrame | None = None,
        folder: Path | str | None = None,
        reporter: Reporter | None = None,
    ) -> DVR:
        """Train on a log; parts of it are held out to measure with, as ``split`` says.

        Parameters
        ----------
        frame : DataFrame
            One row per interaction: ids of user and item, perhaps ratings and times. The usual
            names of columns are found, others are named in ``data.columns``.
        users, items : DataFrame, optional
            Attributes: ids, then gender, age or age_group; name, category.
        folder : Path or str, optional
            New or empty, for the run; by default one that lives as long as this object: `save` it.
        reporter : Reporter, optional
            Takes a row after every report.

        Returns
        -------
        DVR
            Itself.

        Raises
        ------
        DataError
            If a column is missing, an id isn't one, or the log is too small to be split.
        ConfigError
            If the folder holds something, or the data lack what the config reads.
        RunError
            If the training diverges.
        """
        where = self._folder(folder)
        write_frame(frame, self.config.data, where / LOG, users=users, items=items)
        told = {"source": "table", "path": str((where / LOG).resolve()), "cache": False}
        config = apply(self.config, {f"data.{name}": value for name, value in told.items()})
        try:
            data, _ = prepare(config)
            check_served(config, Catalogue.of(data), PLACE)
        except DvrRayError:
            shutil.rmtree(where / LOG)  # the folder is free for another try
            raise
        run(RunRequest(config, data, where), reporter or Silent())
        # Relative to the file, so that the folder can be moved.
        dump(apply(config, {"data.path": LOG}), where / "config.yaml")
        return self._opened(open_run(where))

    def value(
        self, frame: pd.DataFrame | None = None, *, passes: int = 4, skip_unknown: bool = False
    ) -> pd.DataFrame:
        """Return values of interactions; higher is better.

        Parameters
        ----------
        frame : DataFrame, optional
            A log of the same users and items, in columns named as in `fit`. It is valued as a
            whole, as by ``dvr-ray values --data``: a row's features are counted in it. By default
            the training rows, as they were valued after training.
        passes : int
            Random partitions into batches that values of a frame are averaged over.
        skip_unknown : bool
            Leave out the frame's rows of unknown users and items instead of refusing them.

        Returns
        -------
        DataFrame
            Of the training rows: ``values.parquet`` of the run. Of a frame: its ids with ``value``,
            ``standard_error``, ``probability``, ``mean_loss`` and ``rank``, row for row and with
            its index; NaN where a row is left out, as one rated below ``data.min_rating``.

        Raises
        ------
        CheckpointError
            If the method values nothing.
        ConfigError
            If passes is below 1, or the run's inputs can't be had of another log.
        DataError
            If a column is missing, a row can't be read, or a user or item isn't known.
        """
        opened = self._fitted()
        if not (opened.folder / VALUES).exists():
            raise CheckpointError(
                str(opened.folder), f"method {self.config.method.name} values nothing",
                "fit with method.name=dvr",
            )  # fmt: skip
        if frame is None:
            return read_values(opened.folder / VALUES)
        if passes < 1:
            raise ConfigError("passes", f"must be >= 1, got {passes}", "4 is the default")
        return value_frame(opened, frame, passes=passes, skip_unknown=skip_unknown)

    def recommend(
        self, users: Sequence[Any] | np.ndarray | pd.Series | None = None, k: int = 20
    ) -> pd.DataFrame:
        """Recommend items that users don't have in the log.

        Parameters
        ----------
        users : sequence, optional
            Original ids; all users by default.
        k : int
            Length of the lists, at least 1.

        Returns
        -------
        DataFrame
            ``user``, ``rank`` from 1, ``item``, ``score``, and the items' attributes.

        Raises
        ------
        DataError
            If a user isn't known.
        ConfigError
            If k is below 1.
        """
        opened = self._fitted()
        if users is None:
            numbers = np.arange(len(opened.catalogue.users))
        else:
            numbers = known_numbers(opened, "user", list(users), "users")
        return recommend(opened, numbers, k)

    def save(self, path: Path | str) -> Path:
        """Copy the run's folder, without checkpoints, to a new or empty one; return it.

        Raises
        ------
        DataError
            If it holds something or can't be written.
        """
        source, target = self._fitted().folder, Path(path)
        with new_folder(target) as temporary:
            ignored = shutil.ignore_patterns(*LEFT_OUT)
            shutil.copytree(source, temporary, dirs_exist_ok=True, ignore=ignored)
        return target

    @classmethod
    def load(cls, path: Path | str) -> DVR:
        """Open what `save`, `fit` or ``dvr-ray train`` left.

        Raises
        ------
        CheckpointError
            If it isn't the folder of a finished run.
        """
        opened = open_run(Path(path))
        return cls(opened.config)._opened(opened)

    @property
    def folder_(self) -> Path:
        """The run's folder."""
        return self._fitted().folder

    @property
    def result_(self) -> dict[str, Any]:
        """What is in the run's ``result.json``."""
        return self._fitted().result

    def _opened(self, opened: OpenedRun) -> DVR:
        self._run, self.config = opened, opened.config
        return self

    def _fitted(self) -> OpenedRun:
        if self._run is None:
            raise ConfigError(PLACE, "must be fitted first", "call fit(frame), or DVR.load(folder)")
        return self._run

    def _folder(self, given: Path | str | None) -> Path:
        """Return an empty folder."""
        if given is None:
            folder = Path(tempfile.mkdtemp(prefix="dvr-ray-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            return folder
        folder = Path(given)
        if holds(folder, "config.yaml", "run"):
            raise ConfigError(
                str(folder), "holds a run already", "use another folder, or DVR.load it"
            )
        return folder


def _config(given: Mapping[str, Any] | Path | str | RunConfig | None) -> RunConfig:
    if isinstance(given, RunConfig):
        return given
    if isinstance(given, Path | str):
        return load_run(Path(given))
    return apply(RunConfig(), given or {})
