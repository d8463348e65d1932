"""The table of values that a run leaves: one line per training row, and what else is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from dvr_ray.data.interactions import TrialData
from dvr_ray.metrics.auc import roc_auc

__all__ = [
    "RowValues",
    "agreement",
    "attribute_text",
    "loss_separation",
    "separation",
    "value_table",
]

MOST_RANKED = 200_000


class RowValues(NamedTuple):
    """Values of all training rows, and how steady they are.

    Parameters
    ----------
    values, probabilities : Tensor, shape (n,)
        B x Shapley, and the policy's probability, both means over the passes.
    passes : float
        `agreement` of the passes.
    """

    values: Tensor
    probabilities: Tensor
    passes: float


def agreement(values: Tensor) -> float:
    """Mean rank correlation between several valuations of the same rows.

    Parameters
    ----------
    values : Tensor, shape (p, n)
        Of p valuations; of more than 200,000 rows every so manieth counts.

    Returns
    -------
    float
        Mean of Spearman's rho over all pairs; 1 where all values of a valuation are equal in each.
    """
    from scipy.stats import rankdata  # slow to import, and most runs value nothing

    every = -(-values.shape[1] // MOST_RANKED)
    ranks = rankdata(values[:, ::every].double().cpu().numpy(), axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    norms = np.sqrt((centred**2).sum(1))
    if not norms.all():
        return 1.0 if not norms.any() else 0.0
    rho = (centred @ centred.T) / np.outer(norms, norms)
    return float(rho[np.triu_indices(len(rho), 1)].mean())


def value_table(
    data: TrialData, losses: Tensor, values: Tensor, probabilities: Tensor
) -> pd.DataFrame:
    """One line per training row: original ids, value, probability and what else is known.

    Attributes of users and items are columns such as ``item.category``; features are numbered
    within their family, ``feature.counts.0``.
    """
    columns: dict[str, Any] = {
        "user": data.user_ids[data.train.users],
        "item": data.item_ids[data.train.items],
        "value": values.numpy(),
        "probability": probabilities.numpy(),
        "mean_loss": losses.numpy(),
    }
    if data.times is not None:
        columns["time"] = data.times
    for family, block in data.features.items():
        for number in range(block.shape[1]):
            columns[f"feature.{family}.{number}"] = block[:, number]
    if data.planted is not None and data.planted.any():
        columns["planted"] = data.planted
    # Attributes repeat in many rows: as categories, a text is kept once.
    for kind, attributes, numbers in (
        ("user", data.user_table, data.train.users),
        ("item", data.item_table, data.train.items),
    ):
        for name in attributes:
            codes = pd.Categorical(attributes[name].map(attribute_text))
            columns[f"{kind}.{name}"] = codes[numbers]
    return pd.DataFrame(columns)


def attribute_text(attribute: Any) -> str | None:
    """Write an attribute as text; several of one kind, such as tags, with commas."""
    if isinstance(attribute, list | tuple | np.ndarray):
        return ", ".join(map(str, attribute))
    return None if pd.isna(attribute) else str(attribute)


def separation(table: pd.DataFrame) -> dict[str, Any]:
    """AUC of real against planted rows, of the value and of every plain score."""
    if "planted" not in table:
        return {}
    real = ~table["planted"].to_numpy()
    features = [name for name in table if name.startswith("feature.")]
    scores = {"value": table["value"], "mean_loss": -table["mean_loss"]}
    scores |= {name.removeprefix("feature."): table[name] for name in features}
    if features:
        scores["mean of features"] = table[features].mean(axis=1)
    return {"auc": {name: round(roc_auc(s.to_numpy(), real), 4) for name, s in scores.items()}}


def loss_separation(data: TrialData, losses: Tensor) -> dict[str, Any]:
    """AUC of minus mean loss alone, for methods that value nothing; empty without planted rows."""
    if data.planted is None or not data.planted.any():
        return {}
    return {"auc": {"mean_loss": round(roc_auc(-losses.numpy(), ~data.planted), 4)}}
