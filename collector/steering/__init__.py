"""Steers the terminals: who probes the line of each site, and what each is told with the answer to its uploads."""
