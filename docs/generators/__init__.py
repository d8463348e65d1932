"""Markdown and schemas made from the code, so that the reference can't drift from it."""
