"""Full ranking of all items for the users of a part, without the known positives.

Users are taken in blocks, dealt out to the workers, and each block needs one product of users with
all items and one top-K; several parts and metrics share the same lists. Blocks don't depend on the
number of workers, so that scores round alike. Values of users and counts of aggregate metrics are
summed over workers, so that every worker holds all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from dvr_ray.backbones import Backbone
from dvr_ray.collective import Collective
from dvr_ray.data.interactions import Interactions, entries_of
from dvr_ray.metrics import Catalogue, Lists, Tally, parse
from dvr_ray.metrics.tally import depth_of, wants_embeddings
from dvr_ray.reranking import Reranker
from dvr_ray.training.ranking import best_items

__all__ = ["Evaluator", "mean_per_user"]

BLOCK_SCORES = {"cpu": 1 << 22}
"""Scores in a block by kind of device: on a CPU the cache decides."""
MOST_SCORES, MOST_USERS = 1 << 24, 512


class Evaluator:
    """Measures metrics and held-out loss.

    Parameters
    ----------
    known : sequence of Interactions
        Pairs that are never recommended: the training part, and for the final test all that the
        model may know.
    parts : mapping of str to Interactions
        Held-out parts by name.
    collective : Collective
        Users are split over it.
    catalogue : Catalogue, optional
        What metrics may know; by default what the first of the known pairs say.
    """

    def __init__(
        self,
        known: Iterable[Interactions],
        parts: Mapping[str, Interactions],
        collective: Collective,
        catalogue: Catalogue | None = None,
    ) -> None:
        pieces = list(known)
        self._known = Interactions.from_pairs(
            np.concatenate([piece.users for piece in pieces]),
            np.concatenate([piece.items for piece in pieces]),
            pieces[0].num_users,
            pieces[0].num_items,
        )
        self._parts = dict(parts)
        self.collective = collective
        self.catalogue = catalogue or Catalogue.of_rows(pieces[0])
        self._reranker: Reranker | None = None

    def reranked(self, reranker: Reranker | None) -> Evaluator:
        """Return an evaluator of lists that are re-ranked before they are measured."""
        other = copy.copy(self)
        other._reranker = reranker
        return other

    def by(self, collective: Collective) -> Evaluator:
        """Return an evaluator whose users are split over other workers."""
        other = copy.copy(self)
        other.collective = collective
        return other

    def values(
        self, backbone: Backbone, metrics: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, float]]:
        """Measure metrics of every kind.

        Parameters
        ----------
        backbone : Backbone
            The model.
        metrics : mapping of str to sequence of str
            Names such as ``ndcg@20`` for each part.

        Returns
        -------
        dict of str to dict of str to float
            By part and name: means over users with held-out items in the part, or what their lists
            have together.
        """
        return {part: tally.values() for part, tally in self.tallies(backbone, metrics).items()}

    def per_user(
        self,
        backbone: Backbone,
        metrics: Mapping[str, Sequence[str]],
        users: np.ndarray | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """Measure per-user metrics for every user.

        Parameters
        ----------
        backbone, metrics
            As in `values`.
        users : ndarray, optional
            Users to measure; all by default.

        Returns
        -------
        dict of str to dict of str to Tensor, shape (U,), float64
            NaN for users without held-out items in the part, or not measured.
        """
        tallies = self.tallies(backbone, metrics, users)
        return {
            part: {name: tallies[part].per_user(name) for name in names}
            for part, names in metrics.items()
        }

    def tallies(
        self,
        backbone: Backbone,
        metrics: Mapping[str, Sequence[str]],
        users: np.ndarray | None = None,
    ) -> dict[str, Tally]:
        """Measure metrics and keep what they were made of; arguments as in `per_user`."""
        parsed = {part: {name: parse(name) for name in names} for part, names in metrics.items()}
        every = [metric for by_name in parsed.values() for metric in by_name.values()]
        table = self.item_table(backbone) if wants_embeddings(every) else None
        start = Lists.none(self.catalogue, table)
        tallies = {part: Tally(by_name, start) for part, by_name in parsed.items()}
        own = self._own(self._users_of(parsed, users), backbone.device)
        for block, items in self._ranked(backbone, own, depth_of(every)):
            for part, tally in tallies.items():
                held_out = self._parts[part]
                tally.add(Lists.of(block, items, held_out, self.catalogue, table))
        return {part: tally.merge(self.collective) for part, tally in tallies.items()}

    def lists(
        self,
        backbone: Backbone,
        part: str,
        depth: int,
        users: np.ndarray | None = None,
        table: Tensor | None = None,
    ) -> Lists:
        """Return the lists of this worker's share of the users of a part.

        Parameters
        ----------
        backbone : Backbone
            The model.
        part : str
            Name of the part.
        depth : int
            Length of the lists, at most the catalogue.
        users : ndarray, optional
            Users to rank for; all by default.
        table : Tensor, optional
            Item embeddings for the lists to carry.
        """
        own = self._own(self._users_of([part], users), backbone.device)
        held_out = self._parts[part]
        found = [
            Lists.of(block, items, held_out, self.catalogue, table)
            for block, items in self._ranked(backbone, own, depth)
        ]
        return Lists.joined([*found]) if found else Lists.none(self.catalogue, table)

    def item_table(self, backbone: Backbone) -> Tensor:
        """Return the backbone's embeddings of all items, shape (I, d), on the CPU."""
        return backbone.frozen().items.cpu()

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
        own = np.array_split(np.arange(len(rows)), self.collective.size)[self.collective.rank]
        users, items = torch.from_numpy(rows.users[own]), torch.from_numpy(rows.items[own])
        with torch.no_grad():
            out = backbone(users.to(device), items.to(device), negatives[own].to(device))
        total.index_add_(0, users, softplus(out.negative[:, 0] - out.positive).double().cpu())
        self.collective.sum_(total)
        return total / torch.from_numpy(rows.user_counts).where(
            torch.from_numpy(rows.user_counts > 0), torch.nan
        )

    def top_items(self, backbone: Backbone, users: np.ndarray, depth: int) -> np.ndarray:
        """Return the best unknown items of users (u,), best first: shape (u, depth).

        Where fewer items are unknown, -1 fills the list.
        """
        blocks = self._blocks(users, backbone.device)
        lists = [top.cpu().numpy() for _, top in self._ranked(backbone, blocks, depth)]
        return np.concatenate(lists) if lists else np.empty((0, depth), dtype=np.int64)

    def _users_of(self, parts: Iterable[str], users: np.ndarray | None) -> np.ndarray:
        """Users with held-out items in any of the parts."""
        wanted = np.flatnonzero(sum(self._parts[part].user_counts for part in parts))
        return wanted if users is None else np.intersect1d(wanted, users)

    def _blocks(self, users: np.ndarray, device: torch.device) -> list[np.ndarray]:
        scores = BLOCK_SCORES.get(device.type, MOST_SCORES)
        step = max(1, min(MOST_USERS, scores // self._known.num_items))
        return [users[start : start + step] for start in range(0, len(users), step)]

    def _own(self, users: np.ndarray, device: torch.device) -> list[np.ndarray]:
        """Blocks of this worker."""
        return self._blocks(users, device)[self.collective.rank :: self.collective.size]

    def _ranked(
        self, backbone: Backbone, blocks: Iterable[np.ndarray], depth: int
    ) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield blocks of users with their lists (u, depth)."""
        device = backbone.device
        depth = min(depth, self._known.num_items)
        pool = depth if self._reranker is None else max(depth, self._reranker.pool)
        for block in blocks:
            with torch.no_grad():
                scores = backbone.item_scores(torch.from_numpy(block).to(device))
                rows, columns = self._positives(block)
                scores[rows.to(device), columns.to(device)] = -torch.inf
                items, found = best_items(scores, min(pool, self._known.num_items))
            if self._reranker is not None:
                items = self._reranker.rerank(items.cpu(), found.cpu(), depth)
            yield block, items

    def _positives(self, users: np.ndarray) -> tuple[Tensor, Tensor]:
        """Places of the known positives in the score block of some users."""
        rows, entries = entries_of(self._known.user_offsets, users)
        return torch.from_numpy(rows), torch.from_numpy(self._known.items[entries])


def mean_per_user(values: Tensor) -> float:
    """Mean over the users that were measured."""
    return float(values.nanmean())
