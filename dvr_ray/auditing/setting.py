"""What an audit trains with: the preset, sizes that fit the log, and what the user asks for.

The preset is ``preset.yaml``. With n training rows (a share of the log, since some are held out):

* a batch has about n/20 rows, a power of 2 from 128 to 8192, so that an epoch of a small log has
  steps enough;
* a mask is held for ``20 sqrt(40,000 / n)`` epochs, 4 to 20: a larger log has more steps an epoch;
* the warm-up is as long as one horizon, and three horizons follow. Patience never ends them, since
  on a log of noise no epoch is better than the first, and there would be no values to judge.

So a run makes at most 60 epochs for each mask, one more such run without a mask, and 20 of warm-up;
of a large log 12, 12 and 4.

A push gives each target to a quarter of the users at most: with more, it would be the catalogue's
favourite item and not hidden among others. Where that is too few rows there are more than 20
targets, a quarter of the catalogue at most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvr_ray.config.load import apply, load_run, load_tracking
from dvr_ray.config.schema import RunConfig, TrackingConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.guess import guess
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.split import split
from dvr_ray.errors import ConfigError, DataError
from dvr_ray.metrics import Catalogue, parse
from dvr_ray.rewards.mixture import parse_reward
from dvr_ray.tracking import check_tracking
from dvr_ray.training.build import check, check_served

__all__ = ["FEWEST", "KINDS", "Setting", "setting"]

PRESET = Path(__file__).with_name("preset.yaml")
KINDS = ("uniform", "push")
"""Kinds of noise that an audit plants by default: incoherent and coherent."""
FEWEST = 100
"""Planted rows that an AUC is judged by at least: its chance band is then .5 ± .06."""
TARGETS, REACH, HORIZONS = 20, 0.25, 3
STEPS, BATCHES = 20, (7, 13)
EPOCHS, REFERENCE = (4, 20), 40_000


@dataclass(frozen=True)
class Setting:
    """An audit, ready to be run.

    Parameters
    ----------
    config : RunConfig
        Without noise, or with the kind that the user asks for.
    kinds : tuple of str
        What is planted, in a run each.
    rows : int
        Interactions of the log, without given test rows.
    l2_given : bool
        Whether the user gave ``training.l2``; else it is to be chosen.
    tracking : TrackingConfig
        Where else the runs' numbers go.
    """

    config: RunConfig
    kinds: tuple[str, ...]
    rows: int
    l2_given: bool
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def run(self, kind: str, l2: float) -> RunConfig:
        """Return the config of the run in which one kind is planted."""
        return apply(self.config, {"data.noise.kind": kind, "training.l2": l2})


def setting(
    path: Path | None,
    source: str | None = None,
    overrides: Sequence[str] = (),
    more: Sequence[Path] = (),
) -> Setting:
    """Load a log and decide how to audit it.

    Parameters
    ----------
    path : Path or None
        Folder or file of the log; None for a source that needs none.
    source : str, optional
        Guessed from the files by default.
    overrides, more
        As in `dvr_ray.config.load.load_run`; they go above the preset and the sizes.

    Returns
    -------
    Setting
        All that is left to choose is L2, where the user gave none.

    Raises
    ------
    ConfigError
        If a field has a wrong value, or lists are as long as the catalogue.
    DataError
        If the log can't be read, is too small to judge by, or the noise doesn't fit in.
    """
    config = _loaded(path, source, overrides, more)
    tracking = load_tracking(PRESET, overrides, more)
    check_tracking(tracking, "tracking")
    place = "synthetic" if path is None else str(path)
    check(config, place)
    if config.method.name == "bpr":
        raise ConfigError(
            "method.name", "an audit needs values, got bpr, which values nothing", "use dvr"
        )
    dataset = load_dataset(config.data)
    _check_size(dataset, config, place)
    sized, l2_given = _sizes(dataset, config), _given(config, "training.l2")
    config = apply(config, {name: v for name, v in sized.items() if not _given(config, name)})
    training, kind = config.training, config.data.noise.kind
    if training.warmup >= training.epochs:
        raise ConfigError(
            "training.warmup",
            f"values are learned after it, got {training.warmup} of {training.epochs} epochs",
            "lower it, or raise training.epochs",
        )
    kinds = KINDS if kind == "none" else (kind,)
    found = Setting(config, kinds, len(dataset.interactions), l2_given, tracking)
    _check_kinds(dataset, found, place)
    return found


def _loaded(
    path: Path | None, source: str | None, overrides: Sequence[str], more: Sequence[Path]
) -> RunConfig:
    """Preset, data, files and overrides, those to the right above those to the left."""
    if source is None:
        source = "synthetic" if path is None else guess(path)
    where = None if path is None else str(path.absolute())
    data = [f"data.source={json.dumps(source)}", f"data.path={json.dumps(where)}"]
    return load_run(PRESET, [*data, *overrides], more)


def _sizes(dataset: Dataset, config: RunConfig) -> dict[str, Any]:
    """Fields that depend on the size of the log."""
    rows = _training_rows(dataset, config)
    power = round(math.log2(max(rows / STEPS, 1)))
    epochs = round(EPOCHS[1] * math.sqrt(REFERENCE / rows))
    epochs = min(max(epochs, EPOCHS[0]), EPOCHS[1])
    planted = round(config.data.noise.share * rows)
    return {
        "training.batch_size": 2 ** min(max(power, BATCHES[0]), BATCHES[1]),
        "adapter.horizon.epochs": epochs,
        "training.warmup": epochs,
        "training.epochs": (1 + HORIZONS) * epochs,
        "training.patience": (1 + HORIZONS) * epochs,
        **_push(dataset, planted, config),
    }


def _push(dataset: Dataset, planted: int, config: RunConfig) -> Mapping[str, int]:
    """How many items are pushed, and to how many users each."""
    log = dataset.interactions
    if config.data.noise.kind not in ("none", "push") or _given(config, "data.noise.targets"):
        return {}
    most = max(int(REACH * log.num_users), 1)
    targets = max(TARGETS, math.ceil(planted / most))
    targets = min(targets, max(int(REACH * (log.item_counts > 0).sum()), 1))
    each = min(max(round(planted / targets), 1), most)
    return {"data.noise.targets": targets, "data.noise.users_per_target": each}


def _given(config: RunConfig, name: str) -> bool:
    """Whether preset or user set a field."""
    *above, last = name.split(".")
    node: Any = config
    for key in above:
        node = getattr(node, key)
    return last in node.model_fields_set


def _training_rows(dataset: Dataset, config: RunConfig) -> int:
    """About how many rows will be trained on."""
    rows = len(dataset.interactions)
    if dataset.reward is not None and dataset.selection is not None:
        return rows
    parts = config.split
    if parts.by == "time":
        held = min(parts.last * (2 if dataset.test is not None else 3), rows)
        users = int((dataset.interactions.user_counts > 0).sum())
        return max(rows - held * users, 0)
    shares = parts.reward + parts.selection + (0 if dataset.test is not None else parts.test)
    return int(rows * (1 - shares))


def _check_size(dataset: Dataset, config: RunConfig, place: str) -> None:
    """Refuse a log of which too few rows could be planted, and lists as long as the catalogue."""
    rows, share = len(dataset.interactions), config.data.noise.share
    trained = _training_rows(dataset, config)
    planted = round(share * trained)
    if planted < FEWEST:
        needed = math.ceil(FEWEST / max(share, 1e-9) * rows / max(trained, 1))
        mend = "raise data.noise.share" if share < FEWEST / max(trained, 1) <= 1 else ""
        at_least = f"give a log of at least {needed:,} rows" if share and rows else "use more data"
        raise DataError(
            place,
            f"an audit judges by {FEWEST} planted rows or more, got {planted} "
            f"({share:.0%} of {trained} training rows; the log has {rows})",
            " or ".join(part for part in (at_least, mend) if part),
        )
    items = dataset.interactions.num_items
    metrics = [parse(config.training.metric)]
    metrics += [p.metric for p in parse_reward(config.adapter.reward) if p.metric is not None]
    longest = max(metric.cutoff for metric in metrics)
    if longest >= items:
        raise ConfigError(
            place,
            f"lists of {longest} need a catalogue of more items, got {items}",
            "set training.metric and adapter.reward to a smaller K, e.g. ndcg@5",
        )


def _check_kinds(dataset: Dataset, found: Setting, place: str) -> None:
    """Split and plant once, so that nothing is refused after an hour of training."""
    for kind in found.kinds:
        config = found.run(kind, found.config.training.l2)
        data, _ = split(dataset, config.split, config.data.noise, config.data.seed)
        planted = 0 if data.planted is None else int(data.planted.sum())
        if planted < FEWEST:
            raise DataError(
                place,
                f"an audit judges by {FEWEST} planted rows or more, {kind} came to {planted}",
                "use more data, raise data.noise.share, or choose data.noise.kind",
            )
    check_served(config, Catalogue.of(data), place)
