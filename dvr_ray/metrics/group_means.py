"""Gaps between groups of users in the mean of a per-user metric.

* ``eo:gender@K``: largest minus smallest mean recall@K over the groups, the form of equal
  opportunity (equal true positive rates; Hardt et al., NeurIPS 2016) for lists.
* ``usermad:gender@K``: mean over pairs of groups of ``|ndcg_g - ndcg_h|``.

A gap near 0 is also what a recommender has that serves nobody: read it beside recall. Its sampling
error is large where a group is small (about .01 for MovieLens-1M's women).
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import METRICS, GroupMetric, UserMetric
from dvr_ray.metrics.ndcg import Ndcg
from dvr_ray.metrics.recall import Recall

__all__ = ["EqualOpportunity", "GroupMeans", "UserMad"]


class GroupMeans(GroupMetric):
    """A gap between the groups' means of a per-user metric."""

    measured: type[UserMetric]

    @abstractmethod
    def gap(self, means: Tensor, there: Tensor) -> Tensor:
        """Compare means, shape (..., G); groups that aren't there don't count. Returns (...)."""

    def group_counts(self, lists: Lists, groups: Tensor, number: int) -> Tensor:
        """Sum of values and number of users by group, shape (G, 2)."""
        found = torch.zeros(number, 2, dtype=torch.float64)
        return found.index_add_(0, groups, self._pairs(lists))

    def value(self, counts: Tensor) -> Tensor:
        """Gap of the means; of counts (..., G, 2), shape (...)."""
        total, users = counts.unbind(-1)
        return self.gap(total / users.clamp_min(1), users > 0)

    def differences(self, lists: Lists, counts: Tensor) -> Tensor:
        """Take each user out of the mean of the own group."""
        groups, number = self.groups(lists)
        own = one_hot(groups.clamp_min(0), number) * (groups >= 0)[:, None]
        return self.value(counts) - self.value(
            counts - own[:, :, None] * self._pairs(lists)[:, None]
        )

    def _pairs(self, lists: Lists) -> Tensor:
        """Value and 1 of every user, shape (u, 2)."""
        values = self.measured(self.cutoff).per_user(lists)
        return torch.stack([values, torch.ones_like(values)], 1)


@METRICS.add("eo")
class EqualOpportunity(GroupMeans):
    """Largest minus smallest mean recall over groups of users."""

    higher_is_better = False
    source = "after Hardt et al. (NeurIPS 2016), definition 2.2"
    measured = Recall

    def gap(self, means: Tensor, there: Tensor) -> Tensor:
        """Largest minus smallest mean; 0 where no group is there."""
        high = means.where(there, -torch.inf).amax(-1)
        low = means.where(there, torch.inf).amin(-1)
        return (high - low).clamp_min(0)


@METRICS.add("usermad")
class UserMad(GroupMeans):
    """Mean difference of ndcg over pairs of groups of users."""

    higher_is_better = False
    source = "Deldjoo et al. (UMUAI 2021); Elliot's UserMADranking"
    measured = Ndcg

    def gap(self, means: Tensor, there: Tensor) -> Tensor:
        """Mean absolute difference over pairs of groups."""
        one, other = torch.triu_indices(means.shape[-1], means.shape[-1], 1)
        both = there[..., one] & there[..., other]
        apart = (means[..., one] - means[..., other]).abs() * both
        return apart.sum(-1) / both.sum(-1).clamp_min(1)
