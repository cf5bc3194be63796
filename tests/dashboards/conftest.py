"""The SDK's classic dashboards warn when they are imported; the classic form is what Grafana 9.4 and later read."""

from __future__ import annotations


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore:Prefer using dashboardv2:DeprecationWarning")
