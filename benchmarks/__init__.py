"""Measurements of the product: quality, speed and cost, each printed by the command that its file names."""
