"""Versions of the agent and of the Python that runs it."""

from __future__ import annotations

import platform

import agent
from agent.host import Host
from agent.probes.contract import Collected, ProbeContext


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Facts `agent_version` and `python_version`."""
    host.note_source("the running program")
    return Collected(facts={"agent_version": agent.__version__, "python_version": platform.python_version()})
