"""The collector: receives reports, keeps the registry and the metric store, judges and shows."""
