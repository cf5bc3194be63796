"""Devices, their age from evidence, and the investment list."""
