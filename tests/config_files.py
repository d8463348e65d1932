"""A run and a search space as users write them."""

from __future__ import annotations

from pathlib import Path

RUN = """\
seed: 3
data:
  source: lightgcn
  path: ../logs
backbone: {name: bprmf, dim: 32}
valuator:
  depth: 2
  weight_decay: 3
policy:
  bounds: [0.1, 1]
adapter: {reward: recall@20}
training:
  epochs: 5
  lr: 1e-3
"""

SPACE = """\
name: trial
run:
  data: {source: synthetic, users: 50}
  backbone: {name: bprmf, dim: 32}
  valuator: {depth: 2}
  training: {lr: 5e-3}
search:
  valuator.depth: {int: [1, 4]}
  training.lr: {float: [1e-4, 1e-1], log: true}
  backbone.dim: {choice: [16, 32]}
tune: {trials: 4}
resources: {workers: 1}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path
