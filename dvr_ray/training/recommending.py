"""Top-k lists of a finished run's backbone, ranked and re-ranked as they were when it was measured.

What a user has is never recommended: by default the whole log, held-out rows too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from dvr_ray.backbones import Backbone
from dvr_ray.collective import OneProcess
from dvr_ray.data.ids import shown
from dvr_ray.errors import ConfigError, DataError
from dvr_ray.metrics import Catalogue
from dvr_ray.training.build import build_reranker
from dvr_ray.training.evaluation import Evaluator
from dvr_ray.training.opened import OpenedRun
from dvr_ray.training.parts import parts_of
from dvr_ray.training.value_table import attribute_text

__all__ = ["known_numbers", "recommend"]

PAIRS = 1 << 16
"""Pairs whose scores are looked up at once."""


def recommend(
    run: OpenedRun, users: np.ndarray, k: int, *, held_out_too: bool = False
) -> pd.DataFrame:
    """Recommend items to users.

    Parameters
    ----------
    run : OpenedRun
        A finished run.
    users : ndarray of int, shape (u,)
        Internal numbers, in the order that is wanted.
    k : int
        Length of the lists, at least 1; shorter where a user has nearly everything.
    held_out_too : bool
        Whether items of the validation and test parts may be recommended, for whoever measures the
        lists; the log isn't read then.

    Returns
    -------
    DataFrame
        ``user``, ``rank`` from 1, ``item``, ``score`` of the backbone (which re-ranking doesn't
        change), and the items' attributes, such as ``item.name``. Ids are the original ones.

    Raises
    ------
    ConfigError
        If k is below 1.
    DataError
        If the log is needed and isn't the one that the run was trained on.
    """
    if k < 1:
        raise ConfigError("k", f"must be >= 1, got {k}", "ask for one item at least")
    known, tables = [run.train], run.catalogue
    if not held_out_too:
        data, test = parts_of(run)
        known += [data.reward, data.selection, test.interactions]
    catalogue = Catalogue.of_tables(run.train, tables.user_table, tables.item_table)
    evaluator = Evaluator(known, {}, OneProcess(), catalogue)
    evaluator = evaluator.reranked(build_reranker(run.config, catalogue))
    lists = evaluator.top_items(run.backbone, users, k)
    place, rank = np.nonzero(lists >= 0)
    items = lists[place, rank]
    columns: dict[str, Any] = {
        "user": tables.users.ids[users[place]],
        "rank": rank + 1,
        "item": tables.items.ids[items],
        "score": _scores(run.backbone, users[place], items),
    }
    for name in tables.item_table:
        texts = tables.item_table[name].map(attribute_text).to_numpy(dtype=object)
        columns[f"item.{name}"] = texts[items]
    return pd.DataFrame(columns)


def known_numbers(run: OpenedRun, kind: str, ids: Sequence[Any], place: str) -> np.ndarray:
    """Return the internal numbers of original ids.

    Parameters
    ----------
    run : OpenedRun
        Knows users and items.
    kind : str
        ``user`` or ``item``.
    ids : sequence
        Whole numbers or text.
    place : str
        Where they were given, for the message.

    Returns
    -------
    ndarray of int64, shape (len(ids),)

    Raises
    ------
    DataError
        If one isn't known; names the first.
    """
    known = run.catalogue.users if kind == "user" else run.catalogue.items
    texts = [str(each) for each in ids]
    numbers = known.numbers(pa.array(texts, pa.string())).astype(np.int64)
    unknown = [text for text, number in zip(texts, numbers, strict=True) if number < 0]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise DataError(
            place,
            f"the run knows {len(known):,} {kind}s, not {shown(unknown[0])}{more}",
            f"{run.folder / f'{kind}s.parquet'} lists them, such as {shown(str(known.ids[0]))}",
        )
    return numbers


def _scores(backbone: Backbone, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Scores of pairs, shape (p,)."""
    tables = backbone.frozen()
    blocks = [np.empty(0, dtype=np.float32)]
    with torch.no_grad():
        for start in range(0, len(users), PAIRS):
            part = slice(start, start + PAIRS)
            user = tables.users[torch.from_numpy(users[part])]
            item = tables.items[torch.from_numpy(items[part])]
            blocks.append(backbone.match(user, item[:, None])[:, 0].cpu().numpy())
    return np.concatenate(blocks)
