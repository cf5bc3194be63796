"""One file for each source of age evidence."""
