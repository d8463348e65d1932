"""Ray Tune and Optuna: many runs from one search space."""
