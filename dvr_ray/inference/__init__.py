"""A trained run applied to whole logs, block after block."""
