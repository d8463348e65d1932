"""The bilevel loop, its evaluation, checkpoints and the building of its parts."""
