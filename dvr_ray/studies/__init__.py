"""Studies: many runs that make one table."""
