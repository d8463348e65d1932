"""The interface of metrics of top-K lists and the reading of names such as ``ndcg@20``.

A metric is of one of two kinds:

* `UserMetric`: a value for every user; the metric is their mean. Values of many users, and of many
  workers, merge by sums and reduce the variance of a reward.
* `AggregateMetric`: counts that add up over blocks of users and over workers, and a value of the
  counts. What one user's list adds, ``D_u = G(all) - G(all but u's list)``, follows from them.

Lists are cut to K places before a metric sees them. ``eo:gender@20`` names a metric that compares
groups of users, `GroupMetric`, and the attribute that makes the groups.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from dvr_ray.errors import ConfigError, nearest
from dvr_ray.metrics.catalogue import ATTRIBUTES
from dvr_ray.metrics.lists import Lists
from dvr_ray.registry import Registry

__all__ = [
    "METRICS",
    "AggregateMetric",
    "ExposureMetric",
    "GroupMetric",
    "Metric",
    "UserMetric",
    "parse",
]


class Metric(ABC):
    """A metric of top-K lists; derive from `UserMetric`, `AggregateMetric` or `GroupMetric`.

    Parameters
    ----------
    cutoff : int
        K, at least 1.

    Attributes
    ----------
    higher_is_better : bool
        Its direction.
    source : str
        Where its definition stands.
    needs : tuple of str
        What the catalogue or the backbone must have: ``catalogue`` (the number of items),
        ``popularity``, ``category``, ``gender``, ``age``, ``embeddings``.
    kind : str
        ``per user`` or ``aggregate``.
    least : int
        Smallest K that makes sense.
    """

    higher_is_better: bool
    least: int = 1
    source: str = ""
    needs: tuple[str, ...] = ()
    kind: str

    def __init__(self, cutoff: int) -> None:
        self.cutoff = cutoff


class UserMetric(Metric):
    """A metric with a value for every user; its value is their mean."""

    kind = "per user"

    @abstractmethod
    def per_user(self, lists: Lists) -> Tensor:
        """Measure users.

        Parameters
        ----------
        lists : Lists
            At most K places each.

        Returns
        -------
        Tensor, shape (u,), float64
            NaN for users who have no value.
        """


class AggregateMetric(Metric):
    """A metric of all lists together."""

    kind = "aggregate"

    @abstractmethod
    def counts(self, lists: Lists) -> Tensor:
        """Count what `value` depends on; counts of disjoint blocks of users add up.

        Parameters
        ----------
        lists : Lists
            At most K places each; perhaps of no user.

        Returns
        -------
        Tensor of float64
            Always of the same shape.
        """

    @abstractmethod
    def value(self, counts: Tensor) -> Tensor:
        """Return the metric of some counts, a scalar."""

    @abstractmethod
    def differences(self, lists: Lists, counts: Tensor) -> Tensor:
        """Return what each list adds to the metric, D_u.

        Parameters
        ----------
        lists : Lists
            Some of the lists that were counted.
        counts : Tensor
            Counts of all lists.

        Returns
        -------
        Tensor, shape (u,), float64
            ``G(all) - G(all but u's list)``.
        """


class ExposureMetric(AggregateMetric):
    """A metric made of how often items are recommended, so that items can be paid for it."""

    @abstractmethod
    def item_differences(self, counts: Tensor) -> Tensor:
        """Return what each item's exposure adds to the metric, E_i.

        ``E_i = G(all) - G(all but item i)``, where i is taken out of every list and nothing moves
        up. The second term doesn't depend on how often i is shown, so E_i and G change alike when
        only that does.

        Parameters
        ----------
        counts : Tensor
            Counts of all lists.

        Returns
        -------
        Tensor, shape (I,), float64
            Exactly 0 for items that no list holds.
        """


class GroupMetric(AggregateMetric):
    """A metric that compares groups of users; those whose group is unknown are left out.

    A group without users drops out. Fewer than two groups have no gap: 0.

    Parameters
    ----------
    cutoff : int
        K.
    attribute : str
        ``gender`` or ``age``.
    """

    def __init__(self, cutoff: int, attribute: str) -> None:
        super().__init__(cutoff)
        self.attribute = attribute
        self.needs = (*self.needs, attribute)

    @abstractmethod
    def group_counts(self, lists: Lists, groups: Tensor, number: int) -> Tensor:
        """Count by group, as `counts`.

        Parameters
        ----------
        lists : Lists
            Lists of users whose group is known.
        groups : Tensor, shape (u,)
            Group of each.
        number : int
            Number G of groups.

        Returns
        -------
        Tensor of float64, shape (G, ...)
        """

    def groups(self, lists: Lists) -> tuple[Tensor, int]:
        """Group of every list's user, shape (u,), -1 for unknown; and the number G of groups."""
        codes = lists.catalogue.groups[self.attribute]
        return codes[lists.users], max(int(codes.max()) + 1, 1)

    def counts(self, lists: Lists) -> Tensor:
        """Count by the users' own groups."""
        groups, number = self.groups(lists)
        known = groups >= 0
        return self.group_counts(lists.rows(known), groups[known], number)


METRICS: Registry[Metric] = Registry("metric", "dvr_ray.metrics")


def parse(name: str, place: str = "metric", *, also: Sequence[str] = ()) -> Metric:
    """Return the metric that a name such as ``ndcg@20`` or ``eo:gender@20`` asks for.

    Parameters
    ----------
    name : str
        Metric, perhaps an attribute of users, and cutoff; case doesn't matter but in
        ``package.module:Class@20``.
    place : str
        Where the name was written, for messages.
    also : sequence of str
        Other names that are right at that place, for messages.

    Raises
    ------
    ConfigError
        If the metric is unknown, compares groups and names no attribute, or doesn't and names one,
        or if the cutoff isn't a positive integer.
    """
    base, at, cutoff = name.strip().partition("@")
    stem, attribute = _split(base)
    if stem not in METRICS.names() and ":" not in stem:
        known = nearest(stem, [*METRICS.names(), *also])
        raise ConfigError(place, f"unknown metric {name!r}", f"{known} (with a cutoff: NAME@20)")
    if not at or not cutoff.isdecimal() or int(cutoff) < 1:
        raise ConfigError(
            place, f"a cutoff >= 1 must follow {base}@, got {name!r}", f"write {base}@20"
        )
    found = METRICS.get(stem, place)
    if not (isinstance(found, type) and issubclass(found, Metric)):
        raise ConfigError(
            place, f"{stem!r} is no metric", "derive it from dvr_ray.metrics.UserMetric"
        )
    if int(cutoff) < found.least:
        rule = f"{stem} needs a cutoff >= {found.least}, got {name!r}"
        raise ConfigError(place, rule, f"write {stem}@20")
    if not issubclass(found, GroupMetric):
        if attribute:
            raise ConfigError(
                place, f"{stem} takes no group of users, got {name!r}", f"write {stem}@{cutoff}"
            )
        return found(int(cutoff))
    if attribute not in ATTRIBUTES:
        right = " or ".join(f"{stem}:{each}@{cutoff}" for each in ATTRIBUTES)
        raise ConfigError(place, f"{stem} compares groups of users, got {name!r}", f"write {right}")
    return found(int(cutoff), attribute)


def _split(base: str) -> tuple[str, str]:
    """Part a metric's name from the attribute behind it."""
    stem, colon, last = base.rpartition(":")
    if colon and (last.lower() in ATTRIBUTES or stem.lower() in METRICS.names()):
        return (stem if ":" in stem else stem.lower()), last.lower()
    return (base if ":" in base else base.lower()), ""
