"""Where interactions come from; one file per source."""

from dvr_ray.data.sources.source import SOURCES, Source

__all__ = ["SOURCES", "Source"]
