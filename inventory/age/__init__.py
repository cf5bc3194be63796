"""How old a machine is, from evidence."""
