"""Ray: the cluster, and Ray Train round the training loop."""
