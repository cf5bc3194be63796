"""The agent: measures one terminal and reports to the collector."""

__version__ = "0.1.0"
