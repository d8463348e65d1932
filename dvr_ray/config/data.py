"""What a run config may say of its data: where they come from, planted noise, the split."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dvr_ray.config.base import Strict
from dvr_ray.storage import check_address, is_address

__all__ = ["ColumnsConfig", "DataConfig", "NoiseConfig", "SplitConfig"]


class NoiseConfig(Strict):
    """Rows planted in the training part whose place is known, for checks."""

    kind: Literal[
        "none", "uniform", "popular", "swapped", "half-users", "push", "mix", "floods", "bots",
        "duplicates", "stale",
    ] = Field(
        "none",
        description="uniform: random pairs; popular: of popular items; swapped: rows that exchange "
        "items; half-users: random items for half the users; push: random users made to like a "
        "few unpopular items; mix: uniform and push; floods: a few users with very many random "
        "items; bots: new users with one list; duplicates: copied users; stale: another user's "
        "items.",
    )  # fmt: skip
    share: float = Field(
        0.0, ge=0, le=5, description="Planted rows as a share of the real training rows."
    )
    targets: int = Field(20, ge=1, description="push, mix: number of pushed items.")
    users_per_target: int | None = Field(
        None, ge=1, description="push, mix: users per pushed item; instead of share."
    )
    users: int | None = Field(
        None,
        ge=1,
        description="half-users, stale: users who get rows, by default half of them; bots: new "
        "users, 200; floods: users, 5.",
    )


Column = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)] | None


class ColumnsConfig(Strict):
    """Which columns of a table hold what: names, or places from 0 in files without a header."""

    user: Column = Field(None, description="Users' ids; by default user, user_id and the like.")
    item: Column = Field(None, description="Items' ids; by default item, item_id and the like.")
    rating: Column = Field(None, description="Ratings; by default rating, stars and the like.")
    time: Column = Field(None, description="Times; by default timestamp, time and the like.")


class DataConfig(Strict):
    """Where interactions come from."""

    source: str = Field(
        "synthetic",
        description="synthetic, table, recbole, movielens, s3rec, lightgcn, hetrec, "
        "hetrec-original, parts.",
    )
    path: str | None = Field(
        None,
        description="Folder of the files, or a table; relative to the YAML. Or a URI, such as "
        "s3://bucket/folder or gs://bucket/log.csv, which is fetched once for a machine.",
    )
    columns: ColumnsConfig = ColumnsConfig()
    min_rating: float | None = Field(
        None, ge=-1e9, le=1e9, description="Keep rows rated this high; then ratings are forgotten."
    )
    core: int = Field(
        0, ge=0, le=10**6, description="Keep users and items with so many rows left; 0 keeps all."
    )
    users: int = Field(1000, ge=2, le=10_000_000, description="synthetic: number of users.")
    items: int = Field(800, ge=2, le=100_000, description="synthetic: number of items.")
    seed: int = Field(0, ge=0, description="Seed of generator and noise; apart from run.seed.")
    noise: NoiseConfig = NoiseConfig()
    cache: bool = Field(True, description="Keep the parsed files as Arrow in the user's cache.")

    @field_validator("path")
    @classmethod
    def _safe(cls, path: str | None) -> str | None:
        if path is not None and is_address(path):
            check_address(path)
        return path


class SplitConfig(Strict):
    """Shares of each user's interactions, or the last ones; train is what is left."""

    by: Literal["random", "time"] = Field(
        "random", description="random: shares of each user's rows; time: each user's last rows."
    )
    last: int = Field(
        1, ge=1, le=1000, description="time: rows per user and held-out part, the latest for test."
    )
    before: float | str | None = Field(
        None,
        description="random: hold out rows that are older alone, of a log that isn't trusted since "
        "then. A number in the unit of its times, or an ISO date (UTC).",
    )
    reward: float = Field(0.1, gt=0, lt=0.5, description="Part that pays the reward.")
    selection: float = Field(0.1, gt=0, lt=0.5, description="Part that picks epochs and trials.")
    test: float = Field(0.1, gt=0, lt=0.5, description="Sealed part; unused with a test file.")
    seed: int = Field(0, ge=0, description="Seed of the split; apart from run.seed.")

    @model_validator(mode="after")
    def _dated(self) -> SplitConfig:
        if self.before is not None and self.by == "time":
            raise ValueError("before needs by: random, got by: time")
        if isinstance(self.before, str):
            try:
                datetime.fromisoformat(self.before)
            except ValueError as error:
                raise ValueError(
                    f"before must be a number or an ISO date, got {self.before!r}"
                ) from error
        return self
