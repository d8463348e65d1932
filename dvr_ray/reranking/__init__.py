"""Re-ranking of top lists after training: controls for rewards other than accuracy."""

from dvr_ray.reranking.reranker import RERANKING, Reranker

__all__ = ["RERANKING", "Reranker"]
