"""Where samples are kept: one port, two implementations."""
