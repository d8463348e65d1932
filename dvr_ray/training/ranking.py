"""The best items of score blocks, ties to the lower item number.

``torch.topk`` breaks ties as its kernel happens to, which differs by device and by shape. Here
equal scores stand in the order of item numbers, at the end of a list too.

``topk`` over a whole catalogue costs about as much as the scores themselves. The largest K of a row
lie in the K groups with the largest maxima, so maxima are ranked first and then only those groups:
a third of the time for 40,000 items.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["best_items"]

GROUP = 32
"""Items in a group; its members lie one stride apart, so that maxima are vector operations."""


def best_items(scores: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """Rank items.

    Parameters
    ----------
    scores : Tensor, shape (u, I)
        Scores; minus infinity for items that mustn't be recommended.
    depth : int
        Length of the lists, at most I.

    Returns
    -------
    tuple of Tensor, shape (u, depth) each
        Items, best first, -1 where none is left; and their scores.

    Notes
    -----
    One ``topk`` of one place more tells where a tie goes over the end. Only such rows are
    looked at once more, in full.
    """
    found, items = _largest(scores, min(depth + 1, scores.shape[1]))
    unordered = False
    if found.shape[1] > depth:
        last = found[:, depth - 1]
        cut = ((last == found[:, depth]) & (last > -torch.inf)).nonzero()[:, 0]
        items, found = items[:, :depth], found[:, :depth]
        if len(cut):
            items[cut] = _lowest_of_ties(scores[cut], last[cut], depth)
            found[cut] = scores[cut[:, None], items[cut]]
            unordered = True
    if unordered or bool((found[:, 1:] == found[:, :-1]).any()):
        items, order = items.sort(1)
        found, again = found.gather(1, order).sort(stable=True, dim=1, descending=True)
        items = items.gather(1, again)
    return items.where(found > -torch.inf, -1), found


def _largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the values of ``topk`` and places where they are, (u, count) each."""
    stride = scores.shape[1] // GROUP
    if stride < 2 * count:
        return scores.topk(count)
    whole = stride * GROUP
    _, best = scores[:, :whole].view(-1, GROUP, stride).amax(1).topk(count)
    members = torch.arange(0, whole, stride, device=scores.device)
    rest = torch.arange(whole, scores.shape[1], device=scores.device)
    places = torch.cat(
        [(best[:, None] + members[:, None]).flatten(1), rest.expand(len(scores), -1)], 1
    )
    found, order = scores.gather(1, places).topk(count)
    return found, places.gather(1, order)


def _lowest_of_ties(scores: Tensor, last: Tensor, depth: int) -> Tensor:
    """Items above each row's last score, and of those that have it the lowest: (u, depth)."""
    above, tied = scores > last[:, None], scores == last[:, None]
    room = depth - above.sum(1, keepdim=True)
    taken = above | (tied & (tied.cumsum(1) <= room))
    return taken.nonzero()[:, 1].view(len(scores), depth)
