"""Documents made from the investment list."""
