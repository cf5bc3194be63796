"""The registry: tables and migrations."""
