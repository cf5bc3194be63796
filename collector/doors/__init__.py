"""The ways a report may come in."""
