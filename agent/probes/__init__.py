"""One file for each thing the agent reads."""
