"""Full ranking of all items for the users of a part, without the known positives.

Users are taken in chunks, split over workers, and each chunk needs one product of users with all
items and one top-K; several parts (reward, selection) share the same lists. Per-user values are
gathered by one sum, so that every worker holds all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective
from dvr_ray.data.interactions import Interactions
from dvr_ray.metrics import Metric, parse

__all__ = ["Evaluator", "mean_per_user"]

CHUNK_SCORES = 1 << 24


class Evaluator:
    """Measures ranking metrics and held-out loss per user.

    Parameters
    ----------
    known : sequence of Interactions
        Pairs that are never recommended: the training part, and for the final test all that the
        model may know.
    parts : mapping of str to Interactions
        Held-out parts by name.
    collective : Collective
        Users are split over it.
    """

    def __init__(
        self,
        known: Iterable[Interactions],
        parts: Mapping[str, Interactions],
        collective: Collective,
    ) -> None:
        pieces = list(known)
        self._known = Interactions.from_pairs(
            np.concatenate([piece.users for piece in pieces]),
            np.concatenate([piece.items for piece in pieces]),
            pieces[0].num_users,
            pieces[0].num_items,
        )
        self._parts = dict(parts)
        self._collective = collective

    def per_user(
        self, backbone: Backbone, metrics: Mapping[str, list[str]], users: np.ndarray | None = None
    ) -> dict[str, dict[str, Tensor]]:
        """Measure metrics for every user.

        Parameters
        ----------
        backbone : Backbone
            The model.
        metrics : mapping of str to list of str
            Names such as ``ndcg@20`` for each part.
        users : ndarray, optional
            Users to measure; all by default.

        Returns
        -------
        dict of str to dict of str to Tensor, shape (U,), float64
            NaN for users without held-out items in the part, or not measured.
        """
        parsed = {part: {name: parse(name) for name in names} for part, names in metrics.items()}
        wanted = self._users_with(parsed, users)
        values = self._blank(parsed)
        cutoffs = [m.cutoff for by_name in parsed.values() for m in by_name.values()]
        depth = min(max(cutoffs), self._known.num_items)
        own = np.array_split(wanted, self._collective.size)[self._collective.rank]
        for chunk, lists in self._top_items(backbone, own, depth):
            for part, by_name in parsed.items():
                self._fill(values[part], by_name, self._parts[part], chunk, lists)
        for part, by_name in parsed.items():
            unmeasured = np.ones(self._known.num_users, dtype=bool)
            unmeasured[wanted] = self._parts[part].user_counts[wanted] == 0
            for name in by_name:
                self._collective.sum_(values[part][name])
                values[part][name][torch.from_numpy(unmeasured)] = torch.nan
        return values

    def held_out_loss(self, backbone: Backbone, part: str, negatives: Tensor) -> Tensor:
        """Mean BPR loss of each user's held-out items.

        Parameters
        ----------
        backbone : Backbone
            The model.
        part : str
            Name of the part.
        negatives : Tensor, shape (rows of the part, 1)
            One negative per held-out row.

        Returns
        -------
        Tensor, shape (U,), float64
            NaN for users without held-out items.
        """
        rows = self._parts[part]
        device = backbone.device
        total = torch.zeros(rows.num_users, dtype=torch.float64)
        own = np.array_split(np.arange(len(rows)), self._collective.size)[self._collective.rank]
        users, items = torch.from_numpy(rows.users[own]), torch.from_numpy(rows.items[own])
        with torch.no_grad():
            out = backbone(users.to(device), items.to(device), negatives[own].to(device))
        total.index_add_(0, users, softplus(out.negative[:, 0] - out.positive).double().cpu())
        self._collective.sum_(total)
        return total / torch.from_numpy(rows.user_counts).where(
            torch.from_numpy(rows.user_counts > 0), torch.nan
        )

    def top_items(self, backbone: Backbone, users: np.ndarray, depth: int) -> np.ndarray:
        """Return the best unknown items of users (u,), best first: shape (u, depth)."""
        lists = [top.cpu().numpy() for _, top in self._top_items(backbone, users, depth)]
        return np.concatenate(lists) if lists else np.empty((0, depth), dtype=np.int64)

    def _users_with(
        self, parsed: Mapping[str, Mapping[str, Metric]], users: np.ndarray | None
    ) -> np.ndarray:
        counts = sum(self._parts[part].user_counts for part in parsed)
        wanted = np.flatnonzero(counts)
        return wanted if users is None else np.intersect1d(wanted, users)

    def _blank(self, parsed: Mapping[str, Mapping[str, Metric]]) -> dict[str, dict[str, Tensor]]:
        size = self._known.num_users
        return {
            part: {name: torch.zeros(size, dtype=torch.float64) for name in by_name}
            for part, by_name in parsed.items()
        }

    def _top_items(
        self, backbone: Backbone, users: np.ndarray, depth: int
    ) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield chunks of users with their top lists (u, depth)."""
        device = backbone.device
        step = max(1, CHUNK_SCORES // self._known.num_items)
        for start in range(0, len(users), step):
            chunk = users[start : start + step]
            with torch.no_grad():
                scores = backbone.item_scores(torch.from_numpy(chunk).to(device))
                rows, columns = self._positives(chunk)
                scores[rows.to(device), columns.to(device)] = -torch.inf
                yield chunk, scores.topk(depth).indices

    def _positives(self, users: np.ndarray) -> tuple[Tensor, Tensor]:
        """Places of the known positives in the score block of some users."""
        starts = self._known.user_offsets[users]
        counts = self._known.user_offsets[users + 1] - starts
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        columns = self._known.items[np.repeat(starts, counts) + within]
        rows = np.repeat(np.arange(len(users)), counts)
        return torch.from_numpy(rows), torch.from_numpy(columns)

    @staticmethod
    def _fill(
        values: dict[str, Tensor],
        metrics: Mapping[str, Metric],
        part: Interactions,
        users: np.ndarray,
        lists: Tensor,
    ) -> None:
        repeated = np.broadcast_to(users[:, None], lists.shape)
        hits = torch.from_numpy(part.contains(repeated, lists.cpu().numpy()))
        relevant = torch.from_numpy(part.user_counts[users])
        has = relevant > 0
        place = torch.from_numpy(users)[has]
        for name, metric in metrics.items():
            values[name][place] = metric.per_user(hits[has], relevant[has]).double()


def mean_per_user(values: Tensor) -> float:
    """Mean over the users that were measured."""
    return float(values.nanmean())
