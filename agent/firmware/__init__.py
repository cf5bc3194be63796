"""Firmware tables decoded from their bytes: pure functions, nothing of the machine is touched."""
