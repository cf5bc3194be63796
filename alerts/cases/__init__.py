"""Cases of a rule's test file: one file for each kind of input. docs/alerts.md gives the format."""
