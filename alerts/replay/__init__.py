"""Runs the shipped rules over a recorded trace: what would they have said, and when."""
