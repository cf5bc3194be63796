"""Kinds of conditions: one file for each group that belongs together; `alerts.rules.KINDS` lists them."""
