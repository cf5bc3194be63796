"""Commands of the collector's side."""
