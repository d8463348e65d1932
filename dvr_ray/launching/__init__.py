"""Cluster files filled in, and jobs on clusters that run."""
