"""Who is paid when a mask of interactions changes the metric of some users.

Let ``M_k(v)`` be the metric of user v after training with mask k. A baseline turns it into an
advantage ``A_k(v)``; a credit rule hands the advantages to interactions (u, i):

* scalar: ``c_ki = sum_v A_k(v)``, the same for all, as in DVR's paper;
* user: ``c_ki = A_k(u)``;
* user+item: additionally ``sum_{v: i in held(v)} A_k(v) / |held(v)|`` with held(v) the items of
  user v in the validation-reward part. For metrics of exposure, which no held-out item moves,
  held(v) is the top-K list of v in the *common* model, from which the horizon's replicas start:
  the same for all masks. With each mask's own lists advantages would no longer sum to 0 over masks,
  and the estimate would be biased (`tests/rewards/test_exposure_credit.py`);
* item, for metrics of exposure G: ``c_ki = A_k(i)``, the advantage of what the row's own item adds,
  ``E_k(i) = G(all) - G(all but item i)`` (`dvr_ray.metrics.ExposureMetric`). Parts of a mix that
  aren't made of exposure pay ``A_k(u)``.

Scalar credit is an unbiased policy gradient of the total metric, user credit of each user's own
metric, item credit of what each item adds; `tests/rewards` proves it by enumeration.
Scalar credit carries almost no signal on independent masks: its variance grows with the number of
interactions.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dvr_ray.data.interactions import Interactions

__all__ = ["CreditRule", "advantages"]


def advantages(metric: Tensor, baseline: Literal["none", "average", "leave-one-out"]) -> Tensor:
    """Subtract a baseline over masks.

    Parameters
    ----------
    metric : Tensor, shape (K, C)
        Metric of every user, or user and item, after each mask; NaN where it wasn't measured.
    baseline : str
        ``none``; ``average`` over all masks (biased by 1 - 1/K); ``leave-one-out``, the mean of
        the other masks (unbiased).

    Returns
    -------
    Tensor, shape (K, C)
        Zero where the metric is NaN.
    """
    masks = len(metric)
    if baseline != "none":
        centred = metric - metric.mean(0, keepdim=True)
        metric = centred * masks / (masks - 1) if baseline == "leave-one-out" else centred
    return torch.nan_to_num(metric, nan=0.0)


class CreditRule:
    """Hands advantages of users to interactions.

    Parameters
    ----------
    kind : {"scalar", "user", "user+item", "item"}
        The rule.
    train, held_out : Interactions
        Training rows, and the validation-reward part.
    """

    def __init__(
        self,
        kind: Literal["scalar", "user", "user+item", "item"],
        train: Interactions,
        held_out: Interactions,
    ) -> None:
        self.kind = kind
        self._users = torch.from_numpy(train.users)
        self._items = torch.from_numpy(train.items)
        self._num_users, self._num_items = train.num_users, train.num_items
        self._held_out = torch.from_numpy(held_out.users), torch.from_numpy(held_out.items)
        self.hold(None)

    def hold(self, lists: Tensor | None) -> None:
        """Say which users pay for an item, under every mask of the horizon.

        Parameters
        ----------
        lists : Tensor of int64, shape (U, K), or None
            Those whose list holds it, -1 for no item; None: those who hold it out.
        """
        users, items = self._held_out
        if lists is not None:
            users, places = (lists >= 0).nonzero(as_tuple=True)
            items = lists[users, places]
        self._held_users, self._held_items = users, items
        self._held_counts = torch.bincount(users, minlength=self._num_users)

    def __call__(self, advantage: Tensor, rows: Tensor) -> Tensor:
        """Pay the training rows.

        Parameters
        ----------
        advantage : Tensor, shape (K, U)
            Advantages of users; with kind item of users, then of items: (K, U + I).
        rows : Tensor, shape (r,)
            Training rows to be paid.

        Returns
        -------
        Tensor, shape (K, r)
            Credits.
        """
        if self.kind == "scalar":
            return advantage.sum(1, keepdim=True).expand(-1, len(rows))
        credit = advantage[:, self._users[rows]]
        if self.kind == "user+item":
            credit = credit + self._item_credit(advantage)[:, self._items[rows]]
        if self.kind == "item":
            credit = credit + advantage[:, self._num_users + self._items[rows]]
        return credit

    def _item_credit(self, advantage: Tensor) -> Tensor:
        shares = advantage[:, self._held_users] / self._held_counts[self._held_users]
        total = advantage.new_zeros(len(advantage), self._num_items)
        return total.index_add_(1, self._held_items, shares)
