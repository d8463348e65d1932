"""Scripts run by hand: speed as ratios, and the noise tables of the README."""
