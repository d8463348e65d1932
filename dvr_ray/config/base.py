"""What all configs are made of: strict frozen models, and named parts with fields of their own."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Component", "Strict"]


class Strict(BaseModel):
    """Base of every config: frozen, unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, strict=True, allow_inf_nan=False
    )


class Component(BaseModel):
    """A named part with its own fields beside the name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(description="Registered name, or package.module:Class.")

    @property
    def params(self) -> dict[str, Any]:
        """Fields beside the name, as written."""
        return dict(self.model_extra or {})
