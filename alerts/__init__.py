"""Rules and the pure functions that judge; no input or output of its own."""
