"""Legal figures that rules judge by, as dated data: a change of law is a new file here and no code."""
